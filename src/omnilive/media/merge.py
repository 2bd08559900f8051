"""Pictures, sound and packets of one source in one order of time, with a tick every second.

Each track says how far it has come (its horizon); what lies before every horizon is given out.
A track that falls silent is waited for only so long: a source that sends a picture once a
minute must not hold back the sound.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    MediaPacket,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent

TICK_NS = NS_PER_S
_LATE_PICTURE_NS = NS_PER_S
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE


class Merger:
    """Orders events whose times are source time."""

    def __init__(
        self, *, stream: int, from_ns: int, patience_ns: int, wall_of: Callable[[int], int]
    ) -> None:
        """Make a merger.

        Args:
            stream: number that the ticks carry.
            from_ns: source time at which the reading starts.
            patience_ns: how far a track may lag before it is no longer waited for.
            wall_of: gives UTC of a source time.
        """
        self._stream = stream
        self._patience_ns = patience_ns
        self._wall_of = wall_of
        self._heap: list[tuple[int, int, MediaEvent]] = []
        self._count = 0
        self._next_tick_ns = (from_ns // TICK_NS + 1) * TICK_NS
        self._floor_ns = from_ns

    def push(self, event: MediaEvent) -> None:
        """Take one event in source time."""
        if isinstance(event, MediaPacket):
            key = event.decode_ns
        elif isinstance(event, StreamGap):
            key = event.end_ns  # a gap is known only when it is over
        else:
            key = event.at_ns
        heapq.heappush(self._heap, (key, self._count, event))
        self._count += 1

    def ready(self, horizons: list[int], newest_ns: int) -> Iterator[MediaEvent]:
        """Yield what no track can precede any more.

        Args:
            horizons: how far each track has come.
            newest_ns: the time of the packet that was read last.
        """
        patient = newest_ns - self._patience_ns
        yield from self._until(max(min(horizons, default=newest_ns), patient))

    def rest(self, end_ns: int) -> Iterator[MediaEvent]:
        """Yield everything that is left, and the ticks up to the end."""
        last = max((entry[0] for entry in self._heap), default=0)
        yield from self._until(max(last + 1, end_ns))

    def _until(self, horizon_ns: int) -> Iterator[MediaEvent]:
        while self._heap and self._heap[0][0] < horizon_ns:
            key, _, event = heapq.heappop(self._heap)
            yield from self._ticks(key)
            yield from self._in_time(event)
        yield from self._ticks(horizon_ns)

    def _ticks(self, up_to_ns: int) -> Iterator[MediaEvent]:
        while self._next_tick_ns <= up_to_ns:
            at_ns = self._floor_ns = self._next_tick_ns
            self._next_tick_ns += TICK_NS
            yield Tick(stream=self._stream, at_ns=at_ns, wall_ns=self._wall_of(at_ns))

    def _in_time(self, event: MediaEvent) -> Iterator[MediaEvent]:
        """Yield `event`, keeping the promise of the last tick where it came too late."""
        floor_ns = self._floor_ns
        if isinstance(event, VideoFrame) and event.at_ns < floor_ns:
            if floor_ns - event.at_ns <= _LATE_PICTURE_NS:
                yield replace(event, at_ns=floor_ns)
            else:
                yield self._lost("video", event.at_ns, floor_ns, "A picture came too late.")
        elif isinstance(event, AudioChunk) and event.at_ns < floor_ns:
            late = -(-(floor_ns - event.at_ns) // _NS_PER_SAMPLE)
            kept = event.samples[late:]
            lost_ns = event.at_ns + (event.samples.size - kept.size) * _NS_PER_SAMPLE
            yield self._lost("audio", event.at_ns, lost_ns, "Some sound came too late.")
            if kept.size:
                yield replace(event, at_ns=lost_ns, samples=np.ascontiguousarray(kept))
        else:
            yield event

    def _lost(self, sense: str, start_ns: int, end_ns: int, reason: str) -> StreamGap:
        return StreamGap(
            stream=self._stream,
            start_ns=start_ns,
            end_ns=end_ns,
            sense="video" if sense == "video" else "audio",
            reason=reason,
        )
