"""`omnilive demo`: the whole system on a world whose truth is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from omnilive.cli import options
from omnilive.serving import wire

EXAMPLES = """
Examples:

omnilive demo

omnilive demo --seed 3 --seconds 300 --out another-world

omnilive demo --preset tiny
"""


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Directory for the video, memory and report.")
    ] = Path("omnilive-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another world.")] = 7,
    seconds: Annotated[
        float, typer.Option("--seconds", min=60, max=3600, help="Length of the world.")
    ] = 180.0,
    preset: options.Preset = None,
    weights: options.Weights = None,
    as_json: options.AsJson = False,
) -> None:
    """Render a small world, watch it, ask about it, and score the answers against the truth.

    The preset tiny gets the world that it was trained on, with things it never saw.
    """
    from omnilive.evaluation.demo import run_demo  # loads what other verbs do not need

    chosen = None
    if preset is not None or weights is not None:
        chosen = options.configure(None, preset, None, weights=weights)
    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description:>10}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=as_json) as bars:
        tasks = {
            name: bars.add_task(name, total=1.0) for name in ("Rendering", "Watching", "Asking")
        }
        result = run_demo(
            out,
            seed=seed,
            seconds=seconds,
            config=chosen,
            progress=lambda step, share: bars.update(tasks[step], completed=share),
        )
    if as_json:
        for each in result.scored:
            typer.echo(
                wire.dumps(
                    wire.answer(each.answer, each.took_ms)
                    | {"kind": each.question.kind, "truth": each.truth, "right": each.right}
                )
            )
    else:
        for each in result.scored:
            mark, style = ("+", "green") if each.right else ("-", "red")
            console.print(Text.assemble((f"{mark} ", style), (each.question.text, "bold")))
            console.print(Text(f"  {each.answer.text}"))
            console.print(Text(f"  truth: {each.truth}", style="dim"))
    right = sum(each.right for each in result.scored)
    if as_json:
        typer.echo(
            wire.dumps(
                {
                    "event": "score",
                    "right": right,
                    "total": len(result.scored),
                    "report": str(result.report),
                    "video": str(result.video),
                    "store": str(result.store),
                }
            )
        )
        typer.echo(wire.dumps({"event": "summary"} | asdict(result.summary)))
        return
    console.print()
    console.print(Text(f"{right} of {len(result.scored)} answers are right.", style="bold"))
    console.print(f"Report:  {result.report}")
    console.print(f'Ask on:  omnilive ask "..." --store {result.store}')
