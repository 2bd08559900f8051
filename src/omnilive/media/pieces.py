"""Encoded packets with their times, out of a recording's fragments or out of a user's file.

They can be gone through several times: whoever cuts a clip looks first and copies afterwards,
instead of holding the packets of a long clip in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.media.contract import ReadOptions
from omnilive.media.demuxers import explain, open_container
from omnilive.media.source import Source
from omnilive.media.timeline import Timeline
from omnilive.media.tracks import UNSEEKABLE, pick_tracks

if TYPE_CHECKING:
    from av.container import InputContainer

Part: TypeAlias = "bytes | tuple[Path, int, int]"
"""A fragment: its bytes, or file, offset and length."""

_BEFORE_NS = 2 * NS_PER_S


class Piece(NamedTuple):
    """One packet with its stream and its time."""

    stream: Any
    packet: Any
    at_ns: int
    duration_ns: int


class Pieces(Protocol):
    """Packets that can be gone through several times."""

    def __iter__(self) -> Iterator[Piece]:
        """Start anew from the first packet."""
        ...


class FragmentPieces:
    """The packets of fragments, one fragment open at a time; times are stream time."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Piece]:
        """Yield the packets of every fragment in turn."""
        import av
        import av.error

        for part in self._parts:
            data = _bytes_of(part)
            try:
                with av.open(io.BytesIO(data), "r", format="matroska") as container:
                    for packet in container.demux():
                        if packet.size and packet.pts is not None:
                            yield _piece(packet, None)
            except av.error.FFmpegError:
                raise MediaError("A fragment of the recording is damaged.") from None


class FilePieces:
    """The packets of a file around a span; times are source time."""

    def __init__(self, source: Source, start_ns: int, end_ns: int) -> None:
        self._source = source
        self._start_ns = start_ns
        self._end_ns = end_ns

    def __iter__(self) -> Iterator[Piece]:
        """Yield the packets from a keyframe before the start until behind the end."""
        import av.error

        container: InputContainer = open_container(self._source, ReadOptions())
        with container:
            start = container.start_time
            timeline = Timeline(None if start is None else start * 1000)
            video, sound = pick_tracks(container)
            streams = [track for track in (video, sound) if track is not None]
            try:
                if self._start_ns > _BEFORE_NS and container.format.name not in UNSEEKABLE:
                    container.seek((self._start_ns + timeline.base_ns) // 1000, backward=True)
                beyond: set[int] = set()
                for packet in container.demux(*streams):
                    if not packet.size or packet.pts is None:
                        continue
                    piece = _piece(packet, timeline)
                    yield piece
                    # Every track must be behind the end; pictures come out of order by a little.
                    if piece.at_ns > self._end_ns + _BEFORE_NS:
                        beyond.add(packet.stream.index)
                        if len(beyond) == len(streams):
                            return
            except (av.error.FFmpegError, OSError) as error:
                raise MediaError(explain(error, self._source)) from None


def _piece(packet: Any, timeline: Timeline | None) -> Piece:
    """Return a packet with its time; without a timeline its own timestamp is taken as it is."""
    base = packet.time_base
    shown_ns = packet.pts * base.numerator * NS_PER_S // base.denominator
    duration_ns = (packet.duration or 0) * base.numerator * NS_PER_S // base.denominator
    if timeline is None:
        return Piece(packet.stream, packet, shown_ns, duration_ns)
    stamp = packet.pts if packet.dts is None else packet.dts
    decode_ns = stamp * base.numerator * NS_PER_S // base.denominator
    placed = timeline.place(packet.stream.index, decode_ns, duration_ns)
    return Piece(packet.stream, packet, placed.at_ns + shown_ns - decode_ns, duration_ns)


def _bytes_of(part: Part) -> bytes:
    if isinstance(part, bytes):
        return part
    path, offset, length = part
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise MediaError(f"A recording could not be read: {error.strerror}.") from None
