"""One memory for several sessions: who is told what, and one event at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.clock import VirtualClock
from omnilive.errors import StoreError
from omnilive.events import (
    ClipMemory,
    Event,
    Notice,
    Pixels,
    Question,
    Retrieval,
    StreamStarted,
    Tick,
)
from omnilive.presets import embedded
from omnilive.serving.common_memory import CommonMemory
from omnilive.system import System

MS = 1_000_000
PICTURE: Pixels = np.zeros((2, 2, 3), np.uint8)


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
