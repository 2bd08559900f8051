"""What changed from one picture to the next, apart from noise and from what changes always.

A cell moved if it differs from the frame before by more than the noise allows. Cells that move
in nearly every frame (a camera's clock, a fan) are masked; the rarer digits beside a masked
clock are recognised by standing next to it. `stable` is the picture without what is moving:
each cell as it last was in two frames running.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omnilive.perception.grid import COLUMNS, ROWS, Cells, Grid, grow, without_specks

_HABIT = 1.0 / 16.0  # how fast "moves in nearly every frame" is learned and forgotten
_SECOND_NS = 900_000_000  # a second, with room for wobble
_MASK_ON, _MASK_OFF = 0.5, 0.25
# Digits have nearly the same ink: what flickers is learned from smaller steps than what moves.
_FLICKER_FACTOR, _MIN_FLICKER = 4.0, 2.5
# Where more of the picture than this moves all the time, the scene moves and nothing is masked.
_MAX_MASKED = 0.15
# The digits beside a clock: so many cells, in so many steps, and at most this much of the picture.
_BESIDE_ROWS, _BESIDE_COLUMNS, _BESIDE_STEPS, _MAX_BESIDE = 1, 4, 3, 0.03
_DISTANCE_CAP = 64.0  # a difference in grey levels beyond this adds nothing to the distance
_NOISE_FACTOR = 5.0
_SAMPLE = (slice(None, None, 2), slice(None, None, 2))  # a quarter of the cells says enough
_MAX_NOISE = 6.0  # no camera's noise is left at more than this in the mean over a cell
_MAX_EXPOSURE = 16.0  # a step beyond this is a lamp or another scene


@dataclass(frozen=True, kw_only=True)
class ChangesConfig:
    """What counts as a change.

    Attributes:
        min_difference: no cell moved that differs by less, in grey levels (0..255).
        min_moving: share of the picture from which something moved, 0..1.
        min_interval_s: frames that follow faster than this are not looked at.
    """

    min_difference: float = 5.0
    min_moving: float = 0.0012
    min_interval_s: float = 0.19


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """How one frame differs from the one before it.

    Attributes:
        distance: 0 (nothing above the noise) to 1, over the cells that are not masked.
        motion: share of the cells that are not masked that moved, 0..1.
        moved: which cells moved and are neither masked nor beside a masked clock.
        is_moving: whether `motion` is enough to speak of.
    """

    distance: float
    motion: float
    moved: Cells
    is_moving: bool


class ChangeDetector:
    """Compares each frame of one stream with the one before."""

    def __init__(self, config: ChangesConfig) -> None:
        self._config = config
        self._before: Grid | None = None
        self._second: tuple[int, Grid]  # the frame that the next lesson is compared with
        self._rate = np.zeros((ROWS, COLUMNS), np.float32)
        self._always: Cells = np.zeros((ROWS, COLUMNS), np.bool_)
        self._medians: deque[float] = deque(maxlen=32)
        self.stable: Grid = np.zeros((ROWS, COLUMNS, 3), np.float32)
        self.masked: Cells = self._always

    @property
    def threshold(self) -> float:
        """Grey levels by which a cell has to differ, given the noise seen so far."""
        return max(self._config.min_difference, _NOISE_FACTOR * self._noise)

    @property
    def _noise(self) -> float:
        """Standard deviation of a cell's difference between two frames, in grey levels."""
        if not self._medians:
            return 0.0
        # The quarter below: half the frames may be full of motion. 0.67 is what the median of
        # a Gaussian's absolute value is to its deviation.
        quarter = sorted(self._medians)[len(self._medians) // 4]
        return min(quarter / 0.67, _MAX_NOISE)

    def push(self, at_ns: int, grid: Grid) -> Change:
        """Take the frame at `at_ns` and say how it differs from the last one, also across a gap."""
        if self._before is None:
            self._before = grid
            self._second = (at_ns, grid)
            self.stable = grid.copy()
            nothing = np.zeros((ROWS, COLUMNS), np.bool_)
            return Change(distance=0.0, motion=0.0, moved=nothing, is_moving=False)
        differences = grid - self._before
        self._before = grid
        differences -= _exposure(differences)
        self._medians.append(float(np.median(np.abs(differences[_SAMPLE]))))
        difference = np.abs(differences).max(axis=-1)
        threshold = self.threshold
        changed = difference > threshold
        self._learn(at_ns, grid)
        still = ~changed
        # Averaging takes the noise off what stands still.
        self.stable[still] += 0.5 * (grid[still] - self.stable[still])
        ignored = self._ignored(changed)
        moved = without_specks(changed & ~ignored)
        num_seen = ROWS * COLUMNS - int(ignored.sum())
        motion = float(moved.sum()) / num_seen
        excess = np.minimum(difference[moved] - threshold, _DISTANCE_CAP)
        distance = float(excess.sum()) / _DISTANCE_CAP / num_seen
        return Change(
            distance=distance,
            motion=motion,
            moved=moved,
            is_moving=motion >= self._config.min_moving,
        )

    def stands_out(self, reference: Grid) -> Cells:
        """Return the unmasked cells in which the stable picture differs from `reference`."""
        differences = self.stable - reference
        differences -= _exposure(differences)
        differs = np.abs(differences).max(axis=-1) > self.threshold
        return without_specks(differs & ~self._ignored(differs))

    def settle(self) -> None:
        """Take the last frame for what stands still: all of it is new, or it is the last."""
        assert self._before is not None
        self.stable = self._before.copy()

    def _learn(self, at_ns: int, grid: Grid) -> None:
        """Learn once a second what changes always: a clock ticks at no other rate."""
        learned_ns, learned = self._second
        if 0 <= at_ns - learned_ns < _SECOND_NS:
            return
        self._second = (at_ns, grid)
        differences = grid - learned
        differences -= _exposure(differences)
        limit = max(_MIN_FLICKER, _FLICKER_FACTOR * self._noise)
        flickered = np.abs(differences).max(axis=-1) > limit
        self._rate += _HABIT * (flickered - self._rate)
        self._always = np.where(self._always, self._rate > _MASK_OFF, self._rate > _MASK_ON)
        too_much = self._always.mean() > _MAX_MASKED
        self.masked = np.zeros_like(self._always) if too_much else grow(self._always, 1, 1)

    def _ignored(self, changed: Cells) -> Cells:
        """Return the masked cells, with changed ones that hang together with them."""
        if not self.masked.any():
            return self.masked
        beside = self.masked
        for _ in range(_BESIDE_STEPS):
            beside = beside | (grow(beside, _BESIDE_ROWS, _BESIDE_COLUMNS) & changed)
        extra: NDArray[np.bool_] = beside & ~self.masked
        return self.masked if extra.mean() > _MAX_BESIDE else beside


def _exposure(differences: Grid) -> NDArray[np.float32]:
    """Return what all cells have in common (3,): a step of the exposure is not a change."""
    common: NDArray[np.float32] = np.median(differences[_SAMPLE].reshape(-1, 3), axis=0)
    return np.clip(common, -_MAX_EXPOSURE, _MAX_EXPOSURE)
