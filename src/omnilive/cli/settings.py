"""`omnilive config`: what is in force, and whether a file is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tomli_w
import typer

from omnilive import presets
from omnilive.cli import options
from omnilive.config import to_tables
from omnilive.serving import wire

app = typer.Typer(no_args_is_help=True, help="Show or check the configuration.")


@app.command()
def show(
    file: options.ConfigFile = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    as_json: options.AsJson = False,
) -> None:
    """Print every setting in force, as a file that can be changed and used."""
    tables = to_tables(options.configure(file, preset, settings))
    typer.echo(wire.dumps(tables) if as_json else tomli_w.dumps(tables), nl=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A configuration file.")],
    as_json: options.AsJson = False,
) -> None:
    """Say whether a file is right; exit code 2 if it is not."""
    config = presets.configure(file=file)
    if as_json:
        typer.echo(wire.dumps({"file": str(file), "preset": config.preset, "ok": True}))
    else:
        typer.echo(f"{file} is right (preset {config.preset}, schema {config.schema}).")
