"""A user's turn: settled by a short pause, over after a silence that depends on its words."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.events import (
    NS_PER_S,
    PartialUtterance,
    SpeechEnded,
    SpeechStarted,
    StreamGap,
    Utterance,
    Watermark,
)
from omnilive.perception.recognition import Transcript
from omnilive.perception.stage import Hearing, HearingConfig
from omnilive.perception.turn_end import TurnEndConfig, completeness
from omnilive.perception.voice_activity import VoiceActivityConfig
from perception_support import (
    SAMPLE_NS,
    CountingRecogniser,
    LoudVoice,
    chunks,
    ended,
    feed,
    hush,
    noise,
    started,
    tick,
    tone,
)

BLOCK_S = 0.032


class Script(CountingRecogniser):
    """Says what it is told to for a sound that holds so many tones (by their beginnings)."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts

    def transcribe(self, samples, cancel):
        self.lengths.append(len(samples))
        loud = np.convolve(np.abs(samples), np.ones(400) / 400, "same") > 0.02
        num_tones = int(np.count_nonzero(np.diff(np.concatenate([[0], loud]).astype(int)) == 1))
        return Transcript(text=self.texts[min(max(num_tones, 1), len(self.texts)) - 1])


def hearing_of(recogniser, **settings):
    config = HearingConfig(turn_end=TurnEndConfig(**settings))
    return Hearing(config, LoudVoice(), recogniser)


def timed(hearing, *parts):
    """Feed a user's stream block by block; return (stream time, event)."""
    sound = np.concatenate([tone(p[0]) if isinstance(p, tuple) else hush(p) for p in parts])
    answers = [(0.0, event) for event in feed(hearing, [started(audio=True, voice="user")])]
    for chunk in chunks(sound, [512]):
        end_s = (chunk.at_ns + len(chunk.samples) * SAMPLE_NS) / NS_PER_S
        answers += [(end_s, event) for event in feed(hearing, [chunk])]
    return answers


def only(answers, kind):
    return [(at, event) for at, event in answers if isinstance(event, kind)]


def spoken(answers):
    kinds = (SpeechStarted, SpeechEnded, PartialUtterance, Utterance)
    return [event for _, event in answers if isinstance(event, kinds)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "finished"),
        ("Where is the hotel?", "finished"),
        ("Where is the hotel", "finished"),
        ("What did you do before the meeting", "finished"),
        ("The train to Paris leaves at noon.", "finished"),
        ("Stop.", "finished"),
        ("Tell me what the man said.", "finished"),
        ("Where did I put the?", "unfinished"),
        ("I saw him and.", "unfinished"),
        ("What did the man say about?", "unfinished"),
        ("So, um", "unfinished"),
        ("Well,", "unfinished"),
        ("Can you tell me", "unfinished"),
        ("I went to", "unfinished"),
        ("Who is the", "unfinished"),
        ("Do you know", "unfinished"),
        ("What is this about?", "unsure"),
        ("Where are you from?", "unsure"),
        ("The red car", "unsure"),
        ("What is", "unfinished"),
        ("How many people were in?", "unfinished"),
        ("What happened after?", "unfinished"),
        ("Who came in?", "unsure"),
        ("When I came home from.", "unfinished"),
        ("Tell me what he said.", "finished"),
        ("你今天去了哪里？", "finished"),
        ("我刚才看到了什么", "finished"),
        ("因为", "unfinished"),
        ("我想问一下那个", "unfinished"),
        ("红色的车", "unsure"),
    ],
)
def test_whether_words_sound_finished(text, expected):
    assert completeness(text) == expected


