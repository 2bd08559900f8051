"""Reading a source to the end, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from omnilive.events import (
    AudioChunk,
    MediaPacket,
    StreamEnded,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.reader import open_source
from omnilive.media.source import parse_source


@dataclass
class Reading:
    """Everything that came from a source."""

    info: SourceInfo
    events: list[MediaEvent]
    frames: list[VideoFrame] = field(default_factory=list)
    chunks: list[AudioChunk] = field(default_factory=list)
    packets: list[MediaPacket] = field(default_factory=list)
    gaps: list[StreamGap] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)

    @property
    def ended(self) -> StreamEnded:
        last = self.events[-1]
        assert isinstance(last, StreamEnded)
        return last

    @property
    def frame_times_s(self) -> list[float]:
        return [round(frame.at_ns / 1e9, 3) for frame in self.frames]

    @property
    def samples(self) -> np.ndarray:
        parts = [chunk.samples for chunk in self.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def read(
    source: Path | str,
    options: ReadOptions | None = None,
    *,
    at_ns: int = 0,
    wall_ns: int = 0,
    from_ns: int = 0,
) -> Reading:
    """Read a source to its end and check what every reading promises."""
    reader = open_source(parse_source(str(source)), options or ReadOptions())
    try:
        events = list(reader.events(stream=7, at_ns=at_ns, wall_ns=wall_ns, from_ns=from_ns))
    finally:
        reader.close()
    reading = Reading(reader.info, events)
    for kind, into in (
        (VideoFrame, reading.frames),
        (AudioChunk, reading.chunks),
        (MediaPacket, reading.packets),
        (StreamGap, reading.gaps),
        (Tick, reading.ticks),
    ):
        into.extend(event for event in events if isinstance(event, kind))
    check_promises(reading, at_ns + from_ns)
    return reading


def check_promises(reading: Reading, start_ns: int) -> None:
    """Assert order, ticks and the single end of a finished reading."""
    assert sum(isinstance(event, StreamEnded) for event in reading.events) == 1
    assert reading.ended is reading.events[-1]
    assert all(event.stream == 7 for event in reading.events)
    told = start_ns
    last: dict[type, int] = {}
    for event in reading.events:
        if isinstance(event, Tick):
            assert told < event.at_ns <= told + 1_000_000_000
            told = event.at_ns
        elif isinstance(event, VideoFrame | AudioChunk):
            assert event.at_ns >= told if told > start_ns else event.at_ns >= start_ns
            assert event.at_ns >= last.get(type(event), start_ns)
            last[type(event)] = event.at_ns
        if isinstance(event, VideoFrame):
            assert event.pixels.dtype == np.uint8
            assert event.pixels.ndim == 3
            assert event.pixels.shape[2] == 3
        if isinstance(event, AudioChunk):
            assert event.samples.dtype == np.float32
            assert 0 < event.samples.size <= 8000
            assert np.isfinite(event.samples).all()
    sound_end = start_ns
    for chunk in reading.chunks:
        assert chunk.at_ns >= sound_end - 62_500  # no sample twice (one sample of rounding)
        sound_end = chunk.at_ns + chunk.samples.size * 62_500
    assert reading.ended.at_ns >= max(last.values(), default=start_ns)
    assert reading.ended.at_ns - told < 1_000_000_000
