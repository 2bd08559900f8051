"""Sound that is pushed in pieces: placed by its own times, held until somebody reads it.

Positions are whole 16 kHz samples of source time. How the sound is cut into pushes leaves no
trace: a piece whose time continues the one before is placed as if both had come as one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from omnilive.events import SAMPLE_RATE, Samples

TOLERANCE = SAMPLE_RATE * 5 // 1000
"""Samples by which a time may be off and still mean "right behind the last piece"."""
FILLED = SAMPLE_RATE * 120 // 1000
"""The longest hole that is filled with silence: a gap would cut the sentence it lies in."""
BLOCK = SAMPLE_RATE // 5
_BLOCKS_A_BOUND = 4


class Hole(NamedTuple):
    """No sound from sample `start` to sample `end`, and why."""

    start: int
    end: int
    reason: str


@dataclass(slots=True)
class SoundCounts:
    """Samples that came, and what became of those that are not what came.

    Attributes:
        given: were read.
        filled: silence that stands for short holes.
        missing: lie in holes that were told as gaps.
        trimmed: came a second time, or for a time that was over.
        overflowed: were thrown away because nobody read them in time.
    """

    given: int = 0
    filled: int = 0
    missing: int = 0
    trimmed: int = 0
    overflowed: int = 0


@dataclass(slots=True)
class _Block:
    """At most `BLOCK` samples in one stretch; `first` and `end` are indices into `samples`."""

    start: int
    samples: Samples
    first: int
    end: int


class PushedSound:
    """The queue of one stream's sound. Not thread-safe: its owner locks.

    Args:
        bound: samples that are held at most; the oldest go first, and are told as a hole.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._queue: deque[_Block | Hole] = deque()
        self._lost: tuple[int, int] | None = None
        self._open: _Block | None = None
        self._shift = 0
        self._claimed_end: int | None = None
        self._floor = 0
        self._is_late = False
        self.held = 0
        self.end = 0
        """The sample behind the last one that was taken in."""
        self.has_come = False
        self.counts = SoundCounts()

    @property
    def position(self) -> int:
        """Sound before this sample is not taken any more."""
        return max(self.end, self._floor)

    @property
    def front(self) -> int | None:
        """The sample at which what `take` returns next is due; None if nothing is held."""
        if self._lost is not None:
            return self._lost[1]
        if not self._queue:
            return None
        first = self._queue[0]
        return first.end if isinstance(first, Hole) else first.start + first.first

    def push(self, at: int, samples: Samples, *, jumped: bool = False) -> None:
        """Take sound whose first sample claims to be number `at`.

        Args:
            at: any whole number; what lies before `position` is trimmed away.
            samples: finite, in -1..1; copied.
            jumped: a hole before this sound is of unknown length.
        """
        if at != self._claimed_end:
            off = at - self.position
            self._shift = -off if abs(off) <= TOLERANCE and self.has_come else 0
        self._claimed_end = at + samples.size
        start = at + self._shift
        skipped = min(samples.size, max(0, self.position - start))
        self.counts.trimmed += skipped
        self._is_late = self._is_late or (skipped > 0 and start < self._floor and self.has_come)
        if skipped == samples.size:
            return
        self._reach(start + skipped, jumped=jumped)
        self._append(samples[skipped:])
        self.has_come = True
        self._keep_bound()

    def skip_to(self, position: int) -> None:
        """Take nothing before `position` any more: a tick has passed it."""
        self._floor = max(self._floor, position)

    def take(self) -> tuple[int, Samples] | Hole | None:
        """Return the next stretch of sound and its first sample, or a hole; None if none is held.

        A hole is returned once it is over.
        """
        if self._lost is not None:
            start, end = self._lost
            self._lost = None
            return Hole(start, end, "The machine was too busy to take the sound in time.")
        if not self._queue:
            return None
        first = self._queue.popleft()
        if isinstance(first, Hole):
            return first
        if first is self._open:
            self._open = None
        self.held -= first.end - first.first
        self.counts.given += first.end - first.first
        return first.start + first.first, first.samples[first.first : first.end]

    def _reach(self, start: int, *, jumped: bool) -> None:
        """Account for what is missing between the last sound and `start`."""
        missing = start - self.end
        if 0 < missing <= FILLED and self.has_come and self._floor <= self.end:
            self.counts.filled += missing
            self._append(np.zeros(missing, np.float32))
        elif 0 < missing <= FILLED and not self.has_come:
            self.end = start  # nobody begins at the very first instant
        elif missing > 0:
            if jumped:
                reason = "The times of the sound jumped, so the true gap is not known."
            elif self._is_late:
                reason = "Some sound came too late."
            else:
                reason = "No sound came." if self.has_come else "The sound starts later."
            self.counts.missing += missing
            self._queue.append(Hole(self.end, start, reason))
            self._open = None
            self.end = start
        self._is_late = False

    def _append(self, samples: Samples) -> None:
        done = 0
        while done < samples.size:
            block = self._open
            if block is None or block.end == BLOCK:
                block = self._open = _Block(self.end, np.empty(BLOCK, np.float32), 0, 0)
                self._queue.append(block)
            count = min(BLOCK - block.end, samples.size - done)
            block.samples[block.end : block.end + count] = samples[done : done + count]
            block.end += count
            done += count
            self.end += count
            self.held += count

    def _keep_bound(self) -> None:
        most_blocks = self._bound * _BLOCKS_A_BOUND // BLOCK + 2
        while self.held > self._bound or len(self._queue) > most_blocks:
            first = self._queue[0]
            if isinstance(first, Hole):
                self._queue.popleft()
                self._lose(first.start, first.end)
                continue
            size = first.end - first.first
            over = self.held - self._bound
            dropped = size if len(self._queue) > most_blocks else min(size, over)
            start = first.start + first.first
            first.first += dropped
            self.held -= dropped
            self.counts.overflowed += dropped
            if dropped == size:
                self._queue.popleft()
                if first is self._open:
                    self._open = None
            self._lose(start, start + dropped)

    def _lose(self, start: int, end: int) -> None:
        self._lost = (start if self._lost is None else self._lost[0], end)
