"""Where media of a client come in: what is turned off is dropped here, before anything sees it.

What was not heard or seen for that reason is told as a gap when the sense is turned on again.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    MediaPacket,
    StreamEnded,
    StreamGap,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent, MediaReader, SourceInfo
from omnilive.serving.settings import Settings

Sense: TypeAlias = Literal["audio", "video"]


class Entrance:
    """A reader that lets through only what the settings allow.

    Args:
        reader: what the client sends.
        settings: returns the settings in force.
        reason: returns the sentence that a gap gives, for a sense that was turned off.
    """

    def __init__(
        self,
        reader: MediaReader,
        settings: Callable[[], Settings],
        reason: Callable[[Sense], str],
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._reason = reason
        self._off: dict[Sense, tuple[int, int]] = {}
        self._needs_key: set[int] = set()
        self.dropped: Counter[str] = Counter()

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self._reader.info

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield what comes and is wanted, as the reader yields it."""
        events = self._reader.events(stream=stream, at_ns=at_ns, wall_ns=wall_ns, from_ns=from_ns)
        for event in events:
            sense = _sense(event)
            if sense is not None and not self._is_on(sense):
                self._drop(sense, event)
                continue
            if isinstance(event, StreamEnded):
                yield from self._gap("audio", stream)
                yield from self._gap("video", stream)
            elif sense is not None and not isinstance(event, MediaPacket):
                yield from self._gap(sense, stream)
            if isinstance(event, MediaPacket) and event.track in self._needs_key:
                if not event.is_key:
                    continue  # a picture that hangs on one that was dropped
                self._needs_key.discard(event.track)
            yield event

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()

    def _is_on(self, sense: Sense) -> bool:
        settings = self._settings()
        return settings.hearing if sense == "audio" else settings.seeing

    def _drop(self, sense: Sense, event: MediaEvent) -> None:
        if isinstance(event, MediaPacket):
            self._needs_key.add(event.track)
            return
        self.dropped["sound" if sense == "audio" else "frames"] += 1
        end_ns = event.at_ns if not isinstance(event, StreamGap) else event.end_ns
        if isinstance(event, AudioChunk):
            end_ns += len(event.samples) * NS_PER_S // SAMPLE_RATE
        start_ns = event.start_ns if isinstance(event, StreamGap) else event.at_ns
        self._off[sense] = (self._off.get(sense, (start_ns, 0))[0], end_ns)

    def _gap(self, sense: Sense, stream: int) -> Iterator[StreamGap]:
        span = self._off.pop(sense, None)
        if span is not None and span[1] > span[0]:
            yield StreamGap(
                stream=stream,
                start_ns=span[0],
                end_ns=span[1],
                sense=sense,
                reason=self._reason(sense),
            )


class Doorway:
    """Where the next client is waited for; the feeder's `Opening`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[MediaReader] = deque()
        self._closed = False

    def offer(self, reader: MediaReader) -> None:
        """Let `reader` be watched next; one that nobody has begun to watch goes unwatched."""
        with self._changed:
            while self._waiting:
                self._waiting.popleft().close()
            if self._closed:
                reader.close()
                return
            self._waiting.append(reader)
            self._changed.notify_all()

    def wait(self, stop: threading.Event) -> MediaReader | None:
        """Wait for the next client; None once the doorway is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or stop.is_set())
            return self._waiting.popleft() if self._waiting and not self._closed else None

    def close(self) -> None:
        """Wait for nobody any more."""
        with self._changed:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().close()
            self._changed.notify_all()


def _sense(event: MediaEvent) -> Sense | None:
    if isinstance(event, AudioChunk):
        return "audio"
    if isinstance(event, VideoFrame):
        return "video"
    return event.kind if isinstance(event, MediaPacket) else None