def test_delays_out_of_order_are_refused():
    for wrong in ({"min_delay_ms": 100}, {"max_delay_ms": 500}, {"pause_ms": 0}):
        with pytest.raises(ConfigError, match="turn_end"):
            TurnEndConfig(**wrong)


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [("Where is the hotel?", 0.3), ("The red car", 0.7), ("Where did I put the", 1.5)],
)
def test_a_turn_is_over_sooner_when_its_words_sound_finished(text, delay_s):
    answers = timed(hearing_of(Script(text)), 0.512, (1.024,), 3)
    ((over_s, one),) = only(answers, Utterance)
    assert one.text == text
    assert one.start_ns == pytest.approx(0.512e9, abs=1)
    assert over_s - one.end_ns / NS_PER_S == pytest.approx(delay_s, abs=BLOCK_S)
    ((settled_s, settled),) = [
        (at, event) for at, event in only(answers, PartialUtterance) if event.settled
    ]
    assert settled_s - one.end_ns / NS_PER_S == pytest.approx(0.2, abs=BLOCK_S)
    assert (settled.id, settled.text, settled.voice) == (one.id, text, "user")


def test_a_voice_that_comes_back_in_time_goes_on_with_its_turn():
    script = Script("Where did I put the", "Where did I put the red box?")
    answers = timed(hearing_of(script), 0.512, (1.024,), 1.0, (0.8,), 2)
    ((_, one),) = only(answers, Utterance)
    assert one.text == "Where did I put the red box?"
    assert (one.start_ns, one.end_ns) == pytest.approx((0.512e9, 3.336e9), abs=33e6)
    partials = [event for _, event in only(answers, PartialUtterance)]
    assert {event.id for event in partials} == {one.id}
    assert [event.text for event in partials if event.settled] == [
        "Where did I put the",
        "Where did I put the red box?",
    ]
    assert " ".join(word.text for word in one.words) == one.text
    assert [word.start_ns for word in one.words] == sorted(word.start_ns for word in one.words)
    assert len(only(answers, SpeechStarted)) == 2


def test_a_voice_that_comes_back_late_opens_another_turn():
    script = Script("Where is the hotel?")
    answers = timed(hearing_of(script), 0.512, (1.024,), 0.6, (1.024,), 2)
    first, second = (event for _, event in only(answers, Utterance))
    assert first.id != second.id
    assert first.end_ns <= second.start_ns


def test_a_voice_that_comes_back_just_before_the_end_is_waited_for():
    # It begins 64 ms before the delay is over, and is confirmed 160 ms after.
    script = Script("Where is the hotel?", "Where is the hotel on the hill?")
    answers = timed(hearing_of(script), 0.512, (1.024,), 0.256, (0.6,), 1)
    assert [event.text for _, event in only(answers, Utterance)] == [script.texts[1]]
    # A click is not: the turn ends as soon as it is known to be one, or to take too long.
    answers = timed(hearing_of(script), 0.512, (1.024,), 0.256, (0.064,), 1)
    ((over_s, one),) = only(answers, Utterance)
    assert one.text == script.texts[0]
    assert over_s - one.end_ns / NS_PER_S <= 0.7


def test_every_end_of_a_voice_is_followed_by_its_one_settled_partial():
    script = Script("Where did I put the", "Where did I put the red box?")
    answers = timed(hearing_of(script), 0.5, (1,), 0.5, (0.5,), 3, (0.3,), 3)
    events = spoken(answers)
    ends = [i for i, event in enumerate(events) if isinstance(event, SpeechEnded)]
    assert len(ends) == 3
    for i in ends:
        assert isinstance(events[i + 1], PartialUtterance)
        assert events[i + 1].settled
    assert sum(isinstance(e, PartialUtterance) and e.settled for e in events) == 3


def test_a_cough_is_settled_and_leaves_no_utterance():
    answers = timed(hearing_of(Script("")), 0.5, (0.4,), 3)
    assert only(answers, Utterance) == []
    partials = [event for _, event in only(answers, PartialUtterance)]
    assert [(event.text, event.settled) for event in partials] == [("", True)]


def test_without_a_recogniser_a_voice_is_told_of_all_the_same():
    answers = timed(hearing_of(None), 0.5, (1,), 3)
    partials = [event for _, event in only(answers, PartialUtterance)]
    assert [event.settled for event in partials] == [False, False, True]
    assert only(answers, Utterance) == []


