"""How training is shown: a bar a stage on a terminal, lines in a file, or JSON lines."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from omnilive.serving import wire
from omnilive.training.gradient_check import Slope
from omnilive.training.progress import Progress as Step
from omnilive.training.progress import Watcher
from omnilive.training.recipe import Stage
from omnilive.training.state import RunState

_EVERY_S = 30.0  # between lines where there is no terminal
_MOST_FIGURES = 4  # on one line


class TrainView(Watcher):
    """What training is shown on."""

    def checked(self, stage: str, slopes: Sequence[Slope]) -> None:
        """Show what was found of a stage's gradients."""

    def stopped(self, state: RunState, command: str) -> None:
        """Show where it was stopped and how to go on."""

    def summary(self, state: RunState, folder: Path, export: Path | None) -> None:
        """Show what it came to."""


class JsonTrainView(TrainView):
    """One object a line on stdout, nothing else; notices go to stderr."""

    def began(self, stage: Stage, number: int, count: int, step: int) -> None:
        """Print that a stage begins or goes on."""
        _print("stage", stage=stage.name, number=number, count=count, step=step, steps=stage.steps)

    def stepped(self, progress: Step) -> None:
        """Print a point of the curve."""
        if progress.is_point:
            _print(
                "progress",
                stage=progress.stage,
                step=progress.step,
                steps=progress.steps,
                figures=dict(progress.figures),
                learning_rate=progress.rate,
                tokens=progress.tokens,
                tokens_per_s=round(progress.tokens_per_s, 1),
                seconds_left=round(progress.seconds_left, 1),
                core_hours=round(progress.core_hours, 5),
                run_core_hours=round(progress.run_core_hours, 5),
            )

    def validated(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        """Print a validation's figures; what is no number is null."""
        told = {name: each if math.isfinite(each) else None for name, each in figures.items()}
        _print("validation", stage=stage, step=step, figures=told)

    def saved(self, state: RunState) -> None:
        """Print where the checkpoint is."""
        last = state.stages[-1]
        _print("saved", stage=last.stage.name, step=last.step, finished=last.finished)

    def notice(self, text: str) -> None:
        """Tell it on stderr."""
        _tell(text)

    def checked(self, stage: str, slopes: Sequence[Slope]) -> None:
        """Print each group of parameters."""
        for each in slopes:
            _print(
                "gradient",
                stage=stage,
                error=each.error,
                analytic=each.analytic,
                numeric=each.numeric,
                ok=each.is_right,
                parameters=list(each.names),
            )

    def stopped(self, state: RunState, command: str) -> None:
        """Print how to go on."""
        _print("stopped", place=state.place, command=command)

    def summary(self, state: RunState, folder: Path, export: Path | None) -> None:
        """Print the last line."""
        _print(
            "summary",
            run=str(folder),
            export="" if export is None else str(export),
            core_hours=round(sum(each.core_hours for each in state.stages), 5),
            stages=[
                {
                    "stage": each.stage.name,
                    "steps": each.step,
                    "finished": each.finished,
                    "tokens": each.tokens,
                    "core_hours": round(each.core_hours, 5),
                    "seconds": round(each.wall_s, 1),
                }
                for each in state.stages
            ],
        )


class PeopleTrainView(TrainView):
    """Lines for what lasts, and a bar below them where there is a terminal."""

    def __init__(self, console: Console, bars: Progress | None) -> None:
        self._console = console
        self._bars = bars
        self._bar: TaskID | None = None
        self._said_at = 0.0
        self._head = ""

    def began(self, stage: Stage, number: int, count: int, step: int) -> None:
        """Begin a stage's bar."""
        self._head = f"{number}/{count} {stage.name}"
        self._said_at = time.monotonic()
        where = f" goes on at step {step}" if step else ""
        self._console.print(Text(f"{self._head}{where}: {stage.steps} steps", "bold"))
        if self._bars is not None:
            if self._bar is not None:
                self._bars.remove_task(self._bar)
            self._bar = self._bars.add_task(
                self._head, total=stage.steps, completed=step, told="preparing"
            )

    def stepped(self, progress: Step) -> None:
        """Move the bar, or print a line now and then."""
        told = (
            f"{_figures(progress.figures)}  {_speed(progress)}"
            f"{_duration(progress.seconds_left)} left in the stage, "
            f"{progress.run_core_hours:.2f} core-hours"
        )
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=progress.step, told=told)
        elif time.monotonic() - self._said_at >= _EVERY_S or progress.step == progress.steps:
            self._said_at = time.monotonic()
            self._console.print(f"  step {progress.step}/{progress.steps}  {told}")

    def validated(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        """Print the figures."""
        text = _figures(figures, most=len(figures))
        self._console.print(Text(f"  validation at step {step}: {text}", "cyan"))

    def notice(self, text: str) -> None:
        """Tell it on stderr."""
        _tell(text)

    def checked(self, stage: str, slopes: Sequence[Slope]) -> None:
        """Print the worst of a stage, and what is wrong."""
        worst = max((each.error for each in slopes), default=0.0)
        right = all(each.is_right for each in slopes)
        text = f"{stage}: {len(slopes)} directions, largest error {worst:.1e}"
        self._console.print(Text(text, "green" if right else "red"))
        for each in slopes:
            if not each.is_right:
                self._console.print(
                    f"  backward says {each.analytic:.6g}, differences {each.numeric:.6g} along "
                    f"{', '.join(each.names)}"
                )

    def stopped(self, state: RunState, command: str) -> None:
        """Say how to go on."""
        self._console.print(Text(f"Stopped at {state.place}; saved.", "bold"))
        self._console.print(f"Go on with:  {command}")

    def summary(self, state: RunState, folder: Path, export: Path | None) -> None:
        """Print what each stage cost, and where things are."""
        table = Table(box=None, pad_edge=False)
        table.add_column("stage")
        for name in ("steps", "tokens", "time", "core-hours"):
            table.add_column(name, justify="right")
        for each in state.stages:
            table.add_row(
                each.stage.name,
                f"{each.step:,}",
                f"{each.tokens:,}" if each.tokens else "",
                _duration(each.wall_s),
                f"{each.core_hours:.3f}",
            )
        self._console.print(table)
        self._console.print(
            f"Together {sum(each.core_hours for each in state.stages):.3f} core-hours."
        )
        if (folder / "curves").is_dir():
            self._console.print(f"Curves:  {folder / 'curves'}")
        if export is not None:
            self._console.print(f"Weights: {export}")


@contextmanager
def view(*, as_json: bool) -> Iterator[TrainView]:
    """Choose and begin a view."""
    if as_json:
        yield JsonTrainView()
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield PeopleTrainView(console, None)
        return
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        yield PeopleTrainView(console, bars)


def _figures(figures: Mapping[str, float], most: int = _MOST_FIGURES) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in list(figures.items())[:most])


def _speed(progress: Step) -> str:
    return f"{progress.tokens_per_s:,.0f} tokens/s, " if progress.tokens_per_s else ""


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    return f"{minutes} min" if minutes < 60 else f"{hours} h {minutes - 60 * hours} min"


def _tell(text: str) -> None:
    sys.stderr.write(f"omnilive: {text}\n")


def _print(event: str, **values: object) -> None:
    sys.stdout.write(wire.dumps({"event": event} | values) + "\n")
    sys.stdout.flush()
