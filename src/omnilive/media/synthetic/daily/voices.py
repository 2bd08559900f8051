"""The speakers of the daily world: synthetic voices by espeak-ng, none of them in two splits.

A voice is a variant of espeak-ng (its timbre) with an accent; no variant speaks in two splits. The
same voice says each sentence a little higher or lower, faster or slower.
"""

from __future__ import annotations

import functools
from random import Random
from typing import NamedTuple

import numpy as np

from omnilive.errors import UsageError
from omnilive.events import SAMPLE_RATE, Samples
from omnilive.media.espeak import Espeak, SpokenWord
from omnilive.media.resampling import resample
from omnilive.media.synthetic.daily.catalogue import Split

_PEAK = 0.5  # of full scale
_AUDIBLE = 0.01  # of full scale: below this a sentence has not begun
_PITCH_STEPS = 12  # a sentence is at most so much higher or lower, of espeak-ng's 0 to 99
_SPEED_SHARE = 0.12  # and at most this share faster or slower


class Voice(NamedTuple):
    """A speaker.

    Attributes:
        name: in the log.
        pitch: 0 to 99, the middle of its range.
        speed: words a minute, in the middle.
        variant: of espeak-ng: accent and timbre.
    """

    name: str
    pitch: int
    speed: int
    variant: str


class Saying(NamedTuple):
    """A spoken sentence: 16 kHz mono in -1..1, and where its words are, in seconds."""

    samples: Samples
    words: tuple[SpokenWord, ...]


_VOICES: dict[Split, tuple[Voice, ...]] = {
    "train": (
        Voice("Adam", 50, 170, "en-us+m1"),
        Voice("Bruno", 46, 160, "en-us+m3"),
        Voice("Carl", 54, 178, "en-us+m5"),
        Voice("Derek", 42, 165, "en-us+m7"),
        Voice("Emma", 50, 170, "en-us+f1"),
        Voice("Fiona", 54, 175, "en-us+f3"),
        Voice("Grace", 46, 162, "en-us+f5"),
        Voice("Henry", 50, 168, "en-us+Lee"),
        Voice("Ivan", 46, 176, "en-us+john"),
        Voice("Julia", 50, 170, "en-us+shelby"),
        Voice("Kevin", 50, 172, "en-gb+m4"),
        Voice("Leo", 56, 164, "en-gb+m6"),
        Voice("Martha", 50, 168, "en-gb+f4"),
        Voice("Nick", 44, 172, "en-gb+Michael"),
        Voice("Olga", 48, 166, "en-gb+belinda"),
        Voice("Paul", 52, 174, "en-gb-x-rp+Andy"),
        Voice("Rosa", 46, 170, "en-gb-x-rp+linda"),
        Voice("Simon", 54, 160, "en-gb-x-rp+rob"),
        Voice("Theo", 50, 172, "en-gb-scotland+Mario"),
        Voice("Vera", 48, 166, "en-gb-scotland+grandma"),
        Voice("Abel", 50, 170, "en-us+adam"),
        Voice("Bella", 46, 168, "en-us+Andrea"),
        Voice("Conrad", 52, 172, "en-us+Reed"),
        Voice("Dora", 50, 166, "en-us+Nguyen"),
        Voice("Eric", 48, 174, "en-us+Mike"),
        Voice("Frank", 54, 164, "en-us+quincy"),
        Voice("Georg", 50, 170, "en-us+victor"),
        Voice("Hanna", 48, 168, "en-us+steph"),
        Voice("Igor", 46, 172, "en-us+kaukovalta"),
        Voice("Jonas", 52, 168, "en-us+klatt4"),
        Voice("Katja", 50, 170, "en-gb+anika"),
        Voice("Lars", 48, 166, "en-gb+antonio"),
        Voice("Max", 54, 174, "en-gb+benjamin"),
        Voice("Nora", 50, 172, "en-gb+zac"),
        Voice("Otto", 46, 168, "en-gb+edward"),
        Voice("Paula", 52, 164, "en-gb+Diogo"),
        Voice("Quentin", 50, 170, "en-gb+ed"),
        Voice("Ralf", 54, 166, "en-gb+max"),
        Voice("Stefan", 48, 172, "en-gb-x-rp+norbert"),
        Voice("Tilo", 52, 168, "en-gb-x-rp+sandro"),
        Voice("Udo", 46, 166, "en-gb-x-rp+paul"),
        Voice("Viktor", 50, 174, "en-gb-x-rp+michel"),
        Voice("Willi", 50, 170, "en-gb-scotland+Alex"),
        Voice("Xaver", 54, 166, "en-gb-scotland+announcer"),
        Voice("Yvonne", 48, 172, "en-gb-scotland+miguel"),
        Voice("Zita", 52, 168, "en-us+iven"),
    ),
    "validation": (
        Voice("Walter", 50, 168, "en-us+m8"),
        Voice("Agnes", 50, 172, "en-gb+aunty"),
        Voice("Boris", 52, 166, "en-gb-x-rp+Denis"),
        Voice("Clara", 48, 170, "en-us+Alicia"),
    ),
    "test": (
        Voice("Daniel", 50, 170, "en-us+m2"),
        Voice("Elsa", 50, 168, "en-gb+f2"),
        Voice("Felix", 52, 172, "en-gb-x-rp+Gene"),
        Voice("Gina", 48, 166, "en-us+Annie"),
    ),
}
_BY_NAME = {voice.name: voice for voices in _VOICES.values() for voice in voices}


def voices_of(split: Split) -> tuple[Voice, ...]:
    """Return the voices that are heard in a split, and in no other."""
    return _VOICES[split]


def voice_named(name: str) -> Voice:
    """Return the voice of a name in the log.

    Raises:
        UsageError: nobody has that name.
    """
    if name not in _BY_NAME:
        raise UsageError(f"No voice is named {name!r}; use one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def say(text: str, voice: Voice, seed: int = 0) -> Saying:
    """Speak a sentence; equal arguments give equal samples.

    The pauses around it are cut off, and its loudest sample is half of full scale.

    Args:
        text: English, with at least one word.
        voice: who says it.
        seed: of its pitch and speed.

    Raises:
        UsageError: there is nothing to say.
        BackendError: espeak-ng is missing.
    """
    rng = Random(f"{seed} {voice.name} {text}")
    pitch = voice.pitch + rng.uniform(-_PITCH_STEPS, _PITCH_STEPS)
    speed = voice.speed * (1 + rng.uniform(-_SPEED_SHARE, _SPEED_SHARE))
    spoken = _espeak().synthesize(text, voice.variant, round(speed), round(pitch))
    audible = np.flatnonzero(np.abs(spoken.samples) > _AUDIBLE)
    if audible.size == 0:
        raise UsageError(f"There is no word to say in {text!r}; give a text with words.")
    first, end = int(audible[0]), int(audible[-1]) + 1
    samples = resample(spoken.samples[first:end], spoken.sample_rate, SAMPLE_RATE)
    begin_s, last_s = first / spoken.sample_rate, (end - first) / spoken.sample_rate
    words = tuple(
        SpokenWord(
            word.text,
            min(last_s, max(0.0, word.start_s - begin_s)),
            min(last_s, max(0.0, word.end_s - begin_s)),
        )
        for word in spoken.words
    )
    return Saying(samples * np.float32(_PEAK / np.abs(samples).max()), words)


@functools.cache
def _espeak() -> Espeak:
    return Espeak()
