"""How a reading child speaks to its parent: length-prefixed messages over its standard output.

A message is a head in MessagePack and a body of raw bytes (the pixels, samples or packet), so
that pictures are never copied through an encoder.
"""

from __future__ import annotations

import struct
from dataclasses import asdict, fields
from typing import IO, Any

import msgspec
import numpy as np

from omnilive.events import AudioChunk, MediaPacket, StreamEnded, StreamGap, Tick, VideoFrame
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.source import Source

_LENGTHS = struct.Struct("<II")
_LARGEST_HEAD = 1 << 20
_LARGEST_BODY = 1 << 30
_EVENTS: dict[str, type[MediaEvent]] = {
    kind.__name__: kind
    for kind in (VideoFrame, AudioChunk, MediaPacket, StreamGap, Tick, StreamEnded)
}
_BODY = {"VideoFrame": "pixels", "AudioChunk": "samples", "MediaPacket": "data"}


class Order(msgspec.Struct, kw_only=True, frozen=True):
    """What the parent asks of the child, one JSON line on its standard input."""

    address: str
    kind: str
    shown: str
    frame_interval_ns: int
    frame_max_side: int
    chunk_ns: int
    decode_threads: int
    perceive: bool
    record: bool
    listen: bool
    open_timeout_s: float
    stall_timeout_s: float

    @classmethod
    def of(cls, source: Source, options: ReadOptions) -> Order:
        """Make the order for reading `source` (without its sub-stream)."""
        values = asdict(options)
        del values["detect"]
        return cls(address=source.address, kind=source.kind, shown=source.shown, **values)

    def source(self) -> Source:
        """Return the source to read."""
        kind: Any = self.kind
        return Source(kind=kind, address=self.address, shown=self.shown)

    def options(self) -> ReadOptions:
        """Return how to read it."""
        names = {field.name for field in fields(ReadOptions)} - {"detect"}
        return ReadOptions(**{name: getattr(self, name) for name in names})


class Failed(msgspec.Struct, frozen=True):
    """The child could not open the source."""

    error: str


Message = SourceInfo | Failed | MediaEvent


def write_message(file: IO[bytes], message: Message) -> None:
    """Send one message and flush it."""
    body = b""
    name = type(message).__name__
    if isinstance(message, Failed):
        head: dict[str, Any] = {"error": message.error}
    else:
        head = {
            field.name: getattr(message, field.name)
            for field in fields(message)
            if field.name != _BODY.get(name)
        }
    if isinstance(message, VideoFrame):
        body = np.ascontiguousarray(message.pixels).tobytes()
        head["shape"] = message.pixels.shape
    elif isinstance(message, AudioChunk):
        body = np.ascontiguousarray(message.samples, "<f4").tobytes()
    elif isinstance(message, MediaPacket):
        body = message.data
    packed = msgspec.msgpack.encode([name, head])
    file.write(_LENGTHS.pack(len(packed), len(body)))
    file.write(packed)
    file.write(body)
    file.flush()


def read_message(file: IO[bytes]) -> Message | None:
    """Return the next message, or None at the end of the pipe.

    Raises:
        ValueError: what came is not such a message.
    """
    lengths = _read_exactly(file, _LENGTHS.size)
    if lengths is None:
        return None
    head_size, body_size = _LENGTHS.unpack(lengths)
    if head_size > _LARGEST_HEAD or body_size > _LARGEST_BODY:
        raise ValueError("A message from the reading process is too large.")
    packed = _read_exactly(file, head_size)
    body = _read_exactly(file, body_size)
    if packed is None or body is None:
        return None
    name, head = msgspec.msgpack.decode(packed, type=tuple[str, dict[str, Any]])
    if name == "SourceInfo":
        return msgspec.convert(head, SourceInfo)
    if name == "Failed":
        return msgspec.convert(head, Failed)
    kind = _EVENTS.get(name)
    if kind is None:
        raise ValueError("The reading process sent something unknown.")
    if kind is VideoFrame:
        shape = tuple(head.pop("shape"))
        head["pixels"] = np.frombuffer(body, np.uint8).reshape(shape)
    elif kind is AudioChunk:
        head["samples"] = np.frombuffer(body, "<f4").astype(np.float32, copy=False)
    elif kind is MediaPacket:
        head["data"] = body
    return kind(**head)


def _read_exactly(file: IO[bytes], size: int) -> bytes | None:
    parts = []
    while size > 0:
        part = file.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
