"""The system's own voice, heard back: told from a person's, also when both speak at once."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from omnilive.errors import ConfigError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    OwnSpeech,
    PartialUtterance,
    SpeechEnded,
    SpeechStarted,
    Utterance,
)
from omnilive.perception.own_voice import OwnVoice, OwnVoiceConfig
from omnilive.perception.recognition import Transcript
from omnilive.perception.sound_blocks import SoundBlock
from omnilive.perception.stage import Hearing, HearingConfig
from omnilive.perception.voice_activity import BLOCK_NS, SileroVoiceActivity
from perception_support import SAMPLE_NS, CountingRecogniser, chunks, ended, feed, speak, started

ANSWER = (
    "The hotel is next to the railway station. A red car came at nine in the morning, "
    "and two people got out of it. They carried a large box into the house."
)
OTHER = "Stop, please tell me where the blue bag is now."
BEGIN_S = 1.0


@lru_cache
def spoken(text, voice, rms=0.06):
    samples, _ = speak(text, voice)
    return (samples * (rms / np.sqrt((samples[np.abs(samples) > 0.01] ** 2).mean()))).astype(
        np.float32
    )


def echo(samples, level_db, seed=0):
    """Return what a room with a small loudspeaker makes of a sound."""
    generator = np.random.default_rng(seed)
    length = int(0.25 * SAMPLE_RATE)
    tail = generator.normal(0, 1, length) * np.exp(-6.9 * np.arange(length) / length)
    response = 0.5 * tail / np.sqrt((tail**2).sum())
    response[0] += 1.0
    spectrum = np.fft.rfft(np.convolve(samples, response))
    hertz = np.fft.rfftfreq(len(samples) + length - 1, 1 / SAMPLE_RATE)
    spectrum /= np.sqrt(1 + (250 / np.maximum(hertz, 1)) ** 4) * (1 + (hertz / 5000) ** 4)
    heard = np.fft.irfft(spectrum, len(hertz) * 2 - 2)
    scale = 10 ** (level_db / 20) * np.sqrt((samples**2).mean() / (heard**2).mean())
    return (scale * heard).astype(np.float32)


def microphone(seconds, *sounds, seed=1):
    """Return a room's hiss with sounds in it, each at its second."""
    heard = np.random.default_rng(seed).normal(0, 0.0006, int(seconds * SAMPLE_RATE))
    for at_s, samples in sounds:
        first = int(at_s * SAMPLE_RATE)
        heard[first : first + len(samples)] += samples[: len(heard) - first]
    return heard.astype(np.float32)


def pieces(samples, text=ANSWER, at_s=BEGIN_S, size=320):
    """Cut what goes out into pieces as a conversation sends them."""
    for first in range(0, len(samples), size):
        yield OwnSpeech(
            stream=3,
            turn_id="q1",
            at_ns=round(at_s * NS_PER_S) + first * SAMPLE_NS,
            text="" if first else text,
            samples=samples[first : first + size],
        )


def listen(heard, sent=(), recogniser=None, sizes=(320,), config=None):
    """Return what is heard, each with the time of the sound that told of it."""
    hearing = Hearing(config or HearingConfig(), SileroVoiceActivity(), recogniser)
    answers = [(0.0, event) for event in feed(hearing, [started(audio=True, voice="user")])]
    sent = list(sent)
    for chunk in chunks(heard, sizes):
        end_ns = chunk.at_ns + len(chunk.samples) * SAMPLE_NS
        while sent and sent[0].at_ns < end_ns:
            assert feed(hearing, [sent.pop(0)]) == []
        answers += [(end_ns / NS_PER_S, event) for event in feed(hearing, [chunk])]
    end_ns = len(heard) * SAMPLE_NS
    return answers + [(end_ns / NS_PER_S, event) for event in feed(hearing, [ended(end_ns)])]


def of(answers, *kinds):
    return [event for _, event in answers if isinstance(event, kinds)]


def voices(answers):
    return {e.voice for e in of(answers, SpeechStarted, SpeechEnded, PartialUtterance, Utterance)}


class Deaf(CountingRecogniser):
    """Understands something else than what was said."""

    def transcribe(self, samples, cancel):
        self.lengths.append(len(samples))
        return Transcript(text="where is the blue bag")


@pytest.mark.parametrize(("level_db", "delay_s"), [(-6, 0.02), (-12, 0.3), (-20, 0.5)])
def test_an_echo_is_our_own_voice_from_its_first_event_on(level_db, delay_s):
    answer = spoken(ANSWER, "en-us")
    seconds = BEGIN_S + delay_s + len(answer) / SAMPLE_RATE + 2
    heard = microphone(seconds, (BEGIN_S + delay_s, echo(answer, level_db)))
    recogniser = Deaf()
    answers = listen(heard, pieces(answer), recogniser)
    assert len(of(answers, SpeechStarted)) >= 1
    assert voices(answers) == {"own"}
    # What it said is known: nothing of it is recognised.
    assert recogniser.lengths == []
    said = " ".join(event.text for event in of(answers, Utterance))
    assert set(said.split()) <= set(ANSWER.split())
    assert len(said.split()) > len(ANSWER.split()) * 0.7


