"""A camera's main stream for the recording and its sub-stream for perception, as one source.

The two share no timestamps, so what the sub-stream shows is placed by when it arrived. Opening
a stream gathers a backlog that then comes all at once, so what counts is each stream's shortest
delay (arrival minus own time), measured for a second before anything of the sub-stream is told.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, MediaPacket, StreamEnded, StreamGap, Tick
from omnilive.media.container_reader import moved
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.merge import TICK_NS
from omnilive.media.remote_reader import RemoteReader
from omnilive.media.source import Source

_QUEUED = 1024  # mostly packets; deep enough for what comes until the second stream is open
_LOOK_S = 0.2
_SETTLED_NS = NS_PER_S
_MOST_HELD = 512


class PairedReader:
    """A `MediaReader` that records one source and perceives another."""

    def __init__(
        self,
        source: Source,
        detect: Source,
        options: ReadOptions,
        stop: threading.Event | None = None,
    ) -> None:
        """Open both at once; `stop` gives up on it.

        Raises:
            MediaError: one of them could not be opened.
        """
        self._queue: queue.Queue[tuple[bool, MediaEvent, int]] = queue.Queue(_QUEUED)
        self._opened: queue.Queue[tuple[bool, RemoteReader | MediaError]] = queue.Queue()
        self._closed = threading.Event()
        self._stop = stop
        self._readers: dict[bool, RemoteReader] = {}
        # The main stream is decoded nowhere: that is what the sub-stream is for.
        plans = (
            (True, source, replace(options, detect=None, perceive=False)),
            (False, detect, replace(options, detect=None, record=False)),
        )
        self._threads = [
            threading.Thread(target=self._pump, args=plan, daemon=True) for plan in plans
        ]
        for thread in self._threads:
            thread.start()
        problem: MediaError | None = None
        for _ in plans:
            is_main, reader = self._opened.get()
            if isinstance(reader, MediaError):
                problem = problem or reader
            else:
                self._readers[is_main] = reader
        if problem is not None:
            self.close()
            raise problem

    @property
    def info(self) -> SourceInfo:
        """The main stream's, with the senses of the sub-stream."""
        seen = self._readers[False].info
        main = self._readers[True].info
        return replace(main, has_video=seen.has_video, has_audio=seen.has_audio)

    def close(self) -> None:
        """Kill both children."""
        self._closed.set()
        for reader in self._readers.values():
            reader.close()

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield both streams' media in order of time (see `MediaReader`)."""
        pair = _Pair()
        try:
            while True:
                for out in pair.take(*self._next()):
                    yield replace(moved(out, at_ns), stream=stream)
                    if isinstance(out, StreamEnded):
                        return
        finally:
            self.close()
            for thread in self._threads:
                thread.join(5)

    def _next(self) -> tuple[bool, MediaEvent, int]:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=_LOOK_S)
        return True, StreamEnded(stream=0, at_ns=0, error="Watching was stopped."), 0

    def _pump(self, is_main: bool, source: Source, options: ReadOptions) -> None:
        """Open one stream and pass on what comes, stamped with its arrival (own thread)."""
        try:
            reader = RemoteReader(source, options, self._stop)
        except MediaError as error:
            self._opened.put((is_main, error))
            return
        self._opened.put((is_main, reader))
        for event in reader.events(stream=0, at_ns=0, wall_ns=0):
            item = (is_main, event, time.monotonic_ns())
            while not self._closed.is_set():
                with contextlib.suppress(queue.Full):
                    self._queue.put(item, timeout=_LOOK_S)
                    break


class _Pair:
    """Places the sub-stream's events on the main stream's time; times are source time."""

    def __init__(self) -> None:
        self._first: dict[bool, int] = {}
        self._delay: dict[bool, int] = {}
        self._offset_ns: int | None = None
        self._reached: dict[bool, int] = {True: 0, False: 0}
        self._told_ns = 0
        self._tick: Tick | None = None
        self._held: list[MediaEvent] = []

    def take(self, is_main: bool, event: MediaEvent, arrived_ns: int) -> Iterator[MediaEvent]:
        """Take one event of either stream; yield what may be told now."""
        if isinstance(event, StreamEnded):
            yield from self._settle(force=True)
            error = event.error or ("" if is_main else "The sub-stream ended.")
            yield replace(event, at_ns=max(self._told_ns, *self._reached.values()), error=error)
            return
        own_ns = event.end_ns if isinstance(event, StreamGap) else event.at_ns
        self._first.setdefault(is_main, arrived_ns)
        delay = arrived_ns - own_ns
        self._delay[is_main] = min(self._delay.get(is_main, delay), delay)
        if is_main:
            yield from self._take_main(event, own_ns)
        elif self._offset_ns is None:
            self._held = [*self._held[1 - _MOST_HELD :], event]
        else:
            yield from self._take_detect(event)
        if len(self._first) == 2 and arrived_ns >= max(self._first.values()) + _SETTLED_NS:
            yield from self._settle(force=False)

    def _settle(self, *, force: bool) -> Iterator[MediaEvent]:
        """Decide where the sub-stream lies on the main stream's time, once."""
        if self._offset_ns is not None or len(self._delay) < 2:
            return
        if force or self._held:
            self._offset_ns = self._delay[False] - self._delay[True]
            held, self._held = self._held, []
            for event in held:
                yield from self._take_detect(event)

    def _take_main(self, event: MediaEvent, own_ns: int) -> Iterator[MediaEvent]:
        if isinstance(event, Tick):
            self._tick = event
            yield from self._told()
        elif isinstance(event, MediaPacket | StreamGap):
            self._reached[True] = max(self._reached[True], own_ns)
            yield event

    def _take_detect(self, event: MediaEvent) -> Iterator[MediaEvent]:
        assert self._offset_ns is not None
        placed = moved(event, self._offset_ns)
        at_ns = placed.end_ns if isinstance(placed, StreamGap) else placed.at_ns
        self._reached[False] = max(self._reached[False], at_ns)
        if isinstance(placed, Tick):
            yield from self._told()
        elif at_ns >= self._told_ns and not (isinstance(placed, StreamGap) and placed.start_ns < 0):
            yield placed

    def _told(self) -> Iterator[MediaEvent]:
        """Yield a tick as far as both streams have come."""
        if self._tick is None:
            return
        while self._told_ns + TICK_NS <= min(self._tick.at_ns, self._reached[False]):
            self._told_ns += TICK_NS
            wall_ns = self._tick.wall_ns - (self._tick.at_ns - self._told_ns)
            yield replace(self._tick, at_ns=self._told_ns, wall_ns=wall_ns)
