"""One source, watched: opened, paced, fed into the session, opened again when it breaks.

The feeder owns what the reader may not know: the store's numbers for stream and epoch, the wall
clock, and how long to wait before a live source is tried again.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from omnilive.clock import Clock
from omnilive.errors import MediaError, OmniLiveError, StoreError
from omnilive.events import NS_PER_S, StageFailed, StreamEnded, StreamStarted, Tick, Voice
from omnilive.media.container_reader import moved
from omnilive.media.contract import MediaEvent, MediaReader, ReadOptions, SourceInfo
from omnilive.media.reader import open_source
from omnilive.media.source import Source
from omnilive.serving.arrival import Arrival
from omnilive.serving.pacing import Pacer
from omnilive.serving.session import Session
from omnilive.serving.worker import places

_log = logging.getLogger(__name__)

_BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_SETTLED_NS = 10 * NS_PER_S  # a source that came back for this long is tried again at once


class Opening(Protocol):
    """Opens a source that comes by itself, again and again: the next client of a conversation."""

    def wait(self, stop: threading.Event) -> MediaReader | None:
        """Wait for the source; None once `stop` is set, or when nothing will come any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What to watch and how.

    Attributes:
        source: where it comes from.
        name: of the stream.
        voice: whose voice it carries.
        realtime: whether a file is paced by its timestamps.
        started_at_ns: UTC of a file's first instant, if the user said so.
        again: whether a file that was watched already is watched once more.
        zone: IANA name of the zone its times are shown in.
        read: how to decode.
        opening: who opens the source; None opens it by its address, and again when it breaks.
    """

    source: Source
    name: str
    voice: Voice
    realtime: bool
    started_at_ns: int | None
    again: bool
    zone: str
    read: ReadOptions
    opening: Opening | None = None


class Epochs(Protocol):
    """Who numbers streams and epochs; called in memory's thread."""

    def begin_epoch(
        self,
        *,
        name: str,
        source: str,
        voice: Voice,
        zone: str,
        info: SourceInfo,
        now_ns: int,
        started_at_ns: int | None,
        again: bool,
        paced: bool,
    ) -> tuple[StreamStarted, int] | None:
        """Open an epoch; returns it and the source time to begin at, None if all is remembered."""
        ...

    def continue_epoch(self, started: StreamStarted, *, at_ns: int, wall_ns: int) -> StreamStarted:
        """Open an epoch right behind `started`, because the wall clock was set."""
        ...


