"""Several frames of a video on one canvas: the only way this network was taught to see a video.

Frames are resized to 1120 on their long side and labelled `<IMAGE i>`, counted from 0. If the last
frame is wider than high they are stacked, each with a 40-pixel strip for its label above and 10
pixels below; otherwise they stand side by side under one strip, each with 10 pixels to its right.
A black line of 2 pixels lies in every gap between two frames.

Those lengths belong to tiles of 560; for another tower's tiles all of them are scaled alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from omnilive.errors import BackendError
from omnilive.events import Pixels
from omnilive.nn.tiles import TILE

LONG_SIDE = 1120
STRIP = 40
GAP = 10
LINE = 2


def composite(frames: Sequence[Pixels], font: Path | None = None, *, tile: int = TILE) -> Pixels:
    """Draw frames of a video on one white canvas.

    Args:
        frames: each (height, width, 3) RGB bytes, oldest first; sizes may differ.
        font: a TrueType font for the labels; a font that comes with Pillow if None.
        tile: side of the tower's pictures, which all lengths are in proportion to.

    Returns:
        (height, width, 3). Stacked: height is the sum of (frame height + 50) at tiles of 560.

    Raises:
        BackendError: no frames, an empty frame, or a font that cannot be read.
    """
    if not frames:
        raise BackendError("A composite needs at least one frame; none was given.")
    long_side, strip, gap, line_width = (
        max(1, round(length * tile / TILE)) for length in (LONG_SIDE, STRIP, GAP, LINE)
    )
    pictures = [_resized(frame, long_side) for frame in frames]
    letters = _letters(font, strip)
    stacked = frames[-1].shape[1] > frames[-1].shape[0]
    if stacked:
        size = (
            max(picture.width for picture in pictures),
            sum(picture.height + strip + gap for picture in pictures),
        )
    else:
        size = (
            sum(picture.width + gap for picture in pictures),
            max(picture.height for picture in pictures) + strip,
        )
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    at = 0
    for index, picture in enumerate(pictures):
        x, y = (0, at) if stacked else (at, 0)
        canvas.paste(picture, (x, y + strip))
        draw.text((x, y), f"<IMAGE {index}>", font=letters, fill="black")
        at += picture.height + strip + gap if stacked else picture.width + gap
        if index + 1 < len(pictures):
            line = at - gap // 2
            ends = ((0, line), (size[0], line)) if stacked else ((line, 0), (line, size[1]))
            draw.line(ends, fill="black", width=line_width)
    return np.array(canvas)


def _resized(frame: Pixels, long_side: int) -> Image.Image:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise BackendError("A frame must be bytes of shape (height, width, 3), in RGB, not empty.")
    height, width = frame.shape[:2]
    ratio = long_side / max(height, width)
    size = (max(1, int(width * ratio)), max(1, int(height * ratio)))
    return Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)


def _letters(font: Path | None, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if font is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(font, size)
    except OSError as error:
        raise BackendError(f"The font {font} could not be read; name a TrueType file.") from error
