"""What the trainer needs of a training task.

    Source.draw(seed, step)  in worker processes: one batch, equal for equal arguments
            |
    Task.loss(batch)         in the training process: a scalar with a graph, and figures
            |
    trainer                  gradients, optimiser, checkpoint, curves

A batch is a function of (seed, step) alone, so a run that was killed goes on with the very batches
it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

TOKENS = "tokens"
"""The part of a batch's figures that counts the positions that were read."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What one batch gives.

    Attributes:
        total: a scalar with a graph; it is what the gradients are of.
        parts: figures for the curves (losses, accuracies), by name.
    """

    total: Tensor
    parts: Mapping[str, float] = field(default_factory=dict)


class Source(Protocol):
    """Makes batches; it is sent to worker processes, so it holds paths and sizes, no networks."""

    def draw(self, seed: int, step: int) -> Any:
        """Return one batch (arrays, numbers, strings in plain containers)."""
        ...


class Task(Protocol):
    """One stage's work.

    Attributes:
        name: as in the recipe ("clip_compression").
    """

    name: str

    @property
    def source(self) -> Source:
        """What makes its training batches."""
        ...

    def trained(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Return what this task changes; the names last, the optimiser keeps its state by them."""
        ...

    def loss(self, batch: Any) -> Losses:
        """Return the loss of one batch."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Return figures on the validation split; the same ones at every call for equal weights."""
        ...
