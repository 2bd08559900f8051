"""From a picture to 560-pixel tiles: the dynamic image partition of the reasoning module.

A picture is enlarged or reduced to a width of s tiles and padded below in white to whole tiles,

    s = min(ceil(W / 560), largest s with s * ceil(s / ratio) <= most tiles)    ratio = W / H >= 1

560 is the release's tower; every function takes the side of another tower's pictures as `tile`.

A picture higher than wide is transposed, treated so, and transposed back (its padding is then on
the right). A video's composite instead keeps its short side at 560. Before the tiles the network
sees the whole: the *normalised* picture, squeezed to 560 x 560 (bicubic, no antialiasing).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from omnilive.errors import BackendError
from omnilive.events import Pixels

TILE = 560
MOST_TILES = 24  # one picture
MOST_TILES_EACH = 6  # several pictures in one prompt
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def picture_to_tiles(pixels: Pixels, most_tiles: int = MOST_TILES, *, tile: int = TILE) -> Pixels:
    """Resize and pad one picture to whole tiles.

    Args:
        pixels: (height, width, 3) RGB.
        most_tiles: at most so many tiles (`hd_num` of the release).
        tile: side of a tile.

    Returns:
        (`tile` h, `tile` w, 3) with h * w <= `most_tiles`.

    Raises:
        BackendError: no RGB picture of bytes, an empty one, or no tile allowed.
    """
    if most_tiles < 1:
        raise BackendError("A picture needs at least one tile; allow one or more.")
    _check(pixels)

    def size(width: int, height: int) -> tuple[int, int]:
        ratio = width / height
        columns = 1
        while (columns + 1) * math.ceil((columns + 1) / ratio) <= most_tiles:
            columns += 1
        new_width = min(math.ceil(width / tile), columns) * tile
        return new_width, max(1, int(new_width / ratio))

    return _lying(pixels, size, tile)


def video_to_tiles(pixels: Pixels, *, tile: int = TILE) -> Pixels:
    """Resize and pad a composite of frames (`composites.py`): its short side is one tile.

    Raises:
        BackendError: no RGB picture of bytes, or an empty one.
    """
    _check(pixels)
    return _lying(pixels, lambda width, height: (int(tile * (width / height)), tile), tile)


def normalise(pixels: Pixels) -> Tensor:
    """Return (3, height, width) float32 as CLIP wants it."""
    scaled = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255.0
    mean = torch.tensor(MEAN).view(3, 1, 1)
    return (scaled - mean) / torch.tensor(STD).view(3, 1, 1)


def thumbnail(picture: Tensor, *, tile: int = TILE) -> Tensor:
    """Squeeze a normalised picture (3, height, width) to (3, tile, tile); values may overshoot."""
    return functional.interpolate(
        picture.float().unsqueeze(0), size=(tile, tile), mode="bicubic", align_corners=False
    ).squeeze(0)


def cut_into_tiles(picture: Tensor, *, tile: int = TILE) -> Tensor:
    """Cut (3, tile h, tile w) into (h * w, 3, tile, tile), row by row."""
    _, height, width = picture.shape
    rows, columns = height // tile, width // tile
    cut = picture.view(3, rows, tile, columns, tile).permute(1, 3, 0, 2, 4)
    return cut.reshape(rows * columns, 3, tile, tile)


def _check(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BackendError("A picture must be bytes of shape (height, width, 3), in RGB.")
    if 0 in pixels.shape:
        raise BackendError("A picture without pixels cannot be shown to the network.")


def _lying(pixels: Pixels, size: Callable[[int, int], tuple[int, int]], tile: int) -> Pixels:
    """Resize to `size(width, height)` lying on the long side, and pad below to whole tiles."""
    height, width = pixels.shape[:2]
    upright = width < height
    if upright:
        pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
        height, width = width, height
    new_width, new_height = size(width, height)
    resized = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR)
    padded = np.full((_up(new_height, tile), _up(new_width, tile), 3), 255, dtype=np.uint8)
    padded[:new_height, :new_width] = np.asarray(resized)
    return np.ascontiguousarray(padded.transpose(1, 0, 2)) if upright else padded


def _up(length: int, tile: int) -> int:
    return -(-length // tile) * tile
