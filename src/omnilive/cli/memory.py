"""`omnilive memory`: look into a store, keep, export and forget moments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from omnilive import api
from omnilive.cli import options
from omnilive.cli.view import print_moments, print_table
from omnilive.events import Moment
from omnilive.serving import wire

app = typer.Typer(no_args_is_help=True, help="Look into a memory; keep, export, forget moments.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="Of any moment, as printed anywhere.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]


@app.command()
def stats(store: options.Store = None, as_json: options.AsJson = False) -> None:
    """Show what is remembered and what it takes on disk."""
    with api.open_store(store) as memory:
        values = memory.stats()
    if as_json:
        _print({"event": "stats"} | values)
    else:
        print_table(values)


@app.command(name="list")
def list_(
    store: options.Store = None,
    stream: options.Stream = None,
    limit: _Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List the newest moments, oldest first."""
    with api.open_store(store) as memory:
        _show(memory.newest(stream=stream or "", limit=limit), as_json)


@app.command()
def search(
    words: Annotated[str, typer.Argument(help="What to look for.")],
    store: options.Store = None,
    stream: options.Stream = None,
    limit: _Limit = 10,
    as_json: options.AsJson = False,
) -> None:
    """Find moments by what was said, shown or heard; best first.

    Example: omnilive memory search "budget yesterday afternoon"
    """
    with api.open_store(store) as memory:
        _show(memory.search(words, stream=stream or "", limit=limit), as_json)


@app.command()
def show(moment: _Id, store: options.Store = None, as_json: options.AsJson = False) -> None:
    """Show one moment and the clip that it belongs to."""
    with api.open_store(store) as memory:
        _show(memory.show(moment), as_json)


@app.command()
def export(
    moment: _Id,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: ID.mp4).")
    ] = None,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a moment as a clip that any player plays."""
    with api.open_store(store) as memory:
        written = memory.export(moment, out)
    if as_json:
        _print({"event": "export", "id": moment, "file": str(written)})
    else:
        typer.echo(f"Wrote {written}.")


@app.command()
def pin(
    moment: _Id,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Keep a moment whatever the budget says."""
    with api.open_store(store) as memory:
        memory.pin(moment, keep=not off)
    if as_json:
        _print({"event": "pin", "id": moment, "pinned": not off})
    else:
        typer.echo(f"{moment} is {'no longer ' if off else ''}pinned.")


@app.command()
def forget(
    moment: _Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Delete a moment and everything derived from it, for good."""
    with api.open_store(store) as memory:
        found = memory.show(moment)
        if not yes and not as_json:
            print_moments(found)
            typer.confirm("Forget this for good?", abort=True)
        memory.forget(moment)
    if as_json:
        _print({"event": "forget", "id": moment})
    else:
        typer.echo(f"{moment} is forgotten.")


def _show(moments: Sequence[Moment], as_json: bool) -> None:
    if not as_json:
        print_moments(moments)
        return
    for moment in moments:
        _print({"event": "moment", "score": round(moment.score, 4)} | wire.citation(moment))


def _print(value: wire.Json) -> None:
    sys.stdout.write(wire.dumps(value) + "\n")
