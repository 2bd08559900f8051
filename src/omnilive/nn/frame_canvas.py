"""From frames of a video to the one picture that the language model sees.

"composite"   the release's: frames labelled on one canvas, then whole tiles (`composites.py`)
"squash"      a tile for each frame, one below the other, each the whole frame scaled to a square
              (`clip_pixels.PixelPath.WHOLE`), so that a small compressor can see the same
              pixels, and a frame costs one tile. No label is drawn: nobody could read it there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from omnilive.errors import BackendError
from omnilive.events import Pixels
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.composites import composite
from omnilive.nn.ixc_config import Canvas
from omnilive.nn.tiles import TILE, normalise, video_to_tiles


def frames_to_picture(
    frames: Sequence[Pixels], *, canvas: Canvas = "composite", tile: int = TILE
) -> Tensor:
    """Return one normalised picture (3, tile h, tile w) that holds all frames.

    Args:
        frames: each (height, width, 3) RGB bytes, oldest first; sizes may differ.
        canvas: how they are put together.
        tile: side of the tower's pictures.

    Raises:
        BackendError: no frames, or one that nothing can be seen on.
    """
    if canvas == "squash":
        if not frames:
            raise BackendError("A picture needs at least one frame; none was given.")
        return torch.cat(list(tower_pixels(frames, PixelPath.WHOLE, size=tile)), dim=1)
    return normalise(video_to_tiles(composite(frames, tile=tile), tile=tile))
