"""Options that several verbs share, and the configuration they make."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from omnilive import presets
from omnilive.nn.ixc_loading import LOADING
from omnilive.system import Config

Store = Annotated[
    Path | None,
    typer.Option("--store", help="Directory of the memory.", envvar="OMNILIVE_STORE"),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object a line on stdout, and nothing else.")
]
Stream = Annotated[str | None, typer.Option("--stream", help="Name of the stream.")]
Picture = Annotated[
    Path | None,
    typer.Option("--picture", help="Picture file: when did it look like this?"),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file (TOML).", envvar="OMNILIVE_CONFIG"),
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="What to run: embedded (default), tiny, server, ixc.")
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="Folder of the networks; chooses the preset ixc (or of tiny)."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, e.g. hearing.threshold=0.6; may be repeated."),
]
Vlm = Annotated[
    str | None,
    typer.Option("--vlm", help="Address of an OpenAI-style vision-language server."),
]
VlmModel = Annotated[str | None, typer.Option("--vlm-model", help="The model that it shall run.")]


def configure(
    file: Path | None,
    preset: str | None,
    overrides: list[str] | None,
    vlm: str | None = None,
    vlm_model: str | None = None,
    weights: Path | None = None,
) -> Config:
    """Return preset, file, then options: each over what came before."""
    config = presets.configure(
        file=file,
        preset=preset,
        overrides=overrides or (),
        vlm=vlm,
        vlm_model=vlm_model,
        weights=weights,
    )
    if config.preset == "ixc":
        _tell_of_loading()
    if config.vlm.url:
        # Privacy: nothing leaves the machine without being said.
        server = urlsplit(config.vlm.url)
        typer.echo(
            f"omnilive: pictures and words of remembered moments, and your questions, are sent to "
            f"{server.hostname}{f':{server.port}' if server.port else ''} ({config.vlm.model}).",
            err=True,
        )
    return config


class _Telling(logging.Handler):
    """Says on the error stream what is being loaded: it takes minutes, and gigabytes."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"omnilive: {record.getMessage()} ...", err=True)


def _tell_of_loading() -> None:
    if not LOADING.handlers:
        LOADING.addHandler(_Telling())
        LOADING.propagate = False
    LOADING.setLevel(logging.INFO)
