"""The small parts of a live conversation: entrance, own sound, stopwatch, turns, common memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from omnilive.errors import UsageError
from omnilive.events import (
    SAMPLE_RATE,
    AnswerAudio,
    AnswerEnded,
    AudioChunk,
    Event,
    MediaPacket,
    PartialUtterance,
    Pixels,
    Question,
    StreamEnded,
    StreamGap,
    Tick,
    Utterance,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent, SourceInfo
from omnilive.serving.entrance import Doorway, Entrance
from omnilive.serving.live_turns import LiveTurns
from omnilive.serving.loudness import Loudness
from omnilive.serving.own_sound import OwnSound
from omnilive.serving.playout import RATE, Playout
from omnilive.serving.settings import Settings
from omnilive.serving.stopwatch import Stopwatch
from omnilive.serving.turns import Turns

MS = 1_000_000
PICTURE: Pixels = np.zeros((2, 2, 3), np.uint8)


def sound(at_ms: int, ms: int = 100) -> AudioChunk:
    samples = np.zeros(ms * SAMPLE_RATE // 1000, np.float32)
    return AudioChunk(stream=0, at_ns=at_ms * MS, samples=samples)


def packet(at_ms: int, *, key: bool) -> MediaPacket:
    return MediaPacket(
        stream=0,
        track=0,
        codec="h264",
        kind="video",
        at_ns=at_ms * MS,
        decode_ns=at_ms * MS,
        duration_ns=0,
        is_key=key,
        data=b"x",
        extradata=b"",
    )


class Tape:
    """A reader of given events; the settings may change while it plays."""

    def __init__(self, events: list[MediaEvent]) -> None:
        self.info = SourceInfo(has_video=True, has_audio=True, live=True)
        self.is_closed = False
        self._events = events

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        yield from self._events

    def close(self) -> None:
        self.is_closed = True


# --- entrance ---------------------------------------------------------------------------


def let_in(events: list[MediaEvent], changes: dict[int, Settings]) -> list[MediaEvent]:
    """Play events; before the one at an index, other settings are in force."""
    settings = [Settings()]

    def play() -> Iterator[MediaEvent]:
        for number, event in enumerate(events):
            settings[0] = changes.get(number, settings[0])
            yield event

    tape = Tape([])
    tape.events = lambda **_how: play()  # type: ignore[method-assign, assignment]
    entrance = Entrance(tape, lambda: settings[0], lambda sense: f"No {sense}.")
    return list(entrance.events(stream=0, at_ns=0, wall_ns=0))


def test_everything_comes_in_while_nothing_is_turned_off() -> None:
    events: list[MediaEvent] = [
        sound(0),
        VideoFrame(stream=0, at_ns=0, pixels=PICTURE),
        packet(0, key=False),
        Tick(stream=0, at_ns=100 * MS, wall_ns=0),
        StreamEnded(stream=0, at_ns=100 * MS),
    ]
    assert let_in(events, {}) == events


def test_sound_that_is_off_is_dropped_and_told_as_a_gap() -> None:
    events: list[MediaEvent] = [sound(at) for at in range(0, 600, 100)]
    off, on = Settings(hearing=False), Settings()
    came = let_in(events, {1: off, 4: on})
    assert [type(each) for each in came] == [AudioChunk, StreamGap, AudioChunk, AudioChunk]
    gap = came[1]
    assert isinstance(gap, StreamGap)
    assert (gap.start_ns, gap.end_ns, gap.sense) == (100 * MS, 400 * MS, "audio")
    assert gap.reason == "No audio."


def test_pictures_begin_again_with_one_that_can_be_decoded() -> None:
    events: list[MediaEvent] = [
        packet(0, key=True),
        packet(100, key=False),
        packet(200, key=False),
        packet(300, key=True),
        packet(400, key=False),
        sound(400),
        StreamEnded(stream=0, at_ns=500 * MS),
    ]
    came = let_in(events, {1: Settings(seeing=False), 2: Settings()})
    assert came == [events[0], *events[3:]]


def test_what_is_still_off_at_the_end_is_told_then() -> None:
    frames: list[MediaEvent] = [
        VideoFrame(stream=0, at_ns=at * MS, pixels=PICTURE) for at in (0, 500)
    ]
    came = let_in([*frames, StreamEnded(stream=0, at_ns=600 * MS)], {0: Settings(seeing=False)})
    assert [type(each) for each in came] == [StreamGap, StreamEnded]


def test_only_the_newest_client_is_waited_for() -> None:
    doorway, stop = Doorway(), threading.Event()
    first, second = Tape([]), Tape([])
    doorway.offer(first)
    doorway.offer(second)
    assert first.is_closed
    assert doorway.wait(stop) is second
    doorway.close()
    assert doorway.wait(stop) is None
    late = Tape([])
    doorway.offer(late)
    assert late.is_closed


# --- sound ------------------------------------------------------------------------------


def tone(seconds: float, hz: float) -> AnswerAudio:
    at = np.arange(round(seconds * RATE)) / RATE
    samples = (0.5 * np.sin(2 * np.pi * hz * at)).astype(np.float32)
    return AnswerAudio(turn_id="a", text="La la.", sample_rate=RATE, samples=samples)


def test_own_sound_is_what_went_out_at_another_rate_in_one_run() -> None:
    playout, own = Playout(), OwnSound()
    playout.put(tone(1.0, 440))
    told = []
    for number in range(50):
        # The stream moves in steps of 60 ms, as chunks come in.
        told.append(own.take(playout.take(), 1, (5000 + number // 3 * 60) * MS))
    pieces = [each for each in told if each is not None]
    assert [each.text for each in pieces[:2]] == ["La la.", ""]
    samples = np.concatenate([each.samples for each in pieces])
    assert samples.size == SAMPLE_RATE
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
    assert pieces[0].at_ns == 5000 * MS
    for before, after in zip(pieces, pieces[1:], strict=False):
        assert after.at_ns - before.at_ns == 20 * MS  # no jitter from the steps


def test_own_sound_is_never_placed_before_what_was_heard_already() -> None:
    playout, own = Playout(), OwnSound()
    playout.put(tone(1.0, 440))
    for number in range(40):
        position_ns = (1000 + number * 20 + (30 if number > 10 else 0)) * MS
        piece = own.take(playout.take(), 1, position_ns)
        assert piece is not None
        assert piece.at_ns >= position_ns - 5 * MS


def test_own_sound_starts_anew_where_stream_and_track_part() -> None:
    playout, own = Playout(), OwnSound()
    playout.put(tone(1.0, 440))
    own.take(playout.take(), 1, 60_000 * MS)
    piece = own.take(playout.take(), 2, 1000 * MS)  # another stream
    assert piece is not None
    assert piece.at_ns == 1000 * MS


def test_own_sound_follows_clocks_that_drift_but_not_a_stream_that_lags() -> None:
    playout, own = Playout(), OwnSound()
    placed: list[int] = []
    for number in range(1000):
        playout.put(tone(0.02, 440))
        lags_ms = 300 if 500 < number < 520 else 0
        position_ns = (10_000 + number * 20) * MS - number * 40_000 - lags_ms * MS
        piece = own.take(playout.take(), 1, position_ns)
        assert piece is not None
        placed.append(piece.at_ns - (10_000 + number * 20) * MS)
    steps = np.diff(placed)
    assert np.abs(steps).max() < 10 * MS  # the lag is not followed
    assert placed[-1] == pytest.approx(-1000 * 40_000, abs=15 * MS)  # the drift is


def test_loudness_comes_four_times_a_second() -> None:
    loudness = Loudness()
    loud = np.full(SAMPLE_RATE // 10, 0.1, np.float32)
    levels = [loudness.push(loud) for _ in range(10)]
    assert [level for level in levels if level is not None] == [-20.0] * 3
    assert Loudness().push(np.zeros(SAMPLE_RATE, np.float32)) == -100.0


# --- times ------------------------------------------------------------------------------


def partial(end_ms: int) -> PartialUtterance:
    return PartialUtterance(
        id="u1-0",
        stream=1,
        start_ns=0,
        end_ns=end_ms * MS,
        text="Where",
        voice="user",
        settled=True,
    )


def said(end_ms: int) -> Utterance:
    return Utterance(
        id="u1-0", stream=1, start_ns=0, end_ns=end_ms * MS, text="Where?", voice="user"
    )


def test_a_turn_is_split_by_stage_from_the_end_of_speech() -> None:
    watch = Stopwatch()
    for number in range(1, 20):
        watch.arrived(number * 100 * MS, (50 + number * 100) * MS)  # 50 ms on the way
    watch.heard(partial(800), 1150 * MS)
    watch.heard(said(800), 1350 * MS)
    watch.asked("q", "u1-0", 1360 * MS)
    for stage, at_ms in (("retrieval", 1400), ("first_text", 1402), ("synthesis", 1450)):
        watch.mark("q", stage, at_ms * MS)
    assert watch.read("q") is None
    watch.mark("q", "playout", 1465 * MS)
    watch.mark("q", "playout", 9999 * MS)  # only the first counts
    stages, total_ms = watch.read("q") or ({}, 0)
    assert stages == {
        "pause": 300,
        "turn_end": 200,
        "gate": 10,
        "retrieval": 40,
        "first_text": 2,
        "synthesis": 48,
        "playout": 15,
    }
    assert total_ms == 615
    assert watch.read("q") is None  # told once


def test_a_typed_question_is_timed_from_when_it_came() -> None:
    watch = Stopwatch()
    watch.typed("t", 100 * MS)
    watch.asked("t", "t", 101 * MS)
    watch.mark("t", "synthesis", 151 * MS)
    watch.mark("t", "playout", 160 * MS)
    assert watch.read("t") == ({"gate": 1, "synthesis": 50, "playout": 9}, 60)


def test_speech_of_which_no_arrival_is_known_is_timed_from_its_words() -> None:
    watch = Stopwatch()
    watch.heard(partial(800), 1150 * MS)
    watch.heard(said(800), 1350 * MS)
    watch.asked("q", "u1-0", 1360 * MS)
    watch.mark("q", "playout", 1400 * MS)
    assert watch.read("q") == ({"pause": 0, "turn_end": 200, "gate": 10, "playout": 40}, 250)


# --- turns ------------------------------------------------------------------------------


def ended(turn: str, text: str = "One two three four.") -> AnswerEnded:
    return AnswerEnded(turn_id=turn, question="?", text=text, outcome="completed", known=True)


def phrase(turn: str, ms: int) -> AnswerAudio:
    samples = np.full(ms * RATE // 1000, 0.5, np.float32)
    return AnswerAudio(turn_id=turn, text="One two three four.", sample_rate=RATE, samples=samples)


def test_a_turn_is_over_when_its_listener_has_heard_the_last_of_it() -> None:
    playout = Playout()
    turns = LiveTurns(playout)
    turns.open("a", 0, spoken=True)
    playout.put(phrase("a", 40))
    assert turns.ended(ended("a"), 30 * MS) == 30
    assert turns.over(40 * MS, 150) == []
    playout.finish("a")
    assert turns.over(50 * MS, 150) == []  # it was not taken yet
    playout.take()
    playout.take()
    assert turns.over(100 * MS, 150) == []  # it is on its way
    assert turns.over(240 * MS, 150) == []
    [over] = turns.over(260 * MS, 150)
    assert over.heard is not None
    assert (over.heard.played_ms, over.heard.complete) == (40, True)
    assert len(turns) == 0


def test_what_was_heard_is_counted_when_the_sound_stopped() -> None:
    playout = Playout()
    turns = LiveTurns(playout)
    turns.open("a", 0, spoken=True)
    playout.put(phrase("a", 400))
    for _ in range(10):
        playout.take()
    turns.hold("a", behind_ms=100)
    playout.hold(100)
    for _ in range(50):
        playout.take()  # a second of silence while it is held
    turns.cut("a", behind_ms=100)
    turns.ended(ended("a"), 0)
    [over] = turns.over(0, 100)
    assert over.heard is not None
    assert (over.heard.text, over.heard.played_ms, over.heard.complete) == ("One", 100, False)


def test_a_turn_in_writing_is_over_at_once_and_was_not_heard() -> None:
    playout = Playout()
    turns = LiveTurns(playout)
    turns.open("a", 0, spoken=False)
    turns.ended(ended("a"), 0)
    playout.finish("a")
    assert [each.heard for each in turns.over(0, 150)] == [None]


def test_nothing_of_a_turn_is_seen_after_its_interruption() -> None:
    turns, seen = Turns(2), list[Event]()
    question = Question(turn_id="a", text="?", needs="past")
    assert turns.pass_on("a", question, seen.append)
    cancel = turns.cut("a", seen.append)
    assert cancel is not None
    assert not turns.pass_on("a", phrase("a", 10), seen.append)
    assert turns.pass_on("a", ended("a"), seen.append)
    assert [type(each).__name__ for each in seen] == ["Question", "Interruption", "AnswerEnded"]
    assert turns.cut("a", seen.append) is None
    turns.open("b")
    turns.open("c")
    with pytest.raises(UsageError, match="2 questions are open"):
        turns.open("d")
