"""Which tracks of a container are watched, and what is known of it before reading."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.media.contract import SourceInfo
from omnilive.media.demuxers import STILL_FORMATS
from omnilive.media.source import Source

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

UNSEEKABLE = ("mpegts", "mpeg")
"""Timestamps may start anew in the middle of these, so a place in them is found by reading."""
_MIB = 1 << 20
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
_CLOCK_ERROR_S = 86_400


def pick_tracks(container: InputContainer) -> tuple[VideoStream | None, AudioStream | None]:
    """Return the best video and the best sound track; cover art is not video."""
    from av.stream import Disposition

    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
        and _decodable(stream)
    ]
    sounds = [
        stream
        for stream in container.streams.audio
        if not stream.disposition & (Disposition.visual_impaired | Disposition.descriptions)
        and _decodable(stream)
    ]
    video = max(
        videos,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.codec_context.width * stream.codec_context.height,
            -stream.index,
        ),
        default=None,
    )
    sound = max(
        sounds,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.codec_context.layout.nb_channels,
            -stream.index,
        ),
        default=None,
    )
    return video, sound


def is_still(container: InputContainer) -> bool:
    """Return whether the container holds one picture."""
    return container.format.name in STILL_FORMATS


def describe(
    container: InputContainer,
    source: Source,
    video: VideoStream | None,
    sound: AudioStream | None,
    *,
    still_ns: int,
) -> SourceInfo:
    """Return what is known of an open container.

    Args:
        container: the open container.
        source: what it was opened from.
        video: the track that will be watched.
        sound: the track that will be heard.
        still_ns: how long a still picture lasts.

    Raises:
        MediaError: there is nothing to watch or hear in it.
    """
    if video is None and sound is None:
        raise MediaError(f"{source.shown} holds neither pictures nor sound that can be decoded.")
    duration_ns = None if container.duration is None else container.duration * 1000
    if is_still(container):
        duration_ns = still_ns
    live = source.kind == "device" or (
        source.kind == "network" and (duration_ns is None or not source.scheme.startswith("http"))
    )
    path = Path(source.address) if source.kind == "file" else None
    status = path.stat() if path is not None else None
    rate = video.average_rate or video.guessed_rate if video is not None else None
    return SourceInfo(
        has_video=video is not None,
        has_audio=sound is not None,
        live=live,
        duration_ns=None if live else duration_ns,
        created_wall_ns=None if live else _created(container),
        width=video.codec_context.width if video is not None else 0,
        height=video.codec_context.height if video is not None else 0,
        fps=float(rate) if rate else 0.0,
        video_codec=video.codec_context.codec.canonical_name if video is not None else "",
        audio_codec=sound.codec_context.codec.canonical_name if sound is not None else "",
        path=str(path) if path is not None else "",
        size_bytes=status.st_size if status is not None else 0,
        mtime_ns=status.st_mtime_ns if status is not None else 0,
        fingerprint=fingerprint(path) if path is not None else "",
    )


def fingerprint(path: Path) -> str:
    """Return SHA-256 (hex) over the size, the first and the last MiB of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(size.to_bytes(8, "little"))
        file.seek(0)
        digest.update(file.read(_MIB))
        file.seek(max(0, size - _MIB))
        digest.update(file.read(_MIB))
    return digest.hexdigest()


def _decodable(stream: VideoStream | AudioStream) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec is not None


def _created(container: InputContainer) -> int | None:
    """Return the creation time that the container states, if a clock can have shown it."""
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        text = container.metadata.get(key, "")
        try:
            made = datetime.fromisoformat(text)
        except ValueError:
            continue
        if made.tzinfo is None:
            made = made.replace(tzinfo=UTC)
        if made >= _OLDEST and made.timestamp() <= time.time() + _CLOCK_ERROR_S:
            return int(made.timestamp() * 1_000_000) * (NS_PER_S // 1_000_000)
    return None
