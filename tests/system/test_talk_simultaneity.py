"""A spoken answer of half a minute by a reasoner that burns the processor: all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from omnilive import api
from omnilive.cancel import Cancel
from omnilive.events import AnswerEnded, AnswerStarted, AnswerText, Event, Heard, Retrieval
from omnilive.presets import embedded
from omnilive.serving.conversations import Conversations
from omnilive.system import System
from talk_support import LongAnswer, Person

SECONDS = 30
QUIET_S = 15  # the same without an answer, to compare with
FACT = "The green bicycle is in the garage."


class Burner(LongAnswer):
    """An answerer that computes all the time, in Python and in native code by turns."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0
        self.is_told_to_end = False

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if isinstance(event, Heard):
            self.heard.append(event)
        if not isinstance(event, Retrieval):
            return
        turn, said = event.turn_id, ""
        yield AnswerStarted(turn_id=turn, question=event.question.text)
        matrix = np.random.default_rng(0).standard_normal((400, 400))
        while not cancel.is_set and not self.is_told_to_end:
            for number in range(100_000):
                self.rounds += number & 1
            matrix = np.tanh(matrix @ matrix)
            if self.rounds // 50_000 % 40 == 1:
                delta = f"So far there were {self.rounds} rounds of counting. "
                said += delta
                yield AnswerText(turn_id=turn, delta=delta)
        yield AnswerEnded(
            turn_id=turn,
            question=event.question.text,
            text=said,
            outcome="interrupted" if cancel.is_set else "completed",
            known=True,
        )


@dataclass
class Outcome:
    """What the time came to."""

    pushed: int
    missing: int
    heard_s: float
    frames_in: int
    frames_dropped: int
    clips: int
    spoken_pieces: int
    answer: str


def _live(store: Path, seconds: float, *, burn: bool) -> Outcome:
    """Let a person be there for a while, with an answer that never ends or without."""
    config = embedded()
    system, burner = System(config, store, write=True), Burner()
    house = Conversations(system, config.live, shared=lambda: {"answerer": burner})
    house.warm()
    person = Person(house.open("kitchen"), speed=1.0, sees=True).come()
    other = Person(house.open("garage"), speed=1.0).come()
    person.wait("stream")
    other.wait("stream")
    mark = 0
    if burn:
        person.tell("ask", text="How many are there?")
        person.wait("speaking")
        mark = len(person.messages)
    other.say(FACT)  # in another conversation, while the first one is being answered
    person.wait_heard_s(seconds)
    other.wait("utterance")
    with api.open(store) as memory:  # and asked in a third way
        other.wait("clip")
        answer = memory.ask("Where is the green bicycle?").text
    clips = len([each for each in person.messages[mark:] if each["event"] == "clip"])
    assert not burn or person.conversation.snapshot()["state"] in ("answering", "thinking")
    person.stop()
    other.stop()
    burner.is_told_to_end = True
    stats = person.conversation.stats()
    person.go()
    house.close(person.conversation.id)
    counts = person.reader.counts
    missing = counts.missing_samples + counts.overflowed_samples + counts.trimmed_samples
    house.close_all()
    system.close()
    return Outcome(
        pushed=person.pushed,
        missing=missing + abs(person.pushed - counts.samples),
        heard_s=person.conversation.snapshot()["position_s"],
        frames_in=stats.frames["ingested"],
        frames_dropped=stats.dropped["frames"],
        clips=clips,
        spoken_pieces=sum(bool(piece.turn_id) for piece in person.taken),
        answer=answer,
    )


@pytest.mark.slow
@pytest.mark.real_time
def test_nothing_is_lost_while_it_answers(tmp_path: Path) -> None:
    quiet = _live(tmp_path / "quiet", QUIET_S, burn=False)
    burning = _live(tmp_path / "burning", SECONDS, burn=True)
    for outcome in (quiet, burning):
        assert outcome.missing == 0
        assert outcome.heard_s == pytest.approx(outcome.pushed / 16_000, abs=0.1)
        assert outcome.clips >= 1
        assert "garage" in outcome.answer
    assert burning.frames_in > 0
    assert burning.frames_dropped <= quiet.frames_dropped
    assert quiet.spoken_pieces == 0
    assert burning.spoken_pieces > 50 * SECONDS / 3  # it was spoken all the while
