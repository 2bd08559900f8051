"""How a run goes: what is told to who watches it, and what it costs."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from omnilive.training.recipe import Stage
from omnilive.training.state import RunState, StageState


@dataclass(frozen=True, slots=True)
class Progress:
    """After one step.

    Attributes:
        stage: its name.
        step: steps taken, of `steps`.
        steps: of the stage.
        figures: the loss and its parts; the mean of a few steps.
        rate: learning rate.
        tokens: learned from in this stage.
        tokens_per_s: since the stage was begun or resumed; 0 if the task counts none.
        seconds_left: of the stage.
        core_hours: of the stage.
        run_core_hours: of all stages.
        is_point: a point of the curve was written.
    """

    stage: str
    step: int
    steps: int
    figures: Mapping[str, float]
    rate: float
    tokens: int
    tokens_per_s: float
    seconds_left: float
    core_hours: float
    run_core_hours: float
    is_point: bool


class Watcher:
    """Is told how a run goes; does nothing with it."""

    def began(self, stage: Stage, number: int, count: int, step: int) -> None:
        """A stage begins (or goes on at `step`); it is number `number` (from 1) of `count`."""

    def stepped(self, progress: Progress) -> None:
        """A step was taken."""

    def validated(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        """A validation ended."""

    def saved(self, state: RunState) -> None:
        """A checkpoint is whole."""

    def notice(self, text: str) -> None:
        """Something that the user should know."""


class Clock:
    """Adds what this process uses to what a stage had used before."""

    def __init__(self, begun: StageState) -> None:
        self._begun = begun
        self._wall = time.monotonic()
        self._cpu = _cpu_s()

    def on(self, now: StageState, workers_cpu_s: float) -> StageState:
        """Return the state with the cost up to here.

        Args:
            now: of the stage.
            workers_cpu_s: CPU seconds of the processes that make this stage's batches.
        """
        return dataclasses.replace(
            now,
            wall_s=self._begun.wall_s + time.monotonic() - self._wall,
            cpu_s=self._begun.cpu_s + _cpu_s() - self._cpu + workers_cpu_s,
        )

    def tokens_per_s(self, now: StageState) -> float:
        """Return the mean speed of this process."""
        passed = now.wall_s - self._begun.wall_s
        return (now.tokens - self._begun.tokens) / passed if passed > 0 else 0.0

    def seconds_left(self, now: StageState) -> float:
        """Return how long the rest of the stage takes at the mean speed of this process."""
        taken = now.step - self._begun.step
        passed = now.wall_s - self._begun.wall_s
        return (now.stage.steps - now.step) * passed / taken if taken else math.inf


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
