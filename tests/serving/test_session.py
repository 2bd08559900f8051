"""The session with small stages of the test's own: routing, order, cancellation, loss."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.errors import StoreError, UsageError
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    AudioChunk,
    Clip,
    Event,
    Interruption,
    Question,
    Retrieval,
    StageFailed,
    StreamEnded,
    StreamStarted,
    Tick,
    Utterance,
    VideoFrame,
)
from omnilive.serving.session import Session
from omnilive.stage import Stage


class Recorder:
    """Keeps what it was given; optionally waits for leave before each event."""

    def __init__(self, *accepts: type[Event], gate: threading.Event | None = None) -> None:
        self.accepts: tuple[type[Event], ...] = accepts
        self.taken: list[Event] = []
        self.closed = 0
        self._gate = gate

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if self._gate is not None:
            assert self._gate.wait(60)
        self.taken.append(event)
        yield from ()

    def close(self) -> None:
        self.closed += 1


class Echo(Recorder):
    """Turns questions into retrievals, as memory does."""

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        self.taken.append(event)
        if isinstance(event, Question):
            yield Retrieval(turn_id=event.turn_id, question=event, generation=0)


class EveryUtteranceIsAQuestion(Recorder):
    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        assert isinstance(event, Utterance)
        assert self._gate is None or self._gate.wait(60)
        yield Question(turn_id=event.id, text=event.text, needs="past", up_to=event.up_to)


class Talker(Recorder):
    """Answers without end until it is cut."""

    def __init__(self) -> None:
        super().__init__(Retrieval)
        self.talking = threading.Event()

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        assert isinstance(event, Retrieval)
        yield AnswerStarted(turn_id=event.turn_id, question=event.question.text)
        while not cancel.is_set:
            self.talking.set()
            yield AnswerText(turn_id=event.turn_id, delta="and ")
        yield AnswerEnded(
            turn_id=event.turn_id,
            question=event.question.text,
            text="and",
            outcome="interrupted",
            known=False,
        )


class Broken(Recorder):
    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        raise RuntimeError("what was said must not appear anywhere")
        yield


class Parts:
    """The stages of one test."""

    def __init__(
        self, shared: Mapping[str, Stage], perceiving: Mapping[str, Stage] | None = None
    ) -> None:
        self.shared = shared
        self._perceiving = perceiving or {}

    def stages_for(self, started: StreamStarted) -> Mapping[str, Stage]:
        return self._perceiving


def started(stream: int = 1, *, live: bool = False) -> StreamStarted:
    return StreamStarted(
        stream=stream,
        name="door",
        epoch=1,
        at_ns=0,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=live,
        source="test",
    )


def frame(number: int) -> VideoFrame:
    return VideoFrame(stream=1, at_ns=number, pixels=np.zeros((1, 1, 3), dtype=np.uint8))


def sound(number: int) -> AudioChunk:
    return AudioChunk(stream=1, at_ns=number, samples=np.zeros(1, dtype=np.float32))


def test_events_reach_exactly_who_accepts_them() -> None:
    seeing, hearing = Recorder(VideoFrame, StreamEnded), Recorder(AudioChunk, StreamEnded)
    memory = Recorder(StreamStarted, Tick, Clip, StreamEnded)
    session = Session(
        Parts({"memory": memory}, {"seeing": seeing, "hearing": hearing}), lossless=True
    )
    session.forsake()
    for event in (started(), frame(1), sound(2), Tick(stream=1, at_ns=3, wall_ns=3)):
        session.feed(event)
    session.close()
    assert [type(each) for each in seeing.taken] == [VideoFrame]
    assert [type(each) for each in hearing.taken] == [AudioChunk]
    assert [type(each) for each in memory.taken] == [StreamStarted, Tick]
    assert seeing.closed == hearing.closed == memory.closed == 1


def test_memory_sees_the_end_after_the_last_word_of_every_sense() -> None:
    leave = threading.Event()

    class Late(Recorder):
        def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
            if isinstance(event, StreamEnded):
                assert leave.wait(60)
                yield Utterance(
                    id="u1-0", stream=1, start_ns=0, end_ns=1, text="late", voice="ambient"
                )

    memory = Recorder(Utterance, StreamEnded)
    seeing = Recorder(StreamEnded)
    parts = Parts({"memory": memory}, {"hearing": Late(StreamEnded), "seeing": seeing})
    session = Session(parts, lossless=True)
    session.forsake()
    session.feed(started())
    session.feed(StreamEnded(stream=1, at_ns=9))
    leave.set()
    session.close()
    assert [type(each) for each in memory.taken] == [Utterance, StreamEnded]


def test_a_slow_stage_loses_nothing_when_lossless() -> None:
    seeing = Recorder(VideoFrame)
    session = Session(Parts({}, {"seeing": seeing}), lossless=True)
    session.forsake()
    session.feed(started())
    for number in range(500):
        session.feed(frame(number))
    session.close()
    assert [each.at_ns for each in seeing.taken if isinstance(each, VideoFrame)] == list(range(500))
    assert not session.dropped


def test_a_slow_stage_of_a_live_source_drops_old_frames_counts_them_and_keeps_all_sound() -> None:
    leave = threading.Event()
    slow = Recorder(VideoFrame, AudioChunk, gate=leave)
    # A file read over the network beside it would lose nothing: the stream decides.
    session = Session(Parts({}, {"hearing": slow}), lossless=True)
    session.feed(started(live=True))
    for number in range(100):
        session.feed(frame(number))
        session.feed(sound(number)) if number < 50 else None
        if number == 49:
            leave.set()
    session.close()
    frames = [each.at_ns for each in slow.taken if isinstance(each, VideoFrame)]
    sounds = [each.at_ns for each in slow.taken if isinstance(each, AudioChunk)]
    assert sounds == list(range(50))
    assert frames == sorted(frames)
    assert frames[-1] == 99
    assert session.dropped["frames"] == 100 - len(frames)
    assert session.dropped["frames"] > 0


def test_a_question_becomes_an_answer_of_its_turn_and_can_be_cut() -> None:
    talker = Talker()
    parts = Parts(
        {
            "memory": Echo(Question),
            "gate": EveryUtteranceIsAQuestion(Utterance),
            "answerer": talker,
            "speech": (speech := Recorder(AnswerText, Interruption)),
        }
    )
    session = Session(parts, lossless=False)
    session.ask("what now?", turn="q1")
    assert talker.talking.wait(60)
    session.interrupt("q1")
    session.close()
    events = list(session.events(timeout=0))
    ended = [each for each in events if isinstance(each, AnswerEnded)]
    assert [(each.turn_id, each.outcome) for each in ended] == [("q1", "interrupted")]
    assert events.index(ended[0]) > [type(each) for each in events].index(Interruption)
    after = events[[type(each) for each in events].index(Interruption) :]
    assert not [each for each in after if isinstance(each, AnswerText)]
    assert any(isinstance(each, Interruption) for each in speech.taken)


def test_a_question_cut_before_it_is_worked_on_ends_too() -> None:
    leave = threading.Event()
    parts = Parts(
        {
            "memory": Recorder(Question, StreamStarted, gate=leave),
            "gate": EveryUtteranceIsAQuestion(Utterance),
            "answerer": Recorder(Retrieval),
        }
    )
    session = Session(parts, lossless=False)
    session.feed(started())  # memory is busy with this one until it may go on
    session.ask("what now?", turn="q1")
    for event in session.events(timeout=60):
        if isinstance(event, Question):
            break
    while not len(session._workers["memory"].mailbox):
        pass
    session.interrupt("q1")
    leave.set()
    session.close()
    outcomes = [each.outcome for each in session.events(0) if isinstance(each, AnswerEnded)]
    assert outcomes == ["interrupted"]


def test_a_stage_that_raises_is_reported_without_content_and_the_turn_ends() -> None:
    parts = Parts(
        {
            "memory": Echo(Question),
            "gate": EveryUtteranceIsAQuestion(Utterance),
            "answerer": Broken(Retrieval),
        }
    )
    session = Session(parts, lossless=True)
    session.ask("what now?", turn="q1")
    session.settle()
    session.ask("and now?", turn="q2")
    session.close()
    events = list(session.events(0))
    failed = [each for each in events if isinstance(each, StageFailed)]
    assert [each.stage for each in failed] == ["answerer", "answerer"]
    assert all("RuntimeError" in each.error for each in failed)
    assert not any("said" in each.error for each in failed)
    outcomes = [(e.turn_id, e.outcome) for e in events if isinstance(e, AnswerEnded)]
    assert outcomes == [("q1", "failed"), ("q2", "failed")]
    assert session.failures == {"answerer": 2}


def test_questions_are_limited_and_must_not_be_empty() -> None:
    leave = threading.Event()
    parts = Parts(
        {
            "memory": Recorder(Question, gate=leave),
            "gate": EveryUtteranceIsAQuestion(Utterance),
        }
    )
    session = Session(parts, lossless=True, max_turns=2)
    with pytest.raises(UsageError, match="empty"):
        session.ask("  ", turn="q0")
    session.ask("one?", turn="q1")
    session.ask("two?", turn="q2")
    taken = 0
    for event in session.events(timeout=60):
        taken += isinstance(event, Question)
        if taken == 2:
            break
    with pytest.raises(UsageError, match="2 questions are open"):
        session.ask("three?", turn="q3")
    leave.set()
    session.close()


def test_work_called_into_a_stage_runs_in_its_thread() -> None:
    session = Session(Parts({"memory": Recorder(Tick)}), lossless=True)
    name = session.call("memory", lambda: threading.current_thread().name).result(60)
    session.close()
    assert name == "omnilive memory"


class Failing(Recorder):
    """Fails on whatever it gets, as memory does when the disk is full."""

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        raise StoreError("The disk is full.")
        yield


def test_an_error_that_goes_on_is_counted_but_not_told_each_time() -> None:
    session = Session(Parts({"memory": Failing(Tick, Question)}), lossless=True)
    for number in range(500):
        session.feed(Tick(stream=1, at_ns=number, wall_ns=0))
    session.close()
    told = [each for each in session.events(0) if isinstance(each, StageFailed)]
    assert session.failures == {"memory": 500}
    assert 1 <= len(told) < 50


def test_a_question_can_be_cut_before_any_stage_has_seen_it() -> None:
    leave = threading.Event()
    gate = EveryUtteranceIsAQuestion(Utterance, gate=leave)
    memory = Recorder(Question)
    session = Session(Parts({"memory": memory, "gate": gate}), lossless=True)
    session.ask("what?", turn="q1")
    session.interrupt("q1")
    leave.set()
    session.close()
    ended = [each for each in session.events(0) if isinstance(each, AnswerEnded)]
    assert [(each.turn_id, each.outcome) for each in ended] == [("q1", "interrupted")]
    assert not memory.taken


def test_a_gate_that_fails_ends_the_turn() -> None:
    session = Session(Parts({"gate": Failing(Utterance)}), lossless=True, max_turns=1)
    session.ask("what?", turn="q1")
    session.settle()
    session.ask("what now?", turn="q2")
    session.close()
    ended = [each for each in session.events(0) if isinstance(each, AnswerEnded)]
    assert [(each.turn_id, each.outcome) for each in ended] == [("q1", "failed"), ("q2", "failed")]
