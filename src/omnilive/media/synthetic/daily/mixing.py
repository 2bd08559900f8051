"""Mixes what is heard in the daily world: talk, noises, and the hiss of the room."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from random import Random

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.synthetic.daily.noises import noise_samples
from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.media.synthetic.daily.talking import sound_of
from omnilive.media.synthetic.daily.world import DailyWorld

_SPEECH_LEVEL = 0.08  # root mean square of a voice, of full scale; rooms are measured by it


class DailyMixer:
    """The sound of one daily world, 16 kHz mono, in blocks of a second.

    Args:
        world: whose sound.
    """

    def __init__(self, world: DailyWorld) -> None:
        self._world = world
        self._num_samples = world.duration_ns * SAMPLE_RATE // NS_PER_S
        self._heard = functools.lru_cache(maxsize=3)(self._mix)

    def blocks(self) -> Iterator[Samples]:
        """Yield the whole sound in order; every block but the last lasts a second."""
        return (self.block(second) for second in range(-(-self._num_samples // SAMPLE_RATE)))

    def block(self, second: int) -> Samples:
        """Return the sound of one second, counted from 0."""
        first, end = second * SAMPLE_RATE, min(self._num_samples, (second + 1) * SAMPLE_RATE)
        mixed = np.zeros(max(0, end - first), np.float32)
        at = first
        while at < end:
            # The instant of a sample is rounded up, so that it lies in the scene it sounds in.
            scene = self._world.scene_at(-(-at * NS_PER_S // SAMPLE_RATE))
            begin, until = _edges(scene)
            samples = self._heard(scene)
            stop = min(end, until) if until < self._num_samples else end
            part = samples[at - begin : stop - begin]
            mixed[at - first : at - first + part.size] = part
            at = stop
        return np.clip(mixed, -1.0, 1.0)

    def _mix(self, scene: DailyScene) -> Samples:
        begin, until = _edges(scene)
        rng = Random(f"room {scene.seed}")
        low, high = self._world.config.noise_db
        level = _SPEECH_LEVEL * 10 ** (-rng.uniform(low, high) / 20)
        mixed = level * _hiss(scene.seed, rng.random(), until - begin)
        for record, samples in [
            *((noise, noise_samples(noise)) for noise in scene.noises),
            *((said, sound_of(said).samples) for said in scene.said),
        ]:
            at = record.start_ns * SAMPLE_RATE // NS_PER_S - begin
            part = samples[: max(0, mixed.size - at)]
            mixed[at : at + part.size] += part
        return mixed


def _edges(scene: DailyScene) -> tuple[int, int]:
    """Return the samples between which a scene sounds."""
    start, end = (-(-at_ns * SAMPLE_RATE // NS_PER_S) for at_ns in (scene.start_ns, scene.end_ns))
    return start, end


def _hiss(seed: int, colour: float, count: int) -> Samples:
    """Return noise of level 1, from white (colour 0) to like wind (1)."""
    white = np.random.default_rng((seed, 1)).standard_normal(count, dtype=np.float32)
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    coloured = np.fft.irfft(spectrum / (1.0 + hz / 200.0) ** colour, count).astype(np.float32)
    loud: Samples = coloured / max(1e-9, float(np.sqrt((coloured**2).mean())))
    return loud
