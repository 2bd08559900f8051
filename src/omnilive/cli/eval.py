"""`omnilive eval`: how well a system remembers, measured."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from omnilive.cli import options
from omnilive.errors import UsageError
from omnilive.serving import wire

if TYPE_CHECKING:
    from omnilive.evaluation.conditions import Condition
    from omnilive.evaluation.memory_benchmark import Told
    from omnilive.evaluation.memory_subjects import Subject
    from omnilive.system import Config

app = typer.Typer(no_args_is_help=True, help="Measure how well a system remembers.")

EXAMPLES = """
Examples:

omnilive eval memory

omnilive eval memory --seeds 3 --duration 1h --conditions memory,newest,blind --out results

omnilive eval memory --questions questions.jsonl --media videos --preset server --vlm URL

omnilive eval memory --store ~/memory --questions questions.jsonl --json

Stopped with ctrl-C, the same command goes on where it was.
"""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h)?")
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}
_LONGEST_S = 86_400.0


@app.command(epilog=EXAMPLES)
def memory(
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="Questions about videos, one JSON object a line."),
    ] = None,
    media: Annotated[
        Path | None, typer.Option("--media", help="Folder of the videos that are asked about.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Ask a memory that exists instead of watching."),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="Worlds, without --questions.")
    ] = 3,
    duration: Annotated[
        str, typer.Option("--duration", help="Of each world: 90s, 10m, 24h.")
    ] = "10m",
    num_questions: Annotated[
        int, typer.Option("--num-questions", min=1, max=10_000, help="Asked in each world.")
    ] = 48,
    conditions: Annotated[
        str,
        typer.Option(
            "--conditions", help="Some of memory,newest,blind,shuffled,context,oracle; or all."
        ),
    ] = "all",
    out: Annotated[
        Path, typer.Option("--out", help="Folder of memories, answers, result and charts.")
    ] = Path("omnilive-eval"),
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    preset: options.Preset = None,
    weights: options.Weights = None,
    config: options.ConfigFile = None,
    settings: options.Set = None,
) -> None:
    """Ask about the past under several conditions, and say what the memory is worth.

    Without --questions, worlds are made that no network was trained on.
    """
    from omnilive.evaluation.memory_benchmark import run_benchmark
    from omnilive.evaluation.memory_report import report, write_report

    chosen = _conditions(conditions)
    about: dict[str, Any] = {"conditions": list(chosen)}
    configured = options.configure(config, preset, settings, vlm, vlm_model, weights)
    about["preset"] = configured.preset
    if questions is None:
        if media is not None or store is not None:
            raise UsageError("--media and --store need --questions with what is to be asked.")
        about |= {"seeds": seeds, "duration_s": _seconds(duration), "split": "test"}
        subjects = _worlds(seeds, _seconds(duration), num_questions, out, configured)
    else:
        about |= {"questions": str(questions)}
        subjects = _videos(questions, media, store, out, configured)
    console = Console(highlight=False, soft_wrap=True)
    with _progress(console, quiet=as_json) as told:
        asked = run_benchmark(subjects, configured, out, conditions=chosen, told=told)
    result = report(asked, chosen, about)
    files = write_report(out, result)
    if as_json:
        sys.stdout.write(wire.dumps({"event": "result"} | result) + "\n")
        return
    console.print(_table(result))
    for condition, each in result["conditions"].items():
        for reason, count in each["not_possible"].items():
            console.print(f"{condition}: not asked {count} times. {reason}", style="dim")
        for reason, count in each["failed"].items():
            console.print(f"{condition}: failed {count} times. {reason}", style="red")
    console.print(f"Result: {files[0]}")


def _worlds(
    seeds: int, duration_s: float, num_questions: int, out: Path, config: Config
) -> Sequence[Subject]:
    from omnilive.evaluation.memory_worlds import world_subjects

    return world_subjects(seeds, duration_s, num_questions, out, config)


def _videos(
    questions: Path, media: Path | None, store: Path | None, out: Path, config: Config
) -> Sequence[Subject]:
    from omnilive.evaluation.memory_questions import find_videos, read_questions
    from omnilive.evaluation.memory_subjects import store_subjects, video_subjects

    if (media is None) == (store is None):
        raise UsageError("With --questions give --media with the videos, or --store; one of them.")
    asked = read_questions(questions)
    if store is not None:
        return store_subjects(asked, store, config)
    assert media is not None
    return video_subjects(asked, find_videos(asked, media), out)


def _conditions(text: str) -> tuple[Condition, ...]:
    from omnilive.evaluation.conditions import CONDITIONS

    if text.strip() == "all":
        return CONDITIONS
    names = [each.strip() for each in text.split(",") if each.strip()]
    unknown = [each for each in names if each not in CONDITIONS]
    if unknown or not names:
        raise UsageError(
            f'--conditions takes {", ".join(CONDITIONS)} or all, not "{", ".join(unknown)}".'
        )
    return tuple(each for each in CONDITIONS if each in names)


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 60 <= seconds <= _LONGEST_S:
        raise UsageError("--duration is between 1m and 24h, for example 90s, 10m or 6h.")
    return seconds


@contextmanager
def _progress(console: Console, *, quiet: bool) -> Iterator[Told]:
    from omnilive.evaluation.memory_benchmark import Told

    columns = (TextColumn("{task.description:>12}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet) as bars:
        tasks: dict[str, Any] = {}

        def show(name: str, share: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=share)

        yield Told(
            watching=show,
            asking=lambda done, total: show("Asking", done / total if total else 1.0),
        )


def _table(result: dict[str, Any]) -> Table:
    table = Table(title="Answers, % (95 % interval)")
    for name in ("condition", "right, past", "right, present", "cites evidence", "false seen"):
        table.add_column(name)
    for condition, each in result["conditions"].items():
        table.add_row(
            condition,
            _cell(each["past"].get("right")),
            _cell(each["present"].get("right")),
            _cell(each["all"].get("cited_hit")),
            _cell(each["all"].get("false_seen")),
        )
    return table


def _cell(values: dict[str, Any] | None) -> str:
    if values is None:
        return "-"
    return (
        f"{100 * values['mean']:.1f} ({100 * values['low']:.0f} to {100 * values['high']:.0f}), "
        f"n={values['num']}"
    )
