"""From chunks of any length to blocks of 512 samples whose times follow the chunks' own.

A block's time comes from the timestamp of the chunk its first sample arrived in, plus the
sample's place in that chunk: nothing is added up, so a clock that drifts is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, AudioChunk, Samples
from omnilive.perception.voice_activity import BLOCK_SAMPLES

SAMPLE_NS = NS_PER_S // SAMPLE_RATE  # exactly 62,500
# Timestamps wobble by a few milliseconds in real containers; more than this is a hole.
MAX_WOBBLE_NS = 40_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """512 samples; the last one of a run may be filled up with zeros (`num_samples` are real)."""

    at_ns: int
    samples: Samples
    num_samples: int

    @property
    def end_ns(self) -> int:
        """Stream time of the end of its real samples."""
        return self.at_ns + self.num_samples * SAMPLE_NS


class SoundBlocks:
    """Cuts one unbroken run of sound into blocks; the owner flushes it at every break."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Samples]] = []
        self._num_waiting = 0
        self._end_ns: int | None = None

    @property
    def end_ns(self) -> int | None:
        """Stream time up to which sound has come; None at the start of a run."""
        return self._end_ns

    @property
    def waiting_ns(self) -> int | None:
        """Stream time of the first sample that is not in a block yet, or else the end."""
        return self._parts[0][0] if self._parts else self._end_ns

    def breaks_at(self, chunk: AudioChunk) -> bool:
        """Whether there is a hole between what came before and this chunk."""
        return self._end_ns is not None and chunk.at_ns - self._end_ns > MAX_WOBBLE_NS

    def feed(self, chunk: AudioChunk) -> Iterator[SoundBlock]:
        """Take the next chunk and yield every block that is now full."""
        at_ns, samples = chunk.at_ns, chunk.samples
        if self._end_ns is not None and self._end_ns - at_ns > MAX_WOBBLE_NS:
            # Sound that was already heard comes again (a timestamp jumped back).
            repeated = min((self._end_ns - at_ns) // SAMPLE_NS, len(samples))
            at_ns, samples = at_ns + repeated * SAMPLE_NS, samples[repeated:]
        if len(samples) == 0:
            return
        self._parts.append((at_ns, samples))
        self._num_waiting += len(samples)
        self._end_ns = at_ns + len(samples) * SAMPLE_NS
        while self._num_waiting >= BLOCK_SAMPLES:
            yield self._take(BLOCK_SAMPLES)

    def flush(self) -> SoundBlock | None:
        """End the run; return what is left of it, filled up with zeros."""
        last = self._take(self._num_waiting) if self._num_waiting else None
        self._end_ns = None
        return last

    def _take(self, num_samples: int) -> SoundBlock:
        at_ns = self._parts[0][0]
        taken: list[Samples] = []
        missing = num_samples
        while missing:
            part_ns, part = self._parts[0]
            taken.append(part[:missing])
            if len(part) > missing:
                self._parts[0] = (part_ns + missing * SAMPLE_NS, part[missing:])
            else:
                del self._parts[0]
            missing -= len(taken[-1])
        self._num_waiting -= num_samples
        if num_samples < BLOCK_SAMPLES:
            taken.append(np.zeros(BLOCK_SAMPLES - num_samples, np.float32))
        samples = taken[0] if len(taken) == 1 else np.concatenate(taken)
        return SoundBlock(at_ns, samples, num_samples)
