"""`omnilive doctor`: what is installed, what works, what to do."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from omnilive import api
from omnilive.cli import options
from omnilive.serving import wire

EXAMPLES = """
Example: omnilive doctor --json | jq 'select(.works | not)'
"""


def doctor(
    store: options.Store = None,
    preset: options.Preset = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    weights: options.Weights = None,
) -> None:
    """Try every part on a little data; exit code 1 if one that is needed does not work."""
    from omnilive.evaluation import health  # loads what other verbs do not need

    chosen = options.configure(config, preset, None, vlm, vlm_model, weights)
    console = Console(highlight=False, soft_wrap=True)
    broken = False
    for check in health.examine(chosen, api.store_path(store, chosen)):
        broken = broken or (check.needed and not check.works)
        if as_json:
            typer.echo(wire.dumps({"event": "check"} | asdict(check)))
            continue
        style, word = ("green", "ok") if check.works else ("yellow", "--")
        if check.needed and not check.works:
            style, word = "red", "NO"
        console.print(Text.assemble((f"{word:>3}  ", style), f"{check.name}: {check.found}"))
        if not check.works and check.remedy:
            console.print(Text(f"     {check.remedy}", style="dim"))
    if broken:
        raise typer.Exit(1)
