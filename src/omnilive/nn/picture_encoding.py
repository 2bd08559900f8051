"""A picture as rows for the language model: thumbnail, tiles, line ends, projector.

    tower(560 x 560)        40 x 40 patches of width D, last hidden layer, no class token
    2 x 2 patches           20 x 20 rows of width 4 D (upper left, upper right, lower left, right)
    sequence                20 thumbnail rows, each ended by `plora_sub_GN`; one `plora_glb_GN`;
                            20 h rows of the joined tiles (20 w long), each ended by `plora_sub_GN`
    projector               Linear - GELU - Linear over everything, the special rows too

so h x w tiles make (h w + 1) * 400 + 1 + (h + 1) * 20 rows. A tower or patch size other than
CLIP-L's gives another side than 20; nothing here depends on it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.nn.clip_tower import ClipTower
from omnilive.nn.pool_projector import merge_patches
from omnilive.nn.tiles import TILE, cut_into_tiles, thumbnail

_AT_ONCE = 8  # tiles that pass through the tower together


def with_line_ends(map_: Tensor, line_end: Tensor) -> Tensor:
    """End every row of a map (rows, columns, width) with one vector, and lay the rows in line."""
    ends = line_end.view(1, 1, -1).expand(map_.shape[0], 1, -1)
    return torch.cat((map_, ends.to(map_.dtype)), dim=1).flatten(0, 1)


def rows_of_picture(rows: int, columns: int, side: int = 20) -> int:
    """How many rows a picture of `rows` x `columns` tiles makes."""
    return (rows * columns + 1) * side * side + 1 + (rows + 1) * side


def encode_picture(
    picture: Tensor,
    *,
    tower: ClipTower,
    line_end: Tensor,
    separator: Tensor,
    projector: nn.Module,
    cancel: Cancel | None = None,
) -> Tensor:
    """Encode one picture.

    Args:
        picture: (3, 560 h, 560 w), normalised (`tiles.normalise`).
        tower: the CLIP tower at 560 pixels.
        line_end: `plora_sub_GN`, 4 D numbers.
        separator: `plora_glb_GN`, 4 D numbers.
        projector: from width 4 D to the language model's.
        cancel: looked at before every few tiles.

    Returns:
        (`rows_of_picture(h, w)`, width of the language model).

    Raises:
        BackendError: sides that are no whole tiles, or pixels that are no numbers.
        Cancelled: the turn was cut.
    """
    if (
        picture.ndim != 3
        or picture.shape[0] != 3
        or any(n % TILE or not n for n in picture.shape[1:])
    ):
        raise BackendError(
            f"A picture must be (3, {TILE} h, {TILE} w) numbers, not {tuple(picture.shape)}; "
            "bring it to whole tiles first."
        )
    if not bool(torch.isfinite(picture).all()):
        raise BackendError("A picture holds pixels that are no numbers; decode it again.")
    rows, columns = picture.shape[1] // TILE, picture.shape[2] // TILE
    device = line_end.device
    tiles = torch.cat((thumbnail(picture).unsqueeze(0), cut_into_tiles(picture.float())))
    maps = []
    for few in torch.split(tiles, _AT_ONCE):
        if cancel is not None:
            cancel.check()
        maps.append(merge_patches(tower(few.to(device), -1)))
    squares = torch.cat(maps)
    side = round(squares.shape[1] ** 0.5)
    merged = squares.view(len(squares), side, side, -1)
    joined = merged[1:].view(rows, columns, side, side, -1).transpose(1, 2)
    sequence = (
        with_line_ends(merged[0], line_end),
        separator.view(1, -1).to(merged.dtype),
        with_line_ends(joined.reshape(rows * side, columns * side, -1), line_end),
    )
    return projector(torch.cat(sequence))
