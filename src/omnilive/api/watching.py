"""`omnilive.watch(...)`: sources in, events out, questions at any time."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from omnilive.clock import Clock, RealClock, local_zone
from omnilive.errors import MediaError, OmniLiveError, StoreError, UsageError
from omnilive.events import (
    NS_PER_S,
    AnswerAudio,
    AnswerEnded,
    ClipMemory,
    Event,
    Moment,
    StageFailed,
    StreamStarted,
    Utterance,
    Voice,
)
from omnilive.media.source import Source, parse_source
from omnilive.presets import embedded
from omnilive.serving.feeder import Feed, Feeder
from omnilive.serving.journal import Journal
from omnilive.serving.session import Session
from omnilive.system import Config, System

_counter = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a watch came to.

    Attributes:
        stream_s: seconds of all streams that were watched this time.
        wall_s: seconds it took.
        clips, utterances: how many were remembered, were heard.
        dropped: what was dropped, by name; empty when nothing was lost.
        failures: how often which stage failed.
    """

    stream_s: float
    wall_s: float
    clips: int
    utterances: int
    dropped: dict[str, int]
    failures: dict[str, int]


class Watch:
    """A running watch: an iterator of events that can be asked, stopped and summed up.

    Leaving the `with` block (or the loop) ends it gracefully: what was perceived is committed.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        system: System,
        *,
        feeds: Sequence[Feed],
        ask: Sequence[str] = (),
        journal: Path | None = None,
        lossless: bool,
        clock: Clock | None = None,
        play: Callable[[AnswerAudio], None] | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.notices: list[str] = []
        self._system = system
        self._clock = clock or RealClock()
        self._session = Session(
            system, lossless=lossless, journal=Journal(journal) if journal else None
        )
        self._feeders = [
            Feeder(feed, self._session, system, self._clock, alone=len(feeds) == 1)
            for feed in feeds
        ]
        self._ask = list(ask)
        self._play = play
        self._asked: dict[str, float] = {}
        self._took_ms: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._live: set[int] = set()
        self._unremembered = 0
        self._remembering = threading.Event()
        self._stopped = threading.Event()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._conductor = threading.Thread(
            target=self._conduct, name="omnilive conductor", daemon=True
        )
        for feeder in self._feeders:
            feeder.start()
        self._conductor.start()

    # --- for who watches -----------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        """Yield every event until the sources have ended and all questions are answered.

        Raises:
            StoreError: at the end, if what was perceived could not be written.
            MediaError: at the end, if a source could not be read.
        """
        while (event := self._session.next_event(timeout=3600.0)) is not None or self._going:
            if event is not None:
                self._note(event)
                yield event
        self._conductor.join()
        if self._unremembered:
            raise StoreError(
                f"{self._unremembered} clips could not be written to the store; make room or give "
                "another --store, and watch the source again."
            )
        for feeder in self._feeders:
            if feeder.error is not None:
                raise feeder.error

    def ask(self, question: str, *, stream: str = "") -> str:
        """Ask now; the answer comes among the events. Returns the turn's id."""
        turn = f"q{self._clock.wall_ns() // 1_000_000}-{next(_counter)}"
        self._asked[turn] = time.monotonic()
        self._session.ask(question, scope=stream, turn=turn)
        return turn

    def interrupt(self, turn: str) -> None:
        """Cut an answer."""
        self._session.interrupt(turn)

    def took_ms(self, turn: str) -> int:
        """How long a turn took, from question to the end of its answer; 0 if it has not ended."""
        return self._took_ms.get(turn, 0)

    def stop(self) -> None:
        """End the sources here; what was perceived is committed, then the events end.

        Said twice, it also cuts the answers that are still being made.
        """
        if self._stopped.is_set():
            self._session.interrupt_all()
        self._stopped.set()
        self._session.shed_captions()
        for feeder in self._feeders:
            feeder.stop()

    def close(self) -> None:
        """Stop and wait until everything is committed, whether or not the events are read."""
        self._session.forsake()
        self.stop()
        self._conductor.join()

    def progress(self) -> list[tuple[str, float, float | None]]:
        """Return (stream name, position, length or None) in seconds for every source."""
        return [
            (
                feeder.feed.name,
                feeder.position_ns / NS_PER_S,
                None if feeder.duration_ns is None else feeder.duration_ns / NS_PER_S,
            )
            for feeder in self._feeders
        ]

    @property
    def errors(self) -> list[OmniLiveError]:
        """Why sources ended badly, if they did."""
        return [feeder.error for feeder in self._feeders if feeder.error is not None]

    def summary(self) -> Summary:
        """Return what it came to so far."""
        dropped = Counter(self._session.dropped)
        for feeder in self._feeders:
            dropped.update(feeder.dropped)
        return Summary(
            stream_s=round(sum(f.watched_ns for f in self._feeders) / NS_PER_S, 3),
            wall_s=round((self._ended or time.monotonic()) - self._started, 3),
            clips=self._counts["clips"],
            utterances=self._counts["utterances"],
            dropped=dict(dropped),
            failures=dict(self._session.failures),
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- behind the scenes ---------------------------------------------------------------

    @property
    def _going(self) -> bool:
        return self._conductor.is_alive()

    def _note(self, event: Event) -> None:
        if isinstance(event, StreamStarted):
            if event.live:
                self._live.add(event.stream)
        elif isinstance(event, ClipMemory):
            self._counts["clips"] += not event.extended
            if event.stream in self._live:
                self._remembering.set()
        elif isinstance(event, Utterance) and not event.typed:
            self._counts["utterances"] += 1
        elif isinstance(event, AnswerEnded):
            asked = self._asked.get(event.turn_id)
            if asked is not None:
                self._took_ms[event.turn_id] = round((time.monotonic() - asked) * 1000)
        elif isinstance(event, AnswerAudio) and self._play is not None:
            self._play(event)

    def _conduct(self) -> None:
        """Ask at the right moment, see the sources to their end, then close the session."""
        try:
            self._ask_when_remembering()
            for feeder in self._feeders:
                feeder.join()
            self._session.settle()
            for question in self._ask:
                if all(f.error is not None and not f.watched_ns for f in self._feeders):
                    break  # nothing was seen: the error says more than an answer would
                self._ask_or_report(question)
                self._session.settle()
            self.notices += [feeder.notice for feeder in self._feeders if feeder.notice]
            self._unremembered = self._session.call(
                "memory", self._system.num_unremembered
            ).result()
            self._ended = time.monotonic()
        finally:
            self._session.close()
            self._system.close()

    def _ask_when_remembering(self) -> None:
        if not self._ask or all(f.feed.source.kind == "file" for f in self._feeders):
            return
        while not self._stopped.is_set() and any(not f.join(0) for f in self._feeders):
            if self._remembering.wait(0.1):
                while self._ask:
                    self._ask_or_report(self._ask.pop(0))
                return

    def _ask_or_report(self, question: str) -> None:
        try:
            self.ask(question)
        except UsageError as error:  # more questions than may be open at once
            self._session.report(StageFailed(stage="question", error=str(error)))


def watch(
    source: str | Path | Sequence[str | Path],
    *,
    store: str | Path | None = None,
    stream: str | None = None,
    realtime: bool = False,
    ask: Sequence[str] = (),
    voice: Voice = "ambient",
    started_at: datetime | None = None,
    again: bool = False,
    record: bool = True,
    detect: str | None = None,
    speak: bool = False,
    play: Callable[[AnswerAudio], None] | None = None,
    journal: Path | None = None,
    config: Config | None = None,
    clock: Clock | None = None,
) -> Watch:
    """Watch one source or several, remember them, and yield what happens.

    Args:
        source: a file, `/dev/video0`, or an http(s), rtmp(s) or rtsp(s) address; or several.
        store: directory of the memory; the configured one if None.
        stream: name of the stream (of one source only); made from the source if None.
        realtime: pace files by their timestamps and drop late frames, instead of reading them as
            fast as the machine can and losing nothing. Live sources always come at their pace.
        ask: questions answered at the end of a file, or as soon as a live source is remembered.
        voice: "user" if the people heard speak to us, "ambient" if we listen in.
        started_at: when a file's first instant was.
        again: watch a file once more that is remembered already.
        record: keep a live source's packets, so that its moments can be played.
        detect: address of the same camera's smaller stream, for perception.
        speak: synthesize answers; `play` is given each phrase.
        play: takes the phrases of spoken answers.
        journal: file in which the order of delivery is written, for `evaluation.replay`.
        config: what to run; the `embedded` preset if None.
        clock: for tests.

    Raises:
        UsageError: if the arguments contradict each other.
        StoreError: if the store cannot be used.
    """
    config = config or embedded()
    texts = [source] if isinstance(source, str | Path) else list(source)
    if not texts:
        raise UsageError("Name at least one source to watch.")
    if len(texts) > 1 and (stream is not None or detect is not None):
        raise UsageError("--stream and --detect go with a single source.")
    if not all(question.strip() for question in ask):
        raise UsageError("A question is empty; write what you want to know.")
    if started_at is not None and started_at.tzinfo is None:
        started_at = started_at.astimezone()
    sources = [parse_source(str(text)) for text in texts]
    names = _names(sources, stream)
    system = System(
        config,
        store_path(store, config),
        write=True,
        speak=speak,
        doing=f"omnilive watch {' '.join(each.shown for each in sources)}",
        now_wall_ns=time.time_ns(),
    )
    read = config.media.read_options(
        record=record, detect=parse_source(detect) if detect is not None else None
    )
    zone = local_zone()
    feeds = [
        Feed(
            source=each,
            name=name,
            voice=voice,
            realtime=realtime,
            started_at_ns=None if started_at is None else round(started_at.timestamp() * NS_PER_S),
            again=again,
            zone=zone,
            read=read,
        )
        for each, name in zip(sources, names, strict=True)
    ]
    return Watch(
        sources,
        system,
        feeds=feeds,
        ask=ask,
        journal=journal,
        lossless=not realtime,
        clock=clock,
        play=play,
    )


def _names(sources: Sequence[Source], given: str | None) -> list[str]:
    names: list[str] = []
    for source in sources:
        base = given or source.name
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    for name in names:
        if not re.fullmatch(r"[^\x00-\x1f/\\]{1,100}", name):
            raise UsageError("A stream's name is 1 to 100 characters without slashes.")
    return names


def store_path(store: str | Path | None, config: Config) -> Path:
    """Return the directory of the memory that is meant."""
    return Path(store) if store is not None else config.memory_path()


__all__ = ["MediaError", "Moment", "Summary", "Watch", "watch"]