def test_partials_come_at_lengths_that_grow():
    answers = timed(hearing_of(Script("what was said")), 0.512, (6,), 2)
    early = [
        (at - 0.512, event) for at, event in only(answers, PartialUtterance) if not event.settled
    ]
    times = [at for at, _ in early]
    assert times[:2] == pytest.approx([0.48, 0.736], abs=0.001)
    assert [b / a for a, b in zip(times[1:], times[2:], strict=False)] == pytest.approx(
        [1.5] * (len(times) - 2), abs=0.05
    )
    assert all(event.text for _, event in early)
    assert all(event.end_ns / NS_PER_S - 0.512 == pytest.approx(at) for at, event in early)


@pytest.mark.parametrize("pause", [0.256, 0.6])
def test_recognition_costs_a_small_multiple_of_the_turn(pause):
    script = Script("and the")
    parts = [0.512, *[part for _ in range(12) for part in ((0.5,), pause)], 3]
    answers = timed(hearing_of(script), *parts)
    heard_s = sum(event.end_ns - event.start_ns for _, event in only(answers, Utterance)) / 1e9
    padding_s = 2 * 0.26 * len(script.lengths)
    assert sum(script.lengths) / 16_000 - padding_s <= 5 * heard_s + 3


def test_nothing_is_recognised_again_when_the_turn_ends():
    script = Script("Where is the hotel?")
    hearing = hearing_of(script)
    answers = timed(hearing, 0.5, (0.4,), 0.288)
    assert only(answers, Utterance) == []
    before = list(script.lengths)
    again = [tick(1.2), *chunks(hush(1), [512], 1_188_000_000)]
    assert [e for e in feed(hearing, again) if isinstance(e, Utterance)]
    assert script.lengths == before


def test_a_turn_never_outgrows_its_bound():
    config = HearingConfig(voice_activity=VoiceActivityConfig(max_speech_duration_s=5))
    hearing = Hearing(config, LoudVoice(), CountingRecogniser())
    events = spoken(timed(hearing, 0.5, (13,), 2))
    said = [event for event in events if isinstance(event, Utterance)]
    assert all(one.end_ns - one.start_ns <= 5.04e9 for one in said)
    assert sum(one.end_ns - one.start_ns for one in said) == pytest.approx(13e9, rel=0.02)
    assert sum(isinstance(event, SpeechStarted) for event in events) == 1
    assert sum(isinstance(event, SpeechEnded) for event in events) == 1
    # Stop and go, always unfinished: the turn is bounded as a whole.
    hearing = Hearing(config, LoudVoice(), Script("and then the"))
    events = spoken(timed(hearing, 0.5, *[part for _ in range(9) for part in ((1,), 0.5)], 2))
    said = [event for event in events if isinstance(event, Utterance)]
    assert len(said) >= 3
    assert all(one.end_ns - one.start_ns <= 5.04e9 for one in said)


class Broken(CountingRecogniser):
    def transcribe(self, samples, cancel):
        raise BackendError("The recogniser is broken.")


def test_a_recogniser_that_fails_still_settles_the_turn():
    hearing = Hearing(HearingConfig(), LoudVoice(), Broken())
    feed(hearing, [started(audio=True, voice="user")])
    found = []
    sound = np.concatenate([hush(0.5), tone(0.4), hush(2)])
    with pytest.raises(BackendError):
        found.extend(hearing.push(next(chunks(sound, [len(sound)])), Cancel()))
    settled = [event for event in found if isinstance(event, PartialUtterance) and event.settled]
    assert [(event.text, event.voice) for event in settled] == [("", "user")]