@pytest.mark.parametrize("voice", ["en-gb", "en-us+f3", "en-us"])
def test_a_person_is_never_our_own_voice_where_there_is_no_echo(voice):
    answer, person = spoken(ANSWER, "en-us"), spoken(OTHER, voice)
    for at_s in (1.2, 2.5, 4.1):
        answers = listen(microphone(9, (at_s, person)), pieces(answer), Deaf())
        assert voices(answers) == {"user"}, at_s


@pytest.mark.parametrize("level_db", [-6, -12, -20])
def test_a_person_who_talks_over_the_echo_is_found(level_db):
    answer, person = spoken(ANSWER, "en-us"), spoken(OTHER, "en-gb+m3")
    at_s = 4.7
    heard = microphone(14, (BEGIN_S + 0.2, echo(answer, level_db)), (at_s, person))
    answers = listen(heard, pieces(answer), Deaf())
    starts = [(at, e) for at, e in answers if isinstance(e, SpeechStarted) and e.voice == "user"]
    told_s, first = starts[0]
    assert first.at_ns / NS_PER_S == pytest.approx(at_s, abs=0.15)
    assert told_s - at_s <= 0.3
    # Our own voice before it is over for itself, and the person's turn is theirs alone.
    events = of(answers, SpeechStarted, SpeechEnded, PartialUtterance, Utterance)
    before = events[: events.index(first)]
    assert {event.voice for event in before} == {"own"}
    assert isinstance(before[-1], Utterance)
    assert before[-1].end_ns <= first.at_ns
    turn = next(event for event in of(answers, Utterance) if event.voice == "user")
    assert turn.start_ns >= first.at_ns
    ends = [i for i, e in enumerate(events) if isinstance(e, SpeechEnded)]
    assert all(isinstance(events[i + 1], PartialUtterance) and events[i + 1].settled for i in ends)


def test_chunked_equals_whole_while_the_system_speaks():
    answer = spoken(ANSWER, "en-us")
    heard = microphone(8, (1.2, echo(answer, -12)), (4.7, spoken(OTHER, "en-gb")))

    def run(sizes):
        hearing = Hearing(HearingConfig(), SileroVoiceActivity(), Deaf())
        begin = [started(audio=True, voice="user"), *pieces(answer)]
        return feed(hearing, [*begin, *chunks(heard, sizes), ended(8 * NS_PER_S)])

    whole = run([len(heard)])
    assert voices([(0, event) for event in whole]) == {"user", "own"}
    assert run([160]) == whole
    assert run([1, 7000, 333]) == whole
    # Told as it goes out, only the words of a phrase that is not over yet are less sure.
    live = [event for _, event in listen(heard, pieces(answer), Deaf())]
    assert [without_words(event) for event in live] == [without_words(event) for event in whole]


def without_words(event):
    if isinstance(event, Utterance) and event.voice == "own":
        return replace(event, text="", words=())
    is_own = isinstance(event, PartialUtterance) and event.voice == "own"
    return replace(event, text="") if is_own else event


def test_where_nothing_is_said_the_guard_changes_nothing():
    heard = microphone(6, (1, spoken(OTHER, "en-gb")))
    off = HearingConfig(own_voice=OwnVoiceConfig(enabled=False))
    assert listen(heard, (), Deaf()) == listen(heard, (), Deaf(), config=off)


class Saying(CountingRecogniser):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def transcribe(self, samples, cancel):
        return Transcript(text=self.text)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("the hotel is next to the railway station", "own"),
        ("The hotell is next the rail way station.", "own"),
        ("a red car came at nine", "own"),
        ("station", "user"),  # one word may be an answer
        ("where is the blue bag", "user"),
        ("morning the at car red hotel", "user"),  # the words, but not in order
    ],
)
def test_words_that_were_just_being_said_are_our_own(heard, expected):
    # A sound so unlike what went out that only its words can tell.
    answer, person = spoken(ANSWER, "en-us"), spoken(OTHER, "en-gb")
    answers = listen(microphone(9, (3, person)), pieces(answer), Saying(heard))
    settled = [event for event in of(answers, PartialUtterance) if event.settled]
    assert {event.voice for event in [*settled, *of(answers, Utterance)]} == {expected}


def test_the_same_words_long_after_are_a_persons():
    answer, person = spoken(ANSWER, "en-us"), spoken(OTHER, "en-gb")
    at_s = BEGIN_S + len(answer) / SAMPLE_RATE + 1.5
    heard = microphone(at_s + 5, (at_s, person))
    answers = listen(heard, pieces(answer), Saying("the hotel is next to the railway station"))
    assert voices(answers) == {"user"}


def test_what_is_remembered_of_what_was_sent_is_bounded():
    own = OwnVoice(OwnVoiceConfig())
    second = np.full(SAMPLE_RATE, 0.1, np.float32)
    for i in range(600):  # announced, and no sound of the microphone ever comes
        own.take(
            OwnSpeech(stream=3, turn_id="q", at_ns=i * NS_PER_S, text=f"word {i}", samples=second)
        )
    assert sum(len(samples) for _, samples in own._sent) <= 60 * SAMPLE_RATE
    assert len(own._phrases) <= 64
    for i in range(3000):
        own.hear(SoundBlock(i * BLOCK_NS, np.zeros(512, np.float32), 512))
    assert not own._sent
    assert not own._is_awake


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="max_delay_ms"):
        OwnVoiceConfig(max_delay_ms=5)
    with pytest.raises(ConfigError, match="min_share"):
        OwnVoiceConfig(min_share=0.1)
