"""Perception goes on while a reasoner burns the processor: no sound lost, no frame more dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.clock import RealClock
from omnilive.events import (
    AnswerEnded,
    AudioChunk,
    ClipMemory,
    Event,
    Moment,
    Retrieval,
    StreamEnded,
    StreamStarted,
    VideoFrame,
)
from omnilive.media.synthetic import World, events
from omnilive.presets import embedded
from omnilive.reasoning.answering import AnswererConfig, Piece
from omnilive.reasoning.conversation import Turn
from omnilive.reasoning.stage import Answerer
from omnilive.serving.pacing import Pacer
from omnilive.serving.session import Session
from omnilive.stage import Stage
from omnilive.system import System

SECONDS = 8


class Burner:
    """A reasoner that never sleeps, in Python and in native code by turns, until it is cut."""

    def __init__(self) -> None:
        self.rounds = 0

    def answer(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        matrix = np.random.default_rng(0).standard_normal((400, 400))
        moments: tuple[Moment, ...] = ()
        while not cancel.is_set:
            total = 0
            for number in range(100_000):
                total += number * number
            matrix = np.tanh(matrix @ matrix)
            self.rounds += 1
            yield Piece(text=".", citations=moments)
        cancel.check()

    def close(self) -> None:
        """Nothing is held."""


class Ear:
    """Stands before hearing and counts the samples that reach it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.accepts = stage.accepts
        self.num_samples = 0

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if isinstance(event, AudioChunk):
            self.num_samples += len(event.samples)
        yield from self._stage.push(event, cancel)

    def close(self) -> None:
        self._stage.close()


class Listening:
    """A system whose hearing is counted and whose reasoner burns."""

    def __init__(self, system: System, burner: Burner) -> None:
        self._system = system
        self.ear: Ear | None = None
        self.shared = system.shared | {"answerer": Answerer(AnswererConfig(), burner)}

    def stages_for(self, started: StreamStarted) -> dict[str, Stage]:
        stages = dict(self._system.stages_for(started))
        self.ear = Ear(stages["hearing"])
        return stages | {"hearing": self.ear}


def _watch(store: Path, *, ask: bool) -> tuple[int, int, int, int]:
    """Return (samples sent, samples heard, frames dropped, rounds burnt)."""
    system, burner = System(embedded(), store, write=True), Burner()
    parts = Listening(system, burner)
    session = Session(parts, lossless=False)
    begun = session.call(
        "memory",
        lambda: system.store.begin_epoch(
            "world",
            wall_ns=0,
            zone="UTC",
            origin="live",
            voice="ambient",
            has_video=True,
            has_audio=True,
            live=True,
            source="synthetic",
        ),
    ).result()
    sent, remembered = 0, 0
    pacer = Pacer(RealClock(), threading.Event())
    for event in events(World(seed=5, duration_s=SECONDS), stream=begun.stream):
        if isinstance(event, StreamStarted):
            event = begun
        pacer.keep(event)
        sent += len(event.samples) if isinstance(event, AudioChunk) else 0
        session.feed(event)
        if ask and isinstance(event, VideoFrame) and not session._turns.all():
            session.ask("what was said?", turn=f"q{event.at_ns}")
        if isinstance(event, StreamEnded):
            for turn in session._turns.all():
                session.interrupt(turn)
    session.close()
    for event in session.events(0):
        remembered += isinstance(event, ClipMemory)
        assert not (isinstance(event, AnswerEnded) and event.outcome == "failed")
    system.close()
    assert parts.ear is not None
    assert remembered
    return sent, parts.ear.num_samples, session.dropped["frames"], burner.rounds


@pytest.mark.slow
@pytest.mark.real_time
def test_no_sound_is_lost_and_no_more_frames_dropped_while_the_reasoner_burns(
    tmp_path: Path,
) -> None:
    quiet = _watch(tmp_path / "quiet", ask=False)
    burning = _watch(tmp_path / "burning", ask=True)
    assert quiet[3] == 0
    assert burning[3] > 10
    assert quiet[0] == quiet[1] == burning[0] == burning[1]
    assert burning[2] <= quiet[2]
