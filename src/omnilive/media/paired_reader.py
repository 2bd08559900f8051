"""A camera's main stream for the recording and its sub-stream for perception, as one source.

The two share no timestamps, so what the sub-stream shows is placed by when it arrived, against
what the main stream had reached at that instant; the main stream's time is the stream's time.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from omnilive.events import MediaPacket, StreamEnded, StreamGap, Tick
from omnilive.media.container_reader import moved
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.remote_reader import RemoteReader
from omnilive.media.source import Source

_QUEUED = 32


class PairedReader:
    """A `MediaReader` that records one source and perceives another."""

    def __init__(self, source: Source, detect: Source, options: ReadOptions) -> None:
        """Open both.

        Raises:
            MediaError: one of them could not be opened.
        """
        # The main stream is decoded nowhere: that is what the sub-stream is for.
        self._main = RemoteReader(source, replace(options, detect=None, perceive=False))
        try:
            self._detect = RemoteReader(detect, replace(options, detect=None, record=False))
        except BaseException:
            self._main.close()
            raise
        self._queue: queue.Queue[tuple[bool, MediaEvent, int]] = queue.Queue(_QUEUED)
        self._closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        """The main stream's, with the senses of the sub-stream."""
        seen = self._detect.info
        return replace(self._main.info, has_video=seen.has_video, has_audio=seen.has_audio)

    def close(self) -> None:
        """Kill both children."""
        self._closed.set()
        self._main.close()
        self._detect.close()

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield both streams' media in order of time (see `MediaReader`)."""
        threads = [
            threading.Thread(target=self._pump, args=(reader, is_main, stream), daemon=True)
            for reader, is_main in ((self._main, True), (self._detect, False))
        ]
        for thread in threads:
            thread.start()
        pair = _Pair(stream)
        try:
            while True:
                is_main, event, arrived_ns = self._queue.get()
                for out in pair.take(is_main, event, arrived_ns):
                    yield moved(out, at_ns)
                    if isinstance(out, StreamEnded):
                        return
        finally:
            self.close()
            for thread in threads:
                thread.join(5)

    def _pump(self, reader: RemoteReader, is_main: bool, stream: int) -> None:
        for event in reader.events(stream=stream, at_ns=0, wall_ns=0):
            item = (is_main, event, time.monotonic_ns())
            while not self._closed.is_set():
                with contextlib.suppress(queue.Full):
                    self._queue.put(item, timeout=0.2)
                    break


class _Pair:
    """Places the sub-stream's events on the main stream's time; times are source time."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._main_ns = 0
        self._main_arrived_ns: int | None = None
        self._offset_ns: int | None = None
        self._main_tick_ns = 0
        self._detect_ns = 0
        self._told_ns = 0
        self._wall_ns = 0
        self._early: list[tuple[MediaEvent, int]] = []

    def take(self, is_main: bool, event: MediaEvent, arrived_ns: int) -> Iterator[MediaEvent]:
        """Take one event of either stream; yield what may be told now."""
        if isinstance(event, StreamEnded):
            yield StreamEnded(
                stream=self._stream,
                at_ns=max(self._main_ns, self._told_ns, self._detect_ns),
                error=event.error or ("" if is_main else "The sub-stream ended."),
            )
        elif is_main:
            yield from self._take_main(event, arrived_ns)
        elif self._main_arrived_ns is None:
            # Nothing to measure against yet; this lasts as long as the two differ in starting.
            self._early = [*self._early[-_QUEUED:], (event, arrived_ns)]
        else:
            yield from self._take_detect(event, arrived_ns)

    def _take_main(self, event: MediaEvent, arrived_ns: int) -> Iterator[MediaEvent]:
        first = self._main_arrived_ns is None
        if isinstance(event, MediaPacket):
            self._main_ns = max(self._main_ns, event.at_ns)
            self._main_arrived_ns = arrived_ns
            yield event
        elif isinstance(event, Tick):
            self._main_tick_ns = event.at_ns
            self._wall_ns = event.wall_ns
            yield from self._tick()
        elif isinstance(event, StreamGap):
            yield event
        if first and self._main_arrived_ns is not None:
            early, self._early = self._early, []
            for kept, kept_arrived_ns in early:
                yield from self._take_detect(kept, kept_arrived_ns)

    def _take_detect(self, event: MediaEvent, arrived_ns: int) -> Iterator[MediaEvent]:
        own_ns = event.end_ns if isinstance(event, StreamGap) else event.at_ns
        if self._offset_ns is None:
            assert self._main_arrived_ns is not None
            now_ns = self._main_ns + arrived_ns - self._main_arrived_ns
            self._offset_ns = now_ns - own_ns
        placed = moved(event, self._offset_ns)
        self._detect_ns = max(self._detect_ns, own_ns + self._offset_ns)
        if isinstance(event, Tick):
            yield from self._tick()
        elif own_ns + self._offset_ns >= self._told_ns:
            yield placed

    def _tick(self) -> Iterator[MediaEvent]:
        """Yield a tick as far as both streams have come."""
        at_ns = min(self._main_tick_ns, self._detect_ns)
        if at_ns > self._told_ns:
            self._told_ns = at_ns
            yield Tick(stream=self._stream, at_ns=at_ns, wall_ns=self._wall_ns)
