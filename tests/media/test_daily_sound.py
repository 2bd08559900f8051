"""The voices and noises of the daily world."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from omnilive.errors import UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.synthetic.daily.catalogue import SOUNDS, SPLITS, Split
from omnilive.media.synthetic.daily.noises import noise_samples
from omnilive.media.synthetic.daily.records import Noise
from omnilive.media.synthetic.daily.voices import say, voice_named, voices_of

SENTENCE = "Sara put the red umbrella under the bed this morning."


def noise(label: str, seed: int, seconds: float = 1.5) -> Samples:
    return noise_samples(
        Noise(
            start_ns=NS_PER_S, end_ns=NS_PER_S + round(seconds * NS_PER_S), label=label, seed=seed
        )
    )


def test_no_voice_and_no_timbre_is_in_two_splits() -> None:
    for one, other in itertools.combinations(SPLITS, 2):
        first, second = voices_of(one), voices_of(other)
        assert not {voice.name for voice in first} & {voice.name for voice in second}
        timbres = ({voice.variant.split("+")[1] for voice in each} for each in (first, second))
        assert not set.intersection(*timbres)
    names = [voice.name for split in SPLITS for voice in voices_of(split)]
    assert len(set(names)) == len(names)
    assert len(voices_of("train")) >= 12
    assert min(len(voices_of(split)) for split in SPLITS) >= 4


@pytest.mark.parametrize("split", SPLITS)
def test_every_voice_says_every_word_in_good_time(split: Split) -> None:
    for voice in voices_of(split):
        samples, words = say(SENTENCE, voice)
        assert [word.text.strip(".") for word in words] == SENTENCE.strip(".").split()
        seconds = samples.size / SAMPLE_RATE
        assert 1.5 < seconds < 4.0, voice
        assert samples.dtype == np.float32
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
        starts = [word.start_s for word in words]
        assert starts == sorted(starts)
        assert words[0].start_s >= 0
        assert words[-1].end_s <= seconds + 0.01


def test_a_voice_varies_with_the_seed_alone() -> None:
    voice = voices_of("test")[0]
    first, again, other = (say(SENTENCE, voice, seed).samples for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.size != other.size
    lengths = [say(SENTENCE, voice, seed).samples.size for seed in range(12)]
    assert max(lengths) / min(lengths) > 1.08


def test_voices_are_different() -> None:
    sounds = [say(SENTENCE, voice).samples for voice in voices_of("test")]
    for one, other in itertools.combinations(sounds, 2):
        assert np.abs(_bands(one) - _bands(other)).mean() > 0.1


def test_a_voice_that_is_not_there_and_nothing_to_say() -> None:
    assert voice_named(voices_of("train")[3].name) == voices_of("train")[3]
    with pytest.raises(UsageError, match="Nobody"):
        voice_named("Nobody")
    with pytest.raises(UsageError, match="no word"):
        say(" ... ", voices_of("train")[0])


@pytest.mark.parametrize("label", SOUNDS)
def test_a_noise_lasts_as_long_as_its_span(label: str) -> None:
    for seconds in (0.0, 0.05, 1.0, 3.0):
        samples = noise(label, 7, seconds)
        assert samples.dtype == np.float32
        assert samples.size == round(seconds * SAMPLE_RATE)
        assert np.abs(samples).max(initial=0.0) <= 0.51
    assert np.abs(noise(label, 7)).max() > 0.08
    assert np.array_equal(noise(label, 7), noise(label, 7))
    assert not np.array_equal(noise(label, 7), noise(label, 8))


def test_sounds_can_be_told_apart() -> None:
    # The nearest of the classes' means, by nothing but energy in bands: chance is 10 %.
    means = {
        label: np.mean([_bands(noise(label, seed)) for seed in range(12)], axis=0)
        for label in SOUNDS
    }
    right = 0
    for label, seed in itertools.product(SOUNDS, range(1000, 1008)):
        heard = _bands(noise(label, seed))
        nearest = min(SOUNDS, key=lambda one: float(((means[one] - heard) ** 2).sum()))
        right += nearest == label
    assert right >= 0.9 * 8 * len(SOUNDS)


def _bands(samples: Samples) -> NDArray[np.float64]:
    """Return mean and spread over time of the logarithm of energy in 11 bands."""
    frames = samples[: samples.size // 512 * 512].reshape(-1, 512) * np.hanning(512)
    spectrum = np.abs(np.fft.rfft(frames, axis=1))
    edges = (1, 3, 6, 10, 16, 24, 36, 54, 80, 120, 180, 257)
    bands = np.stack(
        [spectrum[:, low:high].mean(axis=1) for low, high in itertools.pairwise(edges)], axis=1
    )
    levels = np.log(1e-3 + bands)
    levels -= levels.mean()
    return np.concatenate([levels.mean(axis=0), levels.std(axis=0)])