def test_ambient_voices_have_no_partials_and_end_by_pauses():
    sound = np.concatenate([hush(0.5), tone(1), hush(0.45), tone(1), hush(2)])
    hearing = Hearing(HearingConfig(), LoudVoice(), CountingRecogniser())
    end_ns = len(sound) * SAMPLE_NS
    events = feed(hearing, [started(audio=True), *chunks(sound, [512]), ended(end_ns)])
    assert not any(isinstance(event, PartialUtterance) for event in events)
    assert sum(isinstance(event, Utterance) for event in events) == 1


# --- laws ---------------------------------------------------------------------------------

TALK = np.concatenate(
    [hush(0.7), tone(0.9), hush(0.3), tone(1.2), hush(1.1), tone(0.3), hush(2), tone(6), hush(2)]
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=6))
def test_chunked_equals_whole_for_a_user(sizes):
    config = HearingConfig(voice_activity=VoiceActivityConfig(max_speech_duration_s=4))

    def run(cut):
        hearing = Hearing(config, LoudVoice(), CountingRecogniser())
        end_ns = 123 + len(TALK) * SAMPLE_NS
        begin = started(123, audio=True, voice="user")
        return feed(hearing, [begin, *chunks(TALK, cut, 123), ended(end_ns)])

    whole = run([len(TALK)])
    assert run(sizes) == whole
    assert sum(isinstance(event, Utterance) for event in whole) >= 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["hush", "voice", "gap", "tick"]), st.floats(0.05, 4)),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from(["Where is it?", "and then the", ""]),
)
def test_nothing_of_a_user_is_reported_before_the_watermark(steps, text):
    hearing = Hearing(HearingConfig(), LoudVoice(), Script(text))
    events, at_ns = [started(audio=True, voice="user")], 0
    for kind, seconds in steps:
        if kind == "tick":
            events.append(tick(at_ns / NS_PER_S))
        elif kind == "gap":
            end_ns = at_ns + round(seconds * NS_PER_S)
            events.append(
                StreamGap(stream=3, start_ns=at_ns, end_ns=end_ns, sense="both", reason="lost")
            )
            at_ns = end_ns
        else:
            samples = tone(seconds) if kind == "voice" else hush(seconds)
            events += chunks(samples, [1600], at_ns)
            at_ns += len(samples) * SAMPLE_NS
    mark_ns = 0
    answers = feed(hearing, [*events, ended(at_ns)])
    settled = 0
    for answer in answers:
        if isinstance(answer, Watermark):
            assert answer.at_ns > mark_ns
            mark_ns = answer.at_ns
        elif isinstance(answer, (Utterance, PartialUtterance)):
            assert mark_ns <= answer.start_ns <= answer.end_ns <= at_ns
            assert re.fullmatch(r"u3-\d+", answer.id)
            settled += isinstance(answer, PartialUtterance) and answer.settled
        elif isinstance(answer, SpeechEnded):
            settled -= 1
    assert settled == 0
    assert mark_ns == at_ns


def test_hearing_can_be_turned_off_and_on_while_it_listens():
    hearing = hearing_of(Script("Where is the hotel?"))
    feed(hearing, [started(audio=True, voice="user")])
    off = HearingConfig(enabled=False)
    before = feed(hearing, chunks(np.concatenate([hush(0.5), tone(1)]), [512]))
    assert any(isinstance(event, SpeechStarted) for event in before)
    hearing.configure(off)
    during = feed(hearing, chunks(noise(3, 0.3), [512], 1_500_000_000))
    # What was open ends; after that only the watermark moves.
    assert [type(event) for event in during if not isinstance(event, Watermark)] == [
        SpeechEnded,
        PartialUtterance,
        Utterance,
    ]
    assert [e.at_ns for e in during if isinstance(e, Watermark)][-1] > 3_400_000_000
    hearing.configure(HearingConfig())
    sound = np.concatenate([hush(0.5), tone(1), hush(2)])
    after = feed(hearing, chunks(sound, [512], 4_500_000_000))
    assert [event.text for event in after if isinstance(event, Utterance)] == [
        "Where is the hotel?"
    ]
    with pytest.raises(ValueError, match="voice activity"):
        Hearing(off, None).configure(HearingConfig())