class Feeder:
    """Feeds one source into a session until it ends or is told to stop.

    Args:
        feed: what to watch.
        session: what is fed.
        epochs: who numbers streams and epochs.
        clock: for pacing and wall times.
        alone: whether this is the only source; one of several says at once why it failed, because
            the others may go on for days.
        fed: told of every event of the source, placed in stream time, before it is fed.
    """

    def __init__(
        self,
        feed: Feed,
        session: Session,
        epochs: Epochs,
        clock: Clock,
        *,
        alone: bool = True,
        fed: Callable[[MediaEvent | StreamStarted], None] | None = None,
    ) -> None:
        self.feed = feed
        self.error: OmniLiveError | None = None
        self.notice = ""
        self.dropped: Counter[str] = Counter()
        self.duration_ns: int | None = None
        self.position_ns = 0
        self.watched_ns = 0
        self._session = session
        self._epochs = epochs
        self._clock = clock
        self._alone = alone
        self._fed = fed or (lambda _event: None)
        self._voice: Voice = feed.voice
        self._connected = False  # once it was, failures are waited out
        self._stop = threading.Event()
        self._reader: MediaReader | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"omnilive source {feed.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream here; what was watched is kept."""
        self._stop.set()
        reader = self._reader
        if reader is not None and reader.info.live:
            reader.close()

    def change_voice(self, voice: Voice) -> None:
        """Say whose voice a live source carries from now on; a new epoch begins with it."""
        self._voice = voice

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if it has not come in time."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._watch()
        except OmniLiveError as error:
            self.error = error
        except Exception as error:  # a defect of ours: told like any other end of this source
            _log.debug("a source failed: %s at\n%s", type(error).__name__, places(error))
            self.error = MediaError(
                f"Reading {self.feed.source.shown} failed ({type(error).__name__})."
            )
        else:
            return
        if not self._alone:
            self._report(str(self.error))

    def _await(self, opening: Opening) -> None:
        """Watch whoever comes, one after the other; that one goes is no failure."""
        while not self._stop.is_set():
            came = opening.wait(self._stop)
            if came is None:
                return
            try:
                error = self._play(came)
            except OmniLiveError as problem:
                error = str(problem)
            except Exception as problem:  # a defect of ours: the next one is waited for
                _log.error("a source failed: %s", type(problem).__name__)
                _log.debug("at\n%s", places(problem))
                error = f"Taking in media failed ({type(problem).__name__})."
            if error and not self._stop.is_set():
                self._report(error)

    def _watch(self) -> None:
        if self.feed.opening is not None:
            self._await(self.feed.opening)
            return
        tries = 0
        while not self._stop.is_set():
            before_ns = self.watched_ns
            try:
                reader = open_source(self.feed.source, self.feed.read, self._stop)
                is_live = reader.info.live
                error_text = self._play(reader)
            except (MediaError, StoreError) as error:
                if self._stop.is_set():
                    return
                if not self._connected:
                    raise
                # A server that is not back yet; a disk too full to open the next epoch.
                error_text, is_live = str(error), True
            if not is_live:
                if error_text:
                    self.error = MediaError(error_text)
                return
            if self._stop.is_set():
                return
            self._report(error_text or f"{self.feed.source.shown} ended; waiting for it to return.")
            tries = 0 if self.watched_ns - before_ns > _SETTLED_NS else tries
            self._pause(tries)
            tries += 1

    def _play(self, reader: MediaReader) -> str:
        """Feed one opening of the source as one epoch; return why it ended ("" = its true end)."""
        self._reader = reader
        try:
            return self._play_live(reader) if reader.info.live else self._play_file(reader)
        finally:
            self._reader = None
            reader.close()

    def _play_live(self, reader: MediaReader) -> str:
        arrival = Arrival(self._clock)
        events = reader.events(stream=0, at_ns=0, wall_ns=0)
        held = arrival.hold(events, self._stop)
        if held and isinstance(held[0], StreamEnded):
            return held[0].error  # it was opened, but nothing came: there is no epoch of nothing
        begun = self._begin(reader, arrival.wall_at(0))
        if begun is None:
            return ""
        started, _ = begun
        placed = (
            replace(moved(event, started.at_ns), stream=started.stream)
            for event in itertools.chain(held, events)
        )
        return self._feed(placed, started, arrival)

    def _play_file(self, reader: MediaReader) -> str:
        """Feed a file from where it was left."""
        begun = self._begin(reader, self._clock.wall_ns())
        if begun is None:
            return ""
        started, from_ns = begun
        events = reader.events(
            stream=started.stream,
            at_ns=started.at_ns - from_ns,
            wall_ns=started.wall_ns - from_ns,
            from_ns=from_ns,
        )
        return self._feed(events, started, None)

    def _begin(self, reader: MediaReader, now_ns: int) -> tuple[StreamStarted, int] | None:
        """Open an epoch in the store; None if this file is remembered to its end already."""
        info = reader.info
        self.duration_ns = info.duration_ns
        begin: Callable[[], tuple[StreamStarted, int] | None] = lambda: (  # noqa: E731
            self._epochs.begin_epoch(
                name=self.feed.name,
                source=self.feed.source.shown,
                voice=self._voice,
                zone=self.feed.zone,
                info=info,
                now_ns=now_ns,
                started_at_ns=self.feed.started_at_ns,
                again=self.feed.again,
                paced=self.feed.realtime,
            )
        )
        begun = self._session.call("memory", begin).result()
        if begun is None:
            self.notice = (
                f"{self.feed.source.shown} is remembered to its end already; --again repeats it."
            )
        return begun

    def _feed(
        self, events: Iterable[MediaEvent], started: StreamStarted, arrival: Arrival | None
    ) -> str:
        """Feed an epoch to its end; `arrival` is of a live source whose time 0 is its start."""
        pacer = Pacer(self._clock, self._stop) if self.feed.realtime and arrival is None else None
        base_ns = self.position_ns = started.at_ns
        ended: StreamEnded | None = None
        self._connected = arrival is not None
        self._fed(started)
        self._session.feed(started)
        for event in events:
            if isinstance(event, StreamEnded):
                ended = event
                break
            if self._stop.is_set():
                break
            if pacer is not None and not pacer.keep(event):
                self.dropped["late frames"] += 1
                continue
            if isinstance(event, Tick):
                self._advance(event.at_ns)
                if arrival is not None:
                    arrival.note(event.at_ns - base_ns)
                    event = replace(event, wall_ns=arrival.wall_at(event.at_ns - base_ns))
                    if arrival.stepped() or self._voice != started.voice:
                        started = self._new_epoch(replace(started, voice=self._voice), event)
            self._fed(event)
            if not self._session.feed(event):
                break
        if ended is None:
            ended = StreamEnded(stream=started.stream, at_ns=max(self.position_ns, started.at_ns))
        if self._stop.is_set():
            # A file that was not watched to its end is resumed next time: it is not complete.
            ended = replace(ended, error="" if started.live else "Stopped before its end.")
        self._advance(ended.at_ns)
        self._session.end_stream(ended)
        return "" if self._stop.is_set() else ended.error

    def _advance(self, at_ns: int) -> None:
        self.watched_ns += max(0, at_ns - self.position_ns)
        self.position_ns = max(at_ns, self.position_ns)

    def _new_epoch(self, started: StreamStarted, tick: Tick) -> StreamStarted:
        """The wall clock was set, or another voice speaks: stream time goes on in a new epoch."""
        self._session.end_stream(StreamEnded(stream=started.stream, at_ns=tick.at_ns))
        again = self._session.call(
            "memory",
            lambda: self._epochs.continue_epoch(started, at_ns=tick.at_ns, wall_ns=tick.wall_ns),
        ).result()
        self._fed(again)
        self._session.feed(again)
        return again

    def _report(self, error: str) -> None:
        self._session.report(StageFailed(stage=f"source {self.feed.name}", error=error))

    def _pause(self, tries: int) -> None:
        self._clock.wait(self._stop, _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)])
