"""Mixes what is heard in a synthetic world, a second at a time."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from omnilive.events import NS_PER_S, Samples
from omnilive.media.synthetic.records import Said, Sound
from omnilive.media.synthetic.voices import samples_of
from omnilive.media.synthetic.world import World

_HISS = 0.0003  # about -70 dB full scale, so that silence is like a room's


class Mixer:
    """The sound of one world at one sample rate, in blocks of a second."""

    def __init__(self, world: World, sample_rate: int) -> None:
        self._world = world
        self._sample_rate = sample_rate
        self._num_samples = world.duration_ns * sample_rate // NS_PER_S
        self._samples = functools.lru_cache(maxsize=16)(self._render)

    def blocks(self) -> Iterator[Samples]:
        """Yield the whole sound in order; every block but the last lasts a second."""
        seconds = -(-self._num_samples // self._sample_rate)
        return (self.block(second) for second in range(seconds))

    def block(self, second: int) -> Samples:
        """Return the sound of one second, counted from 0."""
        rate = self._sample_rate
        first, end = second * rate, min(self._num_samples, (second + 1) * rate)
        rng = np.random.default_rng((self._world.seed & 0xFFFFFFFF, 2, second))
        mixed = (rng.standard_normal(rate, dtype=np.float32) * np.float32(_HISS))[: end - first]
        for record in self._sounding(second):
            samples = self._samples(record)
            begin = record.start_ns * rate // NS_PER_S
            from_, to = max(first, begin), min(end, begin + samples.size)
            if from_ < to:
                mixed[from_ - first : to - first] += samples[from_ - begin : to - begin]
        return np.clip(mixed, -1.0, 1.0)

    def _sounding(self, second: int) -> list[Said | Sound]:
        start_ns = second * NS_PER_S
        end_ns = min(self._world.duration_ns, start_ns + NS_PER_S)
        numbers = {self._world.segment_at(start_ns), self._world.segment_at(end_ns - 1)}
        # One millisecond more: the last sample may lie behind the rounded end.
        records: list[Said | Sound] = []
        for number in sorted(numbers):
            segment = self._world.segment(number)
            records += [*segment.said, *segment.sounds]
        return [
            record
            for record in records
            if record.start_ns < end_ns and record.end_ns + 1_000_000 > start_ns
        ]

    def _render(self, record: Said | Sound) -> Samples:
        return samples_of(record, self._world.voices, self._sample_rate)
