"""Pushed media, read back: a clock moved by hand, and what was heard however it was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from media_reading import Reading, check_promises
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
from omnilive.media.pushed import PushedReader

SAMPLE_NS = NS_PER_S // SAMPLE_RATE
MS = 1_000_000
PICTURE = np.zeros((4, 6, 3), np.uint8)


class HandClock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.ns = 5 * NS_PER_S

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * NS_PER_S)


def new(**over: Any) -> PushedReader:
    options: dict[str, Any] = {
        "has_video": False,
        "has_audio": True,
        "record": False,
        "name": "the test",
        "now_ns": HandClock(),
    }
    return PushedReader(**(options | over))


def events_of(reader: PushedReader) -> Iterator[MediaEvent]:
    return reader.events(stream=7, at_ns=0, wall_ns=0)


def read(reader: PushedReader) -> Reading:
    """Read an ended reader to its end and check what every reading promises."""
    reading = sorted_out(reader, list(events_of(reader)))
    check_promises(reading, 0)
    return reading


def sorted_out(reader: PushedReader, events: list[MediaEvent]) -> Reading:
    reading = Reading(reader.info, events)
    for event in events:
        for kind, into in (
            (VideoFrame, reading.frames),
            (AudioChunk, reading.chunks),
            (MediaPacket, reading.packets),
            (StreamGap, reading.gaps),
            (Tick, reading.ticks),
        ):
            if isinstance(event, kind):
                into.append(event)  # type: ignore[arg-type]
    return reading


def sound(seconds: float, first: int = 1) -> np.ndarray:
    """Return samples that tell where they come from: number n is n / 2^24."""
    count = round(seconds * SAMPLE_RATE)
    return (np.arange(first, first + count) / 2**24).astype(np.float32)


def packet(at_ns: int, *, is_key: bool = True, track: int = 0, size: int = 10) -> MediaPacket:
    return MediaPacket(
        stream=0,
        track=track,
        codec="h264" if track == 0 else "aac",
        kind="video" if track == 0 else "audio",
        at_ns=at_ns,
        decode_ns=at_ns,
        duration_ns=200 * MS,
        is_key=is_key,
        data=bytes(size),
        extradata=b"",
    )


@dataclass
class Heard:
    """What was heard, however it was cut: stretches of sound and the gaps between them."""

    runs: list[tuple[int, np.ndarray]]
    gaps: list[StreamGap]

    @classmethod
    def of(cls, reading: Reading) -> Heard:
        runs: list[tuple[int, list[np.ndarray]]] = []
        end_ns = -1
        for chunk in reading.chunks:
            if chunk.at_ns != end_ns:
                runs.append((chunk.at_ns, []))
            runs[-1][1].append(chunk.samples)
            end_ns = chunk.at_ns + chunk.samples.size * SAMPLE_NS
        return cls([(at, np.concatenate(parts)) for at, parts in runs], reading.gaps)

    def check_same(self, other: Heard) -> None:
        assert [at for at, _ in self.runs] == [at for at, _ in other.runs]
        for (_, mine), (_, theirs) in zip(self.runs, other.runs, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert self.gaps == other.gaps
