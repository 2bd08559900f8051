"""Batches of a small learning problem; imports no torch, as workers should not have to."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import MediaError

WIDTH = 6


@dataclass(frozen=True, slots=True)
class Points:
    """Points of a function and its values there: (B, WIDTH), (B,)."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Waves:
    """Draws points of a sum of waves.

    Attributes:
        batch_size: points a batch.
        phase: of the waves.
    """

    batch_size: int = 32
    phase: float = 0.0

    def draw(self, seed: int, step: int) -> Points:
        rng = np.random.default_rng((seed, step))
        x = rng.uniform(-2, 2, (self.batch_size, WIDTH)).astype(np.float32)
        return Points(x, np.sin(x + self.phase).sum(axis=1).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Numbered:
    """Says which process drew which step; the even steps take longer."""

    large: int = 0

    def draw(self, seed: int, step: int) -> tuple[int, int, NDArray[np.int64]]:
        if step % 2 == 0:
            time.sleep(0.01)
        rng = np.random.default_rng((seed, step))
        return os.getpid(), step, rng.integers(0, 1000, 8 + self.large)


@dataclass(frozen=True, slots=True)
class Counting:
    """Leaves a file for each step that was drawn."""

    folder: str

    def draw(self, seed: int, step: int) -> int:
        (Path(self.folder) / str(step)).touch()
        return step


@dataclass(frozen=True, slots=True)
class Faulty:
    """Fails at a step in one of several ways."""

    at: int
    how: str

    def draw(self, seed: int, step: int) -> object:
        if step == self.at and self.how == "media":
            raise MediaError("The file waves.wav has no sound.")
        if step == self.at and self.how == "bug":
            raise ZeroDivisionError("a share of nothing")
        if step == self.at and self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == self.at and self.how == "unsendable":
            return lambda: step
        return step
