"""One run of the system: every stage in its own worker, events routed between them.

The session owns what stages may not: threads, mailboxes, cancel flags and the order of things at
the end of a stream. It holds no knowledge of what the events say.

Order at a stream's end: memory must see StreamEnded after the last word of hearing and the last
clip of seeing, so the session keeps it back until both have worked it off.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Protocol, TypeVar

from omnilive.cancel import Cancel
from omnilive.errors import UsageError
from omnilive.events import (
    AudioChunk,
    ClipTokens,
    Dismissed,
    Event,
    Interruption,
    MediaPacket,
    OwnSpeech,
    Question,
    Retrieval,
    StageFailed,
    StreamEnded,
    StreamStarted,
    Tick,
    UpTo,
    Utterance,
    VideoFrame,
    Watermark,
)
from omnilive.serving.complaints import Complaints
from omnilive.serving.courier import CAPTIONER, TURN_EVENTS, Courier, capacity, is_packed
from omnilive.serving.journal import Journal
from omnilive.serving.mailbox import Mailbox
from omnilive.serving.turns import Turns, question_of, turn_of, unanswered
from omnilive.serving.worker import Worker
from omnilive.stage import Stage

T = TypeVar("T")

# Heavy or frequent, of no use to who watches the session.
_PRIVATE = (
    VideoFrame,
    AudioChunk,
    MediaPacket,
    OwnSpeech,
    Tick,
    Watermark,
    ClipTokens,
    Retrieval,
)
_VIEW_CAPACITY = 4096
_GATE = "gate"


class Stages(Protocol):
    """What a session runs: `omnilive.system.System`, or a few stages of a test."""

    @property
    def shared(self) -> Mapping[str, Stage]:
        """Stages that serve every stream, by name."""
        ...

    def stages_for(self, started: StreamStarted) -> Mapping[str, Stage]:
        """Make the stages that perceive one stream, by role."""
        ...


class Session:
    """Stages at work on any number of streams.

    Args:
        system: the stages.
        lossless: True waits for slow stages (files as fast as possible); False holds no source up:
            frames are dropped, oldest first, and counted. A live source is never held up.
        journal: where the order of delivery is written, if anywhere.
        max_turns: how many questions may be open at once.
    """

    def __init__(
        self,
        system: Stages,
        *,
        lossless: bool,
        journal: Journal | None = None,
        max_turns: int = 32,
    ) -> None:
        self.system = system
        self._lossless = lossless
        self._courier = Courier(self._must_flow)
        self._journal = journal
        self._turns = Turns(max_turns)
        self._complaints = Complaints()
        self._view: Mailbox[Event] = Mailbox(_VIEW_CAPACITY)
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._in_flight = 0
        self._workers: dict[str, Worker] = {}
        self._streams: dict[int, list[str]] = {}
        self._live: set[int] = set()
        self._positions: dict[int, int] = {}
        self._ending: dict[int, tuple[StreamEnded, set[str]]] = {}
        self._ended: dict[int, threading.Event] = {}
        self._cancel = Cancel()
        self._captions_cut = Cancel()
        self._closed = False
        for name, stage in system.shared.items():
            ready = getattr(stage, "ready", None)
            self._workers[name] = self._worker(name, name, stage, ready=ready)

    @property
    def dropped(self) -> Counter[str]:
        """What was dropped, by name."""
        return self._courier.dropped

    @property
    def failures(self) -> Counter[str]:
        """How often which stage failed."""
        return self._complaints.counts

    # --- what drives the session ---------------------------------------------------------

    def call(self, stage: str, work: Callable[[], T]) -> Future[T]:
        """Run `work` in the thread of a shared stage, between two of its events."""
        return self._workers[stage].call(work)

    def feed(self, event: Event) -> bool:
        """Give the session an event from a source; False once the session is closed."""
        if isinstance(event, StreamStarted):
            self._open_stream(event)
        self._note_position(event)
        self._publish(event)
        return self._route(event)

    def end_stream(self, event: StreamEnded) -> None:
        """End an epoch and wait until memory has closed it, so that the next one may begin."""
        ended = threading.Event()
        with self._lock:
            self._ended[event.stream] = ended
        if self.feed(event):
            ended.wait()

    def ask(self, text: str, *, scope: str = "", turn: str) -> None:
        """Ask in writing; the answer comes among the events under a turn of this utterance id.

        Raises:
            UsageError: if the question is empty or too many questions are open.
        """
        text = text.strip()
        if not text:
            raise UsageError("The question is empty; write what you want to know.")
        self._turns.open(turn)
        with self._lock:
            up_to = tuple(UpTo(stream, ns + 1) for stream, ns in self._positions.items())
        newest = max((ns for _, ns in up_to), default=0)
        self.feed(
            Utterance(
                id=turn,
                stream=0,
                start_ns=newest,
                end_ns=newest,
                text=text,
                voice="user",
                typed=True,
                up_to=up_to,
                scope=scope,
            )
        )

    def interrupt_all(self) -> None:
        """Cut every turn that is open."""
        for turn in self._turns.all():
            self.interrupt(turn)

    def report(self, event: StageFailed) -> None:
        """Tell who watches the session of a failure outside the stages."""
        self._complaints.count(event.stage)
        self._publish(event)

    def tell(self, event: Event) -> None:
        """Tell who watches the session of something that happened outside its stages."""
        self._publish(event)

    def interrupt(self, turn_id: str) -> None:
        """Cut a turn: its backends stop, its waiting events go, its later ones are discarded."""
        cancel = self._turns.cut(turn_id, self._publish)
        if cancel is None:
            return
        cancel.set()
        event = Interruption(turn_id=turn_id)
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            gone = worker.mailbox.discard(lambda letter: turn_of(letter) == turn_id)
            for letter in gone:
                self._cut_off(letter)
            self._landed(len(gone))
            if Interruption in worker.stage.accepts:
                self._departed()
                worker.mailbox.put_now(event, first=True)

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being worked on or waiting; False if that takes longer."""
        with self._idle:
            return self._idle.wait_for(lambda: self._in_flight == 0, timeout)

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Yield what happens, as it happens, until the session is closed (or `timeout` is over)."""
        while (event := self._view.get(timeout)) is not None:
            yield event

    def next_event(self, timeout: float) -> Event | None:
        """Return the next event, or None if none came in time."""
        return self._view.get(timeout)

    def queues(self) -> dict[str, int]:
        """Return how many letters wait before each stage, by the stage's name."""
        with self._lock:
            return {name: len(worker.mailbox) for name, worker in self._workers.items()}

    @property
    def is_closed(self) -> bool:
        """Whether no more events will come; some may still wait to be taken."""
        return self._view.closed

    def shed_captions(self) -> None:
        """Give up captions not made yet: who stops a watch does not wait for a server."""
        worker = self._workers.get(CAPTIONER)
        if worker is None or self._captions_cut.is_set:
            return
        self._captions_cut.set()
        gone = len(worker.mailbox.discard(is_packed))
        self._courier.count("captions", gone)
        self._landed(gone)

    def forsake(self) -> None:
        """Say that nobody reads the events any more: nothing waits for them to be taken."""
        self._view.close()

    def close(self) -> None:
        """Work off what is waiting, then end every worker, every stage and the events."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.settle()
        for worker in self._workers.values():
            worker.mailbox.close()
        for worker in self._workers.values():
            worker.join()
        self._view.close()
        if self._journal is not None:
            self._journal.close()

    # --- routing -------------------------------------------------------------------------

    def _open_stream(self, event: StreamStarted) -> None:
        with self._lock:
            if event.live:
                self._live.add(event.stream)
            if event.stream in self._streams:
                return
            names = []
            for role, stage in self.system.stages_for(event).items():
                name = f"{role} {event.stream}"
                self._workers[name] = self._worker(name, role, stage, live=event.live)
                names.append(name)
            self._streams[event.stream] = names

    def _worker(
        self,
        name: str,
        role: str,
        stage: Stage,
        *,
        ready: Callable[[Event], bool] | None = None,
        live: bool = False,
    ) -> Worker:
        worker = Worker(
            name,
            stage,
            capacity=capacity(role, live=live),
            emit=self._emitted,
            fail=self._failed,
            cancel_for=lambda event: self._cancel_for(name, event),
            delivered=self._journal.delivered if self._journal else lambda _name, _event: None,
            done=self._done,
            ready=ready,
        )
        worker.start()
        return worker

    def _emitted(self, event: Event) -> None:
        turn = turn_of(event)
        if turn is None:
            if isinstance(event, Dismissed):
                self._turns.drop(event.utterance)
            self._publish(event)
            self._route(event)
        elif self._turns.pass_on(turn, event, self._publish):
            self._route(event)
        else:
            self._cut_off(event)

    def _cut_off(self, letter: object) -> None:
        """End the turn of a question or retrieval that nobody will work on any more."""
        question = question_of(letter)
        if question is not None:
            self._emitted(unanswered(question, ""))

    def _route(self, event: Event) -> bool:
        with self._lock:
            own = self._streams.get(getattr(event, "stream", 0), [])
            perceiving = [self._workers[name] for name in own]
            shared = [self._workers[name] for name in self.system.shared]
        takers = [worker for worker in perceiving if type(event) in worker.stage.accepts]
        if isinstance(event, StreamEnded) and takers:
            with self._lock:
                self._ending[event.stream] = (event, {worker.name for worker in takers})
        else:
            takers += [worker for worker in shared if type(event) in worker.stage.accepts]
        return all([self._deliver(worker, event) for worker in takers])

    def _deliver(self, worker: Worker, event: Event) -> bool:
        self._departed()  # before it is put: the worker may be done with it at once
        self._landed(self._courier.deliver(worker, event))
        return not worker.mailbox.closed

    def _done(self, name: str, event: Event) -> None:
        final: StreamEnded | None = None
        if isinstance(event, StreamEnded):
            with self._lock:
                ended, left = self._ending.get(event.stream, (event, {name}))
                left.discard(name)
                if not left and event.stream in self._ending:
                    del self._ending[event.stream]
                    final = ended
        if final is not None:
            for shared in self.system.shared:
                worker = self._workers[shared]
                if StreamEnded in worker.stage.accepts:
                    self._deliver(worker, final)
        if name == "memory" and isinstance(event, StreamEnded):
            with self._lock:
                closed = self._ended.pop(event.stream, None)
            if closed is not None:
                closed.set()
        self._landed(1)

    def _failed(self, name: str, event: Event, error: str) -> None:
        question = question_of(event)
        if error and (self._complaints.is_news(name, error) or question is not None):
            self._publish(StageFailed(stage=name, error=error))
        if question is not None:
            self._emitted(unanswered(question, error))
        elif isinstance(event, Utterance) and name == _GATE and event.id in self._turns:
            asked = Question(turn_id=event.id, text=event.text, needs="past")
            self._emitted(unanswered(asked, error))

    def _cancel_for(self, name: str, event: Event) -> Cancel:
        standing = self._captions_cut if name == CAPTIONER else self._cancel
        return self._turns.cancel(turn_of(event), standing)

    # --- bookkeeping ---------------------------------------------------------------------

    def _publish(self, event: Event) -> None:
        if isinstance(event, _PRIVATE):
            return
        if self._lossless and not self._live and not isinstance(event, TURN_EVENTS):
            self._view.put(event)
            return
        gone = self._view.put_newest(event, lambda _each: True, _VIEW_CAPACITY)
        self._courier.count("view", gone or 0)

    def _must_flow(self, stream: int) -> bool:
        return not self._lossless or stream in self._live

    def _note_position(self, event: Event) -> None:
        at_ns = getattr(event, "at_ns", None)
        stream = getattr(event, "stream", 0)
        if at_ns is not None and stream:
            with self._lock:
                self._positions[stream] = max(at_ns, self._positions.get(stream, 0))

    def _departed(self) -> None:
        with self._lock:
            self._in_flight += 1

    def _landed(self, count: int) -> None:
        with self._idle:
            self._in_flight -= count
            if self._in_flight == 0:
                self._idle.notify_all()
