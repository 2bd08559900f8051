"""The figures of a run: a line of JSON each, and a picture a stage.

A run that was killed may have written lines of steps that it then takes again; `rewind` drops
them. Pictures are SVG: losses above on a logarithmic axis, shares below from 0 to 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from omnilive.errors import TrainingError
from omnilive.training.curve_pictures import Line, picture
from omnilive.training.files import replace_whole

Split: TypeAlias = Literal["training", "validation"]
_FILE = "curves.jsonl"
_PICTURES = "curves"


@dataclass(frozen=True, slots=True)
class Point:
    """Figures of one step.

    Attributes:
        stage: its name.
        step: steps that were taken before.
        split: training figures are means since the point before.
        figures: by name.
        core_hours: that the stage had used.
    """

    stage: str
    step: int
    split: Split
    figures: Mapping[str, float]
    core_hours: float


class Curves:
    """The figures in one run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _FILE

    def append(self, point: Point) -> None:
        """Write a point.

        Raises:
            TrainingError: the disk does not take it.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_as_line(point))
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def points(self) -> Iterator[Point]:
        """Yield all points; a line that was cut short is left out."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                held = json.loads(line)
                yield Point(
                    held["stage"],
                    held["step"],
                    held["split"],
                    held["figures"],
                    held["core_hours"],
                )
            except (ValueError, KeyError, TypeError):
                continue

    def rewind(self, finished: Collection[str], begun: str, step: int, validated: int) -> None:
        """Drop what a resumed run will write again.

        Args:
            finished: stages that are kept whole.
            begun: the stage that goes on; "" if none.
            step: how far it was saved.
            validated: the step of its newest validation that counts.

        Raises:
            TrainingError: the disk does not take it.
        """
        kept = [
            each
            for each in self.points()
            if each.stage in finished
            or (
                each.stage == begun
                and each.step <= (step if each.split == "training" else validated)
            )
        ]
        try:
            replace_whole(self._path, "".join(map(_as_line, kept)).encode())
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def draw(self, stage: str) -> Path | None:
        """Draw a stage's picture again; None if it has no points yet.

        Raises:
            TrainingError: the disk does not take it.
        """
        points = [each for each in self.points() if each.stage == stage]
        names = sorted({name for each in points for name in each.figures})
        lines = [
            line
            for name in names
            for split in ("training", "validation")
            if (line := _line(points, name, split)) is not None
        ]
        if not lines:
            return None
        path = self._folder / _PICTURES / f"{stage}.svg"
        try:
            path.parent.mkdir(exist_ok=True)
            replace_whole(path, picture(stage, lines).encode())
        except OSError as error:
            raise _unwritable(path, error) from error
        return path


def _as_line(point: Point) -> str:
    line = {
        "stage": point.stage,
        "step": point.step,
        "split": point.split,
        "core_hours": round(point.core_hours, 6),
        "figures": {name: value for name, value in point.figures.items() if math.isfinite(value)},
    }
    return json.dumps(line) + "\n"


def _line(points: list[Point], name: str, split: str) -> Line | None:
    held = [
        (each.step, each.figures[name])
        for each in points
        if each.split == split and name in each.figures
    ]
    return Line(name, split == "validation", held) if held else None


def _unwritable(path: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"{path} could not be written ({error.strerror}); the last good checkpoint is whole: "
        "make room and give the same command again."
    )
