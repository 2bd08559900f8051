"""Clips that wait for a slow captioner, with their pictures as JPEG.

A clip's three raw frames are megabytes; a server may be hours behind. Packed, a clip waits in
about a hundred kilobytes.
"""

from __future__ import annotations

from dataclasses import replace

from omnilive.events import Clip, Event, VideoFrame
from omnilive.media.pictures import from_jpeg, to_jpeg
from omnilive.serving.worker import Packed

_MAX_SIDE = 768
_QUALITY = 85


def packed(clip: Clip) -> Packed:
    """Return `clip` small; one that shows nothing new needs no pictures at all."""
    if not clip.changed:
        bare = replace(clip, pictures=())
        return Packed(lambda: bare)
    small = [
        (frame.stream, frame.at_ns, to_jpeg(frame.pixels, max_side=_MAX_SIDE, quality=_QUALITY))
        for frame in clip.pictures
    ]
    bare = replace(clip, pictures=())

    def unpack() -> Event:
        frames = tuple(
            VideoFrame(stream=stream, at_ns=at_ns, pixels=from_jpeg(jpeg))
            for stream, at_ns, jpeg in small
        )
        return replace(bare, pictures=frames)

    return Packed(unpack)
