"""The small parts of a live conversation: entrance, own sound, stopwatch, turns, common memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.clock import VirtualClock
from omnilive.errors import StoreError, UsageError
from omnilive.events import (
    SAMPLE_RATE,
    AnswerAudio,
    AnswerEnded,
    AudioChunk,
    ClipMemory,
    Event,
    MediaPacket,
    Notice,
    PartialUtterance,
    Pixels,
    Question,
    Retrieval,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Tick,
    Utterance,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent, SourceInfo
from omnilive.presets import embedded
from omnilive.serving.common_memory import CommonMemory
from omnilive.serving.entrance import Doorway, Entrance
from omnilive.serving.live_turns import LiveTurns
from omnilive.serving.loudness import Loudness
from omnilive.serving.own_sound import OwnSound
from omnilive.serving.playout import RATE, Playout
from omnilive.serving.settings import Settings
from omnilive.serving.stopwatch import Stopwatch
from omnilive.serving.turns import Turns
from omnilive.system import System

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


# --- common memory ----------------------------------------------------------------------


def clip(stream: int) -> ClipMemory:
    return ClipMemory(
        id=f"c{stream}-0",
        stream=stream,
        stream_name=f"s{stream}",
        start_ns=0,
        end_ns=1,
        at="",
        moments=(),
        changed=False,
        motion=0.0,
        playable=False,
        generation=1,
    )


def started(stream: int) -> StreamStarted:
    return StreamStarted(
        stream=stream,
        name=f"s{stream}",
        epoch=stream,
        at_ns=0,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="user",
        has_video=False,
        has_audio=True,
        live=True,
        source="",
    )


class Committer:
    """A memory that commits a clip of every stream it knows at every tick, then may fail."""

    accepts = (StreamStarted, Tick, Question)

    def __init__(self) -> None:
        self.streams: list[int] = []
        self.error: Exception | None = None
        self.inside = 0
        self.most_inside = 0
        self.idled = threading.Event()
        self.notices = 0

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            if isinstance(event, StreamStarted):
                self.streams.append(event.stream)
            elif isinstance(event, Question):
                yield Retrieval(turn_id=event.turn_id, question=event, generation=1)
            else:
                for stream in self.streams:
                    yield clip(stream)
                if self.error is not None:
                    raise self.error
        finally:
            self.inside -= 1

    def idle(self, wall_ns: int) -> Iterator[Event]:
        self.idled.set()
        if self.notices:
            self.notices -= 1
            yield Notice(stage="memory", text="Recording has stopped.")

    def ready(self, event: Event) -> bool:
        return True

    @property
    def num_pending(self) -> int:
        return 0


@pytest.fixture
def common() -> Iterator[tuple[Committer, CommonMemory]]:
    committer = Committer()
    memory = CommonMemory(committer, None, VirtualClock())  # type: ignore[arg-type]
    yield committer, memory
    memory.close()


def test_each_session_gets_what_was_remembered_of_its_own_streams(
    common: tuple[Committer, CommonMemory],
) -> None:
    committer, memory = common
    handed: dict[str, list[Event]] = {"a": [], "b": []}
    a, b = memory.port(handed["a"].append), memory.port(handed["b"].append)
    list(a.push(started(1), Cancel()))
    list(b.push(started(2), Cancel()))
    assert list(a.push(Tick(stream=1, at_ns=0, wall_ns=0), Cancel())) == [clip(1)]
    assert handed == {"a": [], "b": [clip(2)]}
    question = Question(turn_id="q", text="?", needs="past")
    found = list(b.push(question, Cancel()))
    assert [type(each) for each in found] == [Retrieval]
    b.close()
    assert list(a.push(Tick(stream=1, at_ns=0, wall_ns=0), Cancel()))[0] == clip(1)
    assert handed["b"] == [clip(2)]


def test_what_was_committed_before_an_error_is_told_before_it(
    common: tuple[Committer, CommonMemory],
) -> None:
    committer, memory = common
    handed: list[Event] = []
    a, b = memory.port(lambda _event: None), memory.port(handed.append)
    list(a.push(started(1), Cancel()))
    list(b.push(started(2), Cancel()))
    committer.error = StoreError("The disk is full.")
    came: list[Event] = []
    with pytest.raises(StoreError, match="full"):
        came.extend(a.push(Tick(stream=1, at_ns=0, wall_ns=0), Cancel()))
    assert came == [clip(1)]
    assert handed == [clip(2)]


def test_one_event_at_a_time_whoever_brings_it(
    common: tuple[Committer, CommonMemory],
) -> None:
    committer, memory = common

    def push(stream: int) -> None:
        port = memory.port(lambda _event: None)
        list(port.push(started(stream), Cancel()))
        for at in range(50):
            list(port.push(Tick(stream=stream, at_ns=at, wall_ns=0), Cancel()))

    threads = [threading.Thread(target=push, args=(stream,)) for stream in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert committer.most_inside == 1


def test_a_notice_about_the_store_is_for_everybody(
    common: tuple[Committer, CommonMemory],
) -> None:
    committer, memory = common
    came = [threading.Event(), threading.Event()]
    for event in came:
        memory.port(lambda _notice, event=event: event.set())
    committer.notices = 1
    assert committer.idled.wait(30)
    assert all(event.wait(30) for event in came)


def test_the_stages_of_a_session_are_its_own_and_what_is_heavy_is_shared(tmp_path: Path) -> None:
    system = System(embedded(), tmp_path / "memory", write=True)
    made = [system.stages_for_session(system.memory, caption=True, speak=True) for _ in range(2)]
    assert made[0]["memory"] is made[1]["memory"] is system.memory
    for role in ("gate", "answerer", "speech"):
        assert made[0][role] is not made[1][role]
    loaded: list[object] = []
    threads = [
        threading.Thread(target=lambda n=n: loaded.append(system.stages_for(started(n))))
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 8
    assert system._hearing is not None
    system.close()
