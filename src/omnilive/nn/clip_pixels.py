"""Frames of any size to the pixels that the vision tower reads.

Two ways, both of the release: offline, the shortest side goes to the tower's size and the middle
is cut out, so the sides of a wide frame are lost; live, the frame is first squashed to a square
of 336 by taking the nearest pixels, so everything is there but distorted. Then both are scaled
with Pillow's bicubic filter and normalised with CLIP's mean and deviation.

A third way is ours: the whole frame, scaled to the square at once. Of a square frame it is the same
as the middle, of a wide one nothing is lost, and no pixel is doubled on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from omnilive.errors import BackendError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_SQUASHED = 336
_MOST_SLENDER = 64  # sides' ratio; scaling a line of pixels up would fill the memory


class PixelPath(Enum):
    """How a frame gets to the tower's square."""

    LIVE_SQUASH = "live squash"
    OFFLINE_CROP = "offline crop"
    WHOLE = "whole"


def tower_pixels(
    frames: Sequence[NDArray[np.uint8]], path: PixelPath, *, size: int = 224
) -> Tensor:
    """Return normalised frames (T, 3, size, size), float32.

    Args:
        frames: (height, width, 3) RGB of any sizes, which may differ from frame to frame.
        path: how the square is made.
        size: of the tower's pictures.

    Raises:
        BackendError: no frame, or one that is no RGB picture of 8 bits.
    """
    if not frames:
        raise BackendError("A clip needs at least one frame.")
    squares = [_square(frame, path, size) for frame in frames]
    pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (CLIP_MEAN, CLIP_DEVIATION))
    return ((pixels - mean) / deviation).contiguous()


def _square(frame: NDArray[np.uint8], path: PixelPath, size: int) -> NDArray[np.uint8]:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise BackendError("A frame must be an RGB picture of 8 bits a channel.")
    if max(frame.shape[:2]) > _MOST_SLENDER * min(frame.shape[:2]):
        raise BackendError("A frame is so narrow that nothing can be seen on it; leave it out.")
    if path is PixelPath.LIVE_SQUASH:
        frame = _nearest(frame, _SQUASHED)
    height, width = frame.shape[:2]
    shortest = min(height, width)
    scaled = (size, size * height // width) if width == shortest else (size * width // height, size)
    if path is PixelPath.WHOLE:
        scaled = (size, size)
    picture = Image.fromarray(np.ascontiguousarray(frame))
    if picture.size != scaled:
        picture = picture.resize(scaled, Image.Resampling.BICUBIC)
    left, top = (scaled[0] - size) // 2, (scaled[1] - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def _nearest(frame: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    rows, columns = (np.arange(side) * length // side for length in frame.shape[:2])
    return frame[rows[:, None], columns]
