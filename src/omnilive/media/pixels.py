"""A decoded frame as upright RGB with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from omnilive.events import Pixels

if TYPE_CHECKING:
    from av import VideoFrame as DecodedFrame

_MOST_PIXELS = 16384 * 16384


def upright_pixels(frame: DecodedFrame, aspect: Fraction | None, max_side: int) -> Pixels:
    """Return a frame as (height, width, 3) RGB, turned as its file says, scaled down if large.

    Args:
        frame: the decoded frame.
        aspect: width of a stored pixel over its height; None for square ones.
        max_side: the longer side is at most this many pixels; a smaller frame is left alone.

    Raises:
        ValueError: the frame is larger than anything real.
        av.error.FFmpegError: its pixel format cannot be converted.
    """
    if frame.width * frame.height > _MOST_PIXELS:
        raise ValueError("The frame is too large.")
    width, height = float(frame.width), float(frame.height)
    if aspect and 0.1 < aspect < 10 and aspect != 1:
        # Never enlarging: the side that is stored too long is the one that shrinks.
        width, height = (width, height / aspect) if aspect > 1 else (width * aspect, height)
    scale = min(1.0, max_side / max(width, height))
    rgb = frame.reformat(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        format="rgb24",
        interpolation="AREA",
    )
    pixels = cast(Pixels, rgb.to_ndarray())
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
