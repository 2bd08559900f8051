"""The sounds of the synthetic world: speech, tones, alarms, noise.

What a reader would not guess: the pauses that the synthesiser puts around a sentence are cut
off, so that a span in the log is where sound is, to a few milliseconds.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from omnilive.events import NS_PER_S, Samples
from omnilive.media.espeak import Espeak, SpokenWord
from omnilive.media.resampling import resample
from omnilive.media.synthetic.records import Said, Sound
from omnilive.media.synthetic.vocabulary import RATE_WPM

_PEAK = 0.6  # of full scale, for speech
_AUDIBLE = 0.01  # of full scale: below this a sentence has not begun
_FADE_S = 0.03


class Timing(NamedTuple):
    """How long a sentence lasts, and where its words are in it."""

    duration_ns: int
    words: tuple[SpokenWord, ...]


class Voices:
    """Speaks sentences and remembers how long they were.

    Keeps at most 4096 timings and 16 sounds, however long the world is.
    """

    def __init__(self) -> None:
        self._espeak = Espeak()
        self.timing = functools.lru_cache(maxsize=4096)(self._timing)
        self.spoken = functools.lru_cache(maxsize=16)(self._spoken)

    def _timing(self, text: str, voice: str) -> Timing:
        """Return the timing of a sentence."""
        samples, rate, words = self._speak(text, voice)
        return Timing(samples.size * NS_PER_S // rate, words)

    def _spoken(self, text: str, voice: str, sample_rate: int) -> Samples:
        """Return the sound of a sentence."""
        samples, rate, _ = self._speak(text, voice)
        return resample(samples, rate, sample_rate)

    def _speak(self, text: str, voice: str) -> tuple[Samples, int, tuple[SpokenWord, ...]]:
        spoken = self._espeak.synthesize(text, voice=voice, rate_wpm=RATE_WPM)
        audible = np.flatnonzero(np.abs(spoken.samples) > _AUDIBLE)
        first, end = int(audible[0]), int(audible[-1]) + 1
        samples = spoken.samples[first:end]
        rate = spoken.sample_rate
        latest = samples.size / rate
        words = tuple(
            SpokenWord(
                word.text,
                min(latest, max(0.0, word.start_s - first / rate)),
                min(latest, max(0.0, word.end_s - first / rate)),
            )
            for word in spoken.words
        )
        return samples * np.float32(_PEAK / np.abs(samples).max()), rate, words


def samples_of(record: Said | Sound, voices: Voices, sample_rate: int) -> Samples:
    """Return the sound of one record, mono in -1..1."""
    if isinstance(record, Said):
        return voices.spoken(record.text, record.voice, sample_rate)
    count = (record.end_ns - record.start_ns) * sample_rate // NS_PER_S
    time_s = np.arange(count) / sample_rate
    match record.kind:
        case "tone":
            wave = np.sin(2 * np.pi * record.frequency_hz * time_s)
        case "alarm":
            # Four beeps a second, every other one a fifth higher.
            beep = (time_s * 4).astype(np.int64)
            pitch = record.frequency_hz * np.where(beep % 2 == 0, 1.0, 1.5)
            gate = np.clip((0.2 - time_s * 4 % 1.0 * 0.25) * 200, 0.0, 1.0)
            wave = np.sin(2 * np.pi * pitch * time_s) * gate
        case "noise":
            wave = np.random.default_rng(record.start_ns).uniform(-1.0, 1.0, count)
    fade = np.clip(np.minimum(time_s, time_s[::-1]) / _FADE_S, 0.0, 1.0)
    return (record.amplitude * wave * fade).astype(np.float32)
