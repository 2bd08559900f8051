"""Pictures of a page into a reader: as many as perception wants, and a few more to record.

A camera sends up to 30 pictures a second, all of which aiortc decodes. Only those that are wanted
are converted, in a thread pool: never in the loop that carries sound. While one is being
converted the next is left out and counted, so a slow machine sees fewer pictures, not older ones.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from omnilive.events import NS_PER_S, Pixels
from omnilive.media.pixels import upright_pixels
from omnilive.media.pushed import PushedReader
from omnilive.web.placing import PicturePlace

if TYPE_CHECKING:
    from av import VideoFrame

    Picture: TypeAlias = VideoFrame | bytes

_MOST_PIXELS = 16_000_000


@dataclass(slots=True)
class PictureCounts:
    """Pictures that came; those taken for perception, and to record; left out; not readable."""

    received: int = 0
    taken: int = 0
    recorded: int = 0
    left_out: int = 0
    unreadable: int = 0


class InboundPictures:
    """One camera. Belongs to the loop that receives.

    Args:
        reader: what takes the pictures.
        place: where in source time they belong.
        pool: where they are converted.
        interval_ns: perception wants one picture in each such stretch of source time.
        max_side: pictures are scaled down until their longer side fits.
        on_picture: called in the pool with what is to be recorded: source time and RGB.
        record_fps: how many pictures a second are recorded; 0 for none.
        record_side: the longer side of a picture that is only recorded.
    """

    def __init__(
        self,
        reader: PushedReader,
        place: PicturePlace,
        pool: Executor,
        *,
        interval_ns: int,
        max_side: int,
        on_picture: Callable[[int, Pixels], None],
        record_fps: float = 0.0,
        record_side: int = 960,
    ) -> None:
        self._reader = reader
        self._place = place
        self._pool = pool
        self._interval_ns = interval_ns
        self._max_side = max_side
        self._on_picture = on_picture
        self._record_side = min(record_side, max_side)
        self._record_ns = round(NS_PER_S / record_fps) if record_fps else 0
        self._seen = self._recorded = -1
        self._working: Future[None] | None = None
        self.counts = PictureCounts()

    def take(self, picture: Picture, sent_ns: int, arrival_ns: int) -> None:
        """Take a picture: decoded, or a JPEG; placed by its sender at `sent_ns`."""
        self.counts.received += 1
        at_ns = self._place.place(sent_ns, arrival_ns)
        is_seen = at_ns // self._interval_ns > self._seen
        is_recorded = self._record_ns > 0 and at_ns // self._record_ns > self._recorded
        if not is_seen and not is_recorded:
            return
        if self._working is not None and not self._working.done():
            self.counts.left_out += 1
            return
        if is_seen:
            self._seen = at_ns // self._interval_ns
            self.counts.taken += 1
        if is_recorded:
            self._recorded = at_ns // self._record_ns
            self.counts.recorded += 1
        self._working = self._pool.submit(self._convert, picture, at_ns, is_seen, is_recorded)

    def wait(self) -> None:
        """Wait until the last picture was given on; not in the loop."""
        if self._working is not None:
            self._working.exception()

    def _convert(self, picture: Picture, at_ns: int, is_seen: bool, is_recorded: bool) -> None:
        pixels = _pixels(picture, self._max_side if is_seen else self._record_side)
        if pixels is None:
            self.counts.unreadable += 1
            return
        if is_seen:
            self._reader.push_frame(at_ns, pixels)
        if is_recorded:
            self._on_picture(at_ns, pixels)


def _pixels(picture: Picture, max_side: int) -> Pixels | None:
    import av.error

    if isinstance(picture, bytes):
        return jpeg_pixels(picture, max_side)
    try:
        return upright_pixels(picture, None, max_side)
    except (av.error.FFmpegError, ValueError):
        return None


def jpeg_pixels(data: bytes, max_side: int) -> Pixels | None:
    """Return a JPEG from outside as upright RGB, scaled down to fit; None if it is no such thing.

    Its size stands in the head and is looked at before anything is decoded.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (max_side, max_side))
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((max_side, max_side), Image.Resampling.BOX, reducing_gap=None)
            return np.asarray(upright, np.uint8)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ):
        return None
