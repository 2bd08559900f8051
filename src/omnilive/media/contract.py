"""What every reader of media promises, whether it reads a file here or a camera in a child.

Source time is nanoseconds since the first timestamp of the container; stream time is what a
session makes of it by adding the start of the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from omnilive.events import (
    NS_PER_S,
    AudioChunk,
    MediaPacket,
    StreamEnded,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.source import Source

MediaEvent: TypeAlias = VideoFrame | AudioChunk | MediaPacket | StreamGap | Tick | StreamEnded


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a source is read.

    Attributes:
        frame_interval_ns: one picture is decoded for every such stretch of source time.
        frame_max_side: pictures are scaled down until their longer side fits; never up.
        chunk_ns: length of the chunks of sound.
        decode_threads: threads of the video decoder; more than one adds latency.
        perceive: whether pictures and sound are decoded at all.
        record: whether a live source yields its encoded packets as `MediaPacket`.
        detect: a sub-stream of the same camera from which pictures and sound are taken.
        listen: an RTMP address is one of this machine, at which a sender (OBS) is waited for.
        open_timeout_s: how long opening a network source may take.
        stall_timeout_s: how long a network source may be silent before it counts as stalled.
    """

    frame_interval_ns: int = NS_PER_S
    frame_max_side: int = 1280
    chunk_ns: int = NS_PER_S // 5
    decode_threads: int = 1
    perceive: bool = True
    record: bool = False
    detect: Source | None = None
    listen: bool = False
    open_timeout_s: float = 20.0
    stall_timeout_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What is known of a source before it is read.

    Attributes:
        has_video, has_audio: whether pictures and sound will come.
        live: whether the source goes on by itself, with nothing to seek in.
        duration_ns: of the container; None if unknown or live.
        created_wall_ns: UTC at which it was made, as the container says; None if implausible.
        width, height: upright pixels of the picture as stored; 0 without pictures.
        fps: nominal frames per second; 0 if unknown.
        video_codec, audio_codec: FFmpeg's names; "" where there is none.
        path: absolute path of a file; "" otherwise.
        size_bytes, mtime_ns, fingerprint: of a file. The fingerprint is SHA-256 over the size,
            the first and the last MiB: enough to know the file again, cheap for any length.
    """

    has_video: bool
    has_audio: bool
    live: bool
    duration_ns: int | None = None
    created_wall_ns: int | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    video_codec: str = ""
    audio_codec: str = ""
    path: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0
    fingerprint: str = ""


class MediaReader(Protocol):
    """An open source."""

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        ...

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield the source's media in order of time; may be called once.

        Args:
            stream: the number that every event carries.
            at_ns: stream time of source time 0.
            wall_ns: UTC of source time 0 (a live source's ticks carry the machine's clock).
            from_ns: source time before which nothing is wanted (resuming a file).

        Ends with exactly one `StreamEnded`, whose `error` says in one sentence what broke.
        """
        ...

    def close(self) -> None:
        """Let go of the source; may be called from another thread, and twice."""
        ...
