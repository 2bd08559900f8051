"""Sounds to learn hearing from: voices of a split, sounds of all classes, hiss, and silence.

Everything is made on the fly. Speech is made in blocks of some hundred sentences, which serve
several steps, each time in another mixture; those of one batch are about as long as each other, so
that little of it is padding.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.espeak import SpokenWord
from omnilive.media.synthetic.daily.catalogue import SOUNDS, Split
from omnilive.media.synthetic.daily.noises import noise_samples
from omnilive.media.synthetic.daily.phrasebook import (
    all_words,
    instructions,
    not_instructions,
    words_of,
)
from omnilive.media.synthetic.daily.records import Noise
from omnilive.media.synthetic.daily.voices import say, voices_of
from omnilive.nn.audio_questions import SOUND_QUESTION, WORDS_QUESTION

SPEECH, SILENCE = "speech", "silence"
"""Answers to the question for a sound where there is none of its own."""
WORDS = tuple(sorted({word.lower() for word in all_words()}))
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
OUTSIDE = -1
_NUMBERS = {word: number for number, word in enumerate(WORDS, start=1)}
_STATE_S = 0.04  # the encoder's states are 25 a second
_BLOCK = 128  # sentences made together
_REUSED = 4  # times that a sentence is heard, each time in another mixture
_FRAMES_STEP = 40
_LOUD_DB = (-30.0, -6.0)  # peak, dB full scale
_SNR_DB = (5.0, 40.0)  # speech or sound over hiss
_PINK_HZ = 50.0  # above it, power falls with frequency
_THROATS = (0.85, 1.18)  # how much faster a sound is read
_WARPS = (0.85, 1.18)
_KNOTS, _ROOM_DB, _DB_OF_MEL = 6, 5.0, 40.0  # a mel frame's unit is 40 dB
_MOST_MISSING = 12  # at most a twelfth of the bins, and of the frames
_UNDER_DB = (-5.0, 12.0)  # speech over a sound


@dataclass(frozen=True, slots=True)
class Heard:
    """One sound, and what is right to say of it.

    Attributes:
        samples: 16 kHz mono.
        spoken: what is said in it; "" for nothing.
        label: what sounds; SPEECH or SILENCE for nothing else.
        words: where each word is, in seconds.
        sounds: from when to when it sounds, in seconds, if there is a sound.
    """

    samples: Samples
    spoken: str
    label: str
    words: tuple[SpokenWord, ...] = ()
    sounds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SoundBatch:
    """Sounds with a question about each.

    Attributes:
        mels: (B, bins, frames).
        num_frames: frames of each that belong to the sound.
        labels: (B, states, traits) of each of the encoder's states; see `state_labels`.
        spoken: what is said in each; "" for nothing.
        questions: one of each.
        answers: to them.
    """

    mels: NDArray[np.float32]
    num_frames: tuple[int, ...]
    labels: NDArray[np.int16]
    spoken: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SoundSource:
    """Makes sounds with questions.

    Attributes:
        split: of voices and sentences.
        batch_size: sounds a batch.
        num_bins: of the mel frames.
        most_samples: of a sound.
        share_named: share of the sounds that are asked for their name, not for words.
    """

    split: Split
    batch_size: int
    num_bins: int
    most_samples: int
    share_named: float

    def draw(self, seed: int, step: int) -> SoundBatch:
        """Return one batch."""
        rng = random.Random(f"sounds {self.split} {seed} {step} {self.share_named}")
        size = max(_BLOCK, self.batch_size)
        block = step * self.batch_size // (size * _REUSED)
        sentences = _sentences(self.split, f"{seed} {block}", size, self.most_samples)
        first = rng.randint(-self.batch_size // 2, len(sentences) - self.batch_size // 2)
        first = max(0, min(first, len(sentences) - self.batch_size))
        heard, questions = list[Heard](), list[str]()
        for sentence in sentences[first : first + self.batch_size]:
            named = rng.random() < self.share_named
            questions.append(SOUND_QUESTION if named else WORDS_QUESTION)
            heard.append(_some(rng, sentence, self.most_samples, named=named))
        mels, num_frames = mel_frames(
            [one.samples for one in heard], self.num_bins, self.most_samples
        )
        if self.split == "train":
            for mel in mels:
                _colour(np.random.default_rng(rng.getrandbits(32)), mel)
        answers = (
            one.label if question == SOUND_QUESTION else one.spoken
            for one, question in zip(heard, questions, strict=True)
        )
        return SoundBatch(
            mels,
            num_frames,
            state_labels(heard, num_frames),
            tuple(one.spoken for one in heard),
            tuple(questions),
            tuple(answers),
        )


def speech(rng: random.Random, split: Split, text: str, most_samples: int) -> Heard:
    """Return a sentence in a voice of the split, with hiss and pauses around it."""
    spoken = _spoken(rng, split, text, most_samples)
    return _mixed(rng, spoken, None, SPEECH, most_samples)


def named_sound(
    rng: random.Random, split: Split, label: str, most_samples: int, *, under: str = ""
) -> Heard:
    """Return a sound of a class, alone or under a sentence."""
    spoken = _spoken(rng, split, under, most_samples) if under else None
    return _mixed(rng, spoken, label, label, most_samples)


def mel_frames(
    sounds: list[Samples], num_bins: int, most_samples: int
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Return the mel frames of sounds, (B, bins, frames), and how many belong to each.

    Behind a sound they show silence.
    """
    import torch

    from omnilive.nn.audio_encoder import LOOK_AHEAD
    from omnilive.nn.mel import HOP, log_mel

    counts = tuple(-(-len(samples) // HOP) for samples in sounds)
    # Few lengths: for each that is new, the libraries below keep what they planned.
    most = -(-(max(counts) + LOOK_AHEAD) // _FRAMES_STEP) * _FRAMES_STEP
    most = min(most, most_samples // HOP)
    mels = [
        log_mel(torch.from_numpy(one), num_bins, num_frames=most, most_samples=most_samples)
        for one in sounds
    ]
    return torch.stack(mels).numpy(), counts


def state_labels(heard: list[Heard], num_frames: tuple[int, ...]) -> NDArray[np.int16]:
    """Return what is heard at each of the encoder's states, (B, most, 3); OUTSIDE behind a sound.

    The numbers of the word in WORDS, of its letter in LETTERS (as if letters lasted equally long),
    and of the sound in SOUNDS, each from 1; 0 for nothing.
    """
    from omnilive.nn.audio_encoder import num_states

    counts = [num_states(frames) for frames in num_frames]
    labels = np.full((len(heard), max(counts), 3), OUTSIDE, np.int16)
    for one, count, each in zip(heard, counts, labels, strict=True):
        each[:count] = 0
        middle_s = (np.arange(count) + 0.5) * _STATE_S
        for word in one.words:
            within = (middle_s >= word.start_s) & (middle_s < word.end_s)
            written = "".join(words_of(word.text))
            share = (middle_s[within] - word.start_s) / max(1e-6, word.end_s - word.start_s)
            letters = [1 + LETTERS.find(letter) for letter in written] or [0]
            each[:count][within, 0] = _NUMBERS.get(written, 0)
            each[:count][within, 1] = np.array(letters)[(share * len(letters)).astype(int)]
        if one.label in SOUNDS:
            start_s, end_s = one.sounds
            each[:count, 2][(middle_s >= start_s) & (middle_s < end_s)] = 1 + SOUNDS.index(
                one.label
            )
    return labels


class _Spoken(NamedTuple):
    text: str
    samples: Samples
    words: tuple[SpokenWord, ...]


@functools.lru_cache(maxsize=2)
def _sentences(split: Split, seed: str, size: int, most_samples: int) -> tuple[_Spoken, ...]:
    """Return a block of sentences, the short ones first."""
    rng = random.Random(f"sentences {split} {seed}")
    made = []
    for number in range(size):
        text = (instructions, not_instructions)[number % 2](rng, split)
        made.append(_spoken(rng, split, text, most_samples))
    return tuple(sorted(made, key=lambda one: len(one.samples)))


def _spoken(rng: random.Random, split: Split, text: str, most_samples: int) -> _Spoken:
    """Return a sentence in a voice of the split.

    In training half of the voices get another throat: read faster or slower, a sound's formants
    move with its pitch, so that few voices are heard as many.
    """
    samples, words = say(text, rng.choice(voices_of(split)), rng.getrandbits(32))
    if split == "train" and rng.random() < 0.5:
        factor = rng.uniform(*_THROATS)
        at = np.arange(0.0, len(samples) - 1, factor)
        samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
        words = _moved(words, 1 / factor, 0.0)
    return _Spoken(text, samples[:most_samples], words)


def _moved(words: tuple[SpokenWord, ...], factor: float, later_s: float) -> tuple[SpokenWord, ...]:
    return tuple(
        SpokenWord(word.text, word.start_s * factor + later_s, word.end_s * factor + later_s)
        for word in words
    )


def _some(rng: random.Random, spoken: _Spoken, most_samples: int, *, named: bool) -> Heard:
    """Return the sentence, or something else of about its length."""
    chance = rng.random()
    label = rng.choice(SOUNDS)
    if not named:
        if chance < 0.85:
            return _mixed(rng, spoken, None, SPEECH, most_samples)
        if chance < 0.95:
            return _mixed(rng, spoken, label, label, most_samples)
        if chance < 0.97:
            return _silence(rng, len(spoken.samples))
        return _mixed(rng, None, label, label, most_samples)
    if chance < 0.45:
        return _mixed(rng, None, label, label, most_samples)
    if chance < 0.75:
        return _mixed(rng, spoken, label, label, most_samples)
    if chance < 0.9:
        return _mixed(rng, spoken, None, SPEECH, most_samples)
    return _silence(rng, len(spoken.samples))


def _silence(rng: random.Random, longest: int) -> Heard:
    noise = np.random.default_rng(rng.getrandbits(32))
    number = max(SAMPLE_RATE // 2, round(rng.uniform(0.5, 1.0) * longest))
    samples = _hiss(noise, number, rng.random() < 0.5)
    level = _amplitude(rng.uniform(-70.0, -20.0))
    return Heard((samples * level).astype(np.float32), "", SILENCE)


def _mixed(
    rng: random.Random, spoken: _Spoken | None, sounds: str | None, label: str, most_samples: int
) -> Heard:
    """Put a sentence and a sound, each or both, somewhere into hiss."""
    noise = np.random.default_rng(rng.getrandbits(32))
    parts = list[Samples]()
    if spoken is not None:
        parts.append(spoken.samples / max(1e-6, _level(spoken.samples)))
    if sounds is not None:
        span_ns = round(rng.uniform(1.0, 3.0) * NS_PER_S)
        made = noise_samples(
            Noise(start_ns=0, end_ns=span_ns, label=sounds, seed=rng.getrandbits(32))
        )
        under = _amplitude(-rng.uniform(*_UNDER_DB)) if parts else 1.0
        made = made[:most_samples]
        parts.append(made * (under / max(1e-6, _level(made))))
    longest = max(map(len, parts))
    room = max(0, most_samples - longest)
    before = min(room // 2, round(rng.uniform(0.02, 0.4) * SAMPLE_RATE))
    after = min(room - before, round(rng.uniform(0.05, 0.5) * SAMPLE_RATE))
    whole = np.zeros(before + longest + after, np.float32)
    starts_s = list[float]()
    for part in parts:
        at = before + rng.randint(0, longest - len(part))
        whole[at : at + len(part)] += part
        starts_s.append(at / SAMPLE_RATE)
    hiss = _hiss(noise, len(whole), rng.random() < 0.5)
    whole += hiss * np.float32(_amplitude(-rng.uniform(*_SNR_DB)))
    peak = float(np.abs(whole).max())
    whole *= np.float32(_amplitude(rng.uniform(*_LOUD_DB)) / max(1e-6, peak))
    span_s = (starts_s[-1], starts_s[-1] + len(parts[-1]) / SAMPLE_RATE)
    if spoken is None:
        return Heard(whole, "", label, (), span_s)
    words = _moved(spoken.words, 1.0, starts_s[0])
    return Heard(whole, spoken.text, label, words, (0.0, 0.0) if sounds is None else span_s)


def _colour(rng: np.random.Generator, mel: NDArray[np.float32]) -> None:
    """Change a sound's timbre in place: other formants, another room, a band and a moment missing.

    Formants move by a warp of the frequencies (Jaitly and Hinton, 2013); what is missing is as in
    SpecAugment (Park et al., 2019).
    """
    num_bins, num_frames = mel.shape
    bins = np.arange(num_bins)
    places = np.clip(bins * rng.uniform(*_WARPS), 0, num_bins - 1)
    below = places.astype(np.int64)
    share = (places - below).astype(np.float32)[:, None]
    mel[:] = mel[below] * (1 - share) + mel[np.minimum(below + 1, num_bins - 1)] * share
    knots = rng.normal(0.0, _ROOM_DB / _DB_OF_MEL, _KNOTS)
    mel += np.interp(bins, np.linspace(0, num_bins - 1, _KNOTS), knots).astype(np.float32)[:, None]
    mean = mel.mean()
    for axis, most in ((0, num_bins // _MOST_MISSING), (1, num_frames // _MOST_MISSING)):
        if rng.random() < 0.5 and most:
            width = int(rng.integers(1, most + 1))
            first = int(rng.integers(0, mel.shape[axis] - width))
            part = slice(first, first + width)
            mel[(part, slice(None)) if axis == 0 else (slice(None), part)] = mean


def _hiss(noise: np.random.Generator, number: int, pink: bool) -> Samples:
    """Noise of level 1, white or falling with frequency."""
    if not pink:
        return noise.standard_normal(number, np.float32)
    size = 1 << max(1, number - 1).bit_length()
    bins = noise.standard_normal(size // 2 + 1) + 1j * noise.standard_normal(size // 2 + 1)
    bins /= np.sqrt(np.maximum(1.0, np.arange(len(bins)) * (SAMPLE_RATE / _PINK_HZ / size)))
    samples = np.fft.irfft(bins)[:number]
    return (samples / max(1e-9, float(samples.std()))).astype(np.float32)


def _level(samples: Samples) -> float:
    """Root of the mean power where there is sound."""
    loud = samples[np.abs(samples) > 0.01 * np.abs(samples).max()]
    return float(np.sqrt((loud.astype(np.float64) ** 2).mean())) if loud.size else 0.0


def _amplitude(db: float) -> float:
    return float(10 ** (db / 20))
