"""Several tasks of one network in turns, so that none forgets what the others taught.

The memory's three tasks share one decoder: what retrieval changes, compression must still be able
to tell. So do answering and instruction prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from omnilive.training.task import TOKENS, Losses, Source, Task


@dataclass(frozen=True, slots=True)
class TurnsSource:
    """Draws for the task whose turn it is."""

    sources: tuple[Source, ...]
    turns: tuple[int, ...]

    def draw(self, seed: int, step: int) -> tuple[int, Any]:
        """Return which task, and its batch."""
        number = self.turns[step % len(self.turns)]
        return number, self.sources[number].draw(seed, step)


class Turns:
    """Several tasks as one; `turns` says which one's turn it is, step after step."""

    def __init__(self, name: str, tasks: tuple[Task, ...], turns: tuple[int, ...]) -> None:
        self.name = name
        self._tasks = tasks
        self.source = TurnsSource(tuple(task.source for task in tasks), turns)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything that one of the tasks trains, once."""
        known: set[str] = set()
        for task in self._tasks:
            for name, parameter in task.trained():
                if name not in known:
                    known.add(name)
                    yield name, parameter

    def loss(self, batch: tuple[int, Any]) -> Losses:
        """Return the loss of the task whose turn it is; its figures carry its name."""
        number, own = batch
        task = self._tasks[number]
        losses = task.loss(own)
        parts = {
            name if name == TOKENS else f"{task.name}.{name}": value
            for name, value in losses.parts.items()
        }
        return Losses(losses.total, parts)

    def validate(self) -> Mapping[str, float]:
        """Return the figures of all tasks."""
        return {
            f"{task.name}.{name}": value
            for task in self._tasks
            for name, value in task.validate().items()
        }
