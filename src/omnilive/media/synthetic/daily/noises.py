"""The ten sounds of the daily world that are not speech, by formulas.

Every sound of a class has its own pitch, pace and loudness, drawn from the seed; the class is in
how it goes on: a bell dies away, a siren sweeps, an alarm alternates, claps are many short noises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.synthetic.daily.records import Noise

_FADE_S = 0.01
_LOUDNESS = (0.12, 0.5)  # of full scale, the loudest sample

Rng: TypeAlias = np.random.Generator
Wave: TypeAlias = NDArray[np.float64]


def noise_samples(noise: Noise) -> Samples:
    """Return the sound of a noise, 16 kHz mono in -1..1, as long as its span.

    Args:
        noise: its seed gives pitch, pace and loudness.
    """
    rng = np.random.default_rng(noise.seed)
    count = (noise.end_ns - noise.start_ns) * SAMPLE_RATE // NS_PER_S
    if count == 0:
        return np.zeros(0, np.float32)
    time_s = np.arange(count) / SAMPLE_RATE
    wave = _FORMULAS[noise.label](time_s, rng)
    loudest = max(1e-9, float(np.abs(wave).max(initial=0.0)))
    low, high = _LOUDNESS
    fade = np.clip(np.minimum(time_s, time_s[::-1]) / _FADE_S, 0.0, 1.0)
    loudness = low * (high / low) ** rng.random()
    return (wave * fade * (loudness / loudest)).astype(np.float32)


def _bell(t: Wave, rng: Rng) -> Wave:
    pitch, pace = rng.uniform(450, 900), rng.uniform(0.7, 1.3)
    since = t % pace
    partials = ((1.0, 1.0, 3.0), (2.0, 0.7, 4.0), (2.76, 0.6, 5.0), (5.4, 0.4, 8.0))
    return _sum(
        high * np.exp(-decay * since) * np.sin(2 * np.pi * pitch * ratio * since)
        for ratio, high, decay in partials
    )


def _alarm(t: Wave, rng: Rng) -> Wave:
    pitch, pace = rng.uniform(650, 950), rng.uniform(3.0, 6.0)
    is_high = (t * pace % 1.0) < 0.5
    phase = np.cumsum(np.where(is_high, 1.35, 1.0) * pitch) / SAMPLE_RATE
    return np.tanh(3 * np.sin(2 * np.pi * phase))


def _whistle(t: Wave, rng: Rng) -> Wave:
    low, rise, pace = rng.uniform(1500, 2200), rng.uniform(500, 1100), rng.uniform(0.5, 0.9)
    part = t / pace % 1.0
    pitch = low + rise * np.sin(np.pi * part) + 25 * np.sin(2 * np.pi * 6 * t)
    blown = np.clip(np.minimum(part, 0.85 - part) * 20, 0.0, 1.0)
    breath = 0.06 * rng.standard_normal(t.size)
    return blown * (np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) + breath)


def _knocking(t: Wave, rng: Rng) -> Wave:
    pitch, pace = rng.uniform(130, 260), rng.uniform(0.16, 0.28)
    beats = 5 if rng.random() < 0.5 else 4  # the last of a round is a pause
    since = t % pace
    knocks = ((t / pace).astype(np.int64) % beats) < beats - 1
    thump = np.sin(2 * np.pi * pitch * since) + 0.5 * np.sin(2 * np.pi * 2.3 * pitch * since)
    click = 0.4 * rng.standard_normal(t.size) * np.exp(-400 * since)
    return knocks * (thump * np.exp(-45 * since) + click)


def _engine(t: Wave, rng: Rng) -> Wave:
    pitch, wobble = rng.uniform(35, 80), rng.uniform(0.3, 1.0)
    phase = np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * wobble * t))) / SAMPLE_RATE
    hum = _sum(np.sin(2 * np.pi * number * phase) / number for number in range(1, 9))
    rumble = _band(rng.standard_normal(t.size), 20, 400)
    return hum * (1 + 0.3 * np.sin(np.pi * phase)) + 0.4 * rumble


def _rain(t: Wave, rng: Rng) -> Wave:
    hiss = _band(rng.standard_normal(t.size), rng.uniform(800, 1500), 7900)
    drops = (rng.random(t.size) < rng.uniform(40, 120) / SAMPLE_RATE) * rng.uniform(
        1.0, 3.0, t.size
    )
    tail = np.exp(-np.arange(160) / 25.0) * np.sin(np.arange(160) * 1.6)
    return hiss + 2.0 * np.convolve(drops, tail)[: t.size]


def _siren(t: Wave, rng: Rng) -> Wave:
    low, high, pace = rng.uniform(450, 600), rng.uniform(1100, 1400), rng.uniform(1.4, 2.6)
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * (t / pace + rng.random()))
    phase = np.cumsum(low + (high - low) * sweep) / SAMPLE_RATE
    return _sum(np.sin(2 * np.pi * number * phase) / number**2 for number in (1, 2, 3))


def _beeping(t: Wave, rng: Rng) -> Wave:
    pitch, pace, on = rng.uniform(1000, 2000), rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.15)
    since = t % pace
    gate = np.clip(np.minimum(since, on - since) * 300, 0.0, 1.0)
    return gate * np.sin(2 * np.pi * pitch * t)


def _clapping(t: Wave, rng: Rng) -> Wave:
    pace = rng.uniform(7, 14)
    claps = np.zeros(t.size)
    at_s = 0.0
    while t.size and at_s < t[-1]:
        first = int(at_s * SAMPLE_RATE)
        length = min(t.size - first, SAMPLE_RATE // 12)
        fall = np.exp(-np.arange(length) / SAMPLE_RATE / rng.uniform(0.006, 0.014))
        claps[first : first + length] += rng.uniform(0.4, 1.0) * fall * rng.standard_normal(length)
        at_s += rng.exponential(1 / pace) * 0.6 + 0.4 / pace
    return _band(claps, 700, 3500)


def _barking(t: Wave, rng: Rng) -> Wave:
    pitch, pace, last = rng.uniform(260, 480), rng.uniform(0.35, 0.7), rng.uniform(0.14, 0.2)
    since = t % pace
    part = np.clip(since / last, 0.0, 1.0)
    phase = np.cumsum(pitch * (1.0 + 0.5 * np.sin(np.pi * part) - 0.3 * part)) / SAMPLE_RATE
    voice = _sum(np.sin(2 * np.pi * number * phase) / number**0.7 for number in range(1, 9))
    rough = 0.8 * _band(rng.standard_normal(t.size), 500, 2500)
    return np.sin(np.pi * part) ** 0.7 * (voice + rough)


_FORMULAS: dict[str, Callable[[Wave, Rng], Wave]] = {
    "bell": _bell,
    "alarm": _alarm,
    "whistle": _whistle,
    "knocking": _knocking,
    "engine": _engine,
    "rain": _rain,
    "siren": _siren,
    "beeping": _beeping,
    "clapping": _clapping,
    "barking": _barking,
}


def _sum(waves: Iterable[Wave]) -> Wave:
    total: Wave = np.sum(list(waves), axis=0)
    return total


def _band(wave: Wave, low_hz: float, high_hz: float) -> Wave:
    """Keep what lies between two frequencies, by cutting the rest out of the spectrum."""
    spectrum = np.fft.rfft(wave)
    hz = np.fft.rfftfreq(wave.size, 1 / SAMPLE_RATE)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    kept: Wave = np.fft.irfft(spectrum, wave.size)
    return kept / max(1e-9, float(np.sqrt((kept**2).mean())))
