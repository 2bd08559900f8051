"""A picture as rows for the language model: thumbnail, tiles, line ends, projector.

    tower(560 x 560)        40 x 40 patches of width D, last hidden layer, no class token
    2 x 2 patches           20 x 20 rows of width 4 D (upper left, upper right, lower left, right)
    sequence                20 thumbnail rows, each ended by `plora_sub_GN`; one `plora_glb_GN`;
                            20 h rows of the joined tiles (20 w long), each ended by `plora_sub_GN`
    projector               Linear - GELU - Linear over everything, the special rows too

so h x w tiles make (h w + 1) * 400 + 1 + (h + 1) * 20 rows. A tower of another image size takes
tiles of that size, and gives another side than 20; nothing here depends on either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.nn.clip_tower import ClipTower
from omnilive.nn.pool_projector import merge_patches
from omnilive.nn.tiles import cut_into_tiles, thumbnail

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
        picture: (3, tile h, tile w), normalised (`tiles.normalise`); a tile is what the tower
            takes, 560 pixels in the release.
        tower: the CLIP tower.
        line_end: `plora_sub_GN`, 4 D numbers.
        separator: `plora_glb_GN`, 4 D numbers.
        projector: from width 4 D to the language model's.
        cancel: looked at before every few tiles.

    Returns:
        (`rows_of_picture(h, w, side)`, width of the language model).

    Raises:
        BackendError: sides that are no whole tiles, or pixels that are no numbers.
        Cancelled: the turn was cut.
    """
    tile = tower.config.image_size
    _check(picture.shape, picture, tile)
    rows, columns = picture.shape[1] // tile, picture.shape[2] // tile
    merged = _merged(_tiles(picture, tile), tower, line_end.device, cancel)
    return projector(in_line(merged, rows, columns, line_end, separator))


def encode_pictures(
    pictures: Tensor,
    *,
    tower: ClipTower,
    line_end: Tensor,
    separator: Tensor,
    projector: nn.Module,
) -> Tensor:
    """Encode pictures of one size together, as training wants it; see `encode_picture`.

    Args:
        pictures: (B, 3, tile h, tile w), normalised.
        tower: the CLIP tower.
        line_end: `plora_sub_GN`, 4 D numbers.
        separator: `plora_glb_GN`, 4 D numbers.
        projector: from width 4 D to the language model's.

    Returns:
        (B, `rows_of_picture(h, w, side)`, width of the language model).

    Raises:
        BackendError: no picture, sides that are no whole tiles, or pixels that are no numbers.
    """
    tile = tower.config.image_size
    if pictures.ndim != 4 or not len(pictures):
        raise BackendError(f"Pictures must be (B, 3, {tile} h, {tile} w) numbers, one or more.")
    _check(pictures.shape[1:], pictures, tile)
    rows, columns = pictures.shape[2] // tile, pictures.shape[3] // tile
    tiles = torch.cat([_tiles(each, tile) for each in pictures])
    merged = _merged(tiles, tower, line_end.device, None)
    sequences = [
        in_line(each, rows, columns, line_end, separator)
        for each in merged.view(len(pictures), -1, *merged.shape[1:])
    ]
    return projector(torch.stack(sequences))


def _check(shape: torch.Size, pixels: Tensor, tile: int) -> None:
    if len(shape) != 3 or shape[0] != 3 or any(n % tile or not n for n in shape[1:]):
        raise BackendError(
            f"A picture must be (3, {tile} h, {tile} w) numbers, not {tuple(shape)}; "
            "bring it to whole tiles first."
        )
    if not bool(torch.isfinite(pixels).all()):
        raise BackendError("A picture holds pixels that are no numbers; decode it again.")


def _tiles(picture: Tensor, tile: int) -> Tensor:
    """The thumbnail, then the tiles row by row, (1 + h w, 3, tile, tile)."""
    return torch.cat(
        (thumbnail(picture, tile=tile).unsqueeze(0), cut_into_tiles(picture.float(), tile=tile))
    )


def _merged(tiles: Tensor, tower: ClipTower, device: torch.device, cancel: Cancel | None) -> Tensor:
    """Maps of the tiles with 2 x 2 patches on the channels, (tiles, side, side, 4 D)."""
    maps = []
    for few in torch.split(tiles, _AT_ONCE):
        if cancel is not None:
            cancel.check()
        maps.append(merge_patches(tower(few.to(device), -1)))
    squares = torch.cat(maps)
    side = round(squares.shape[1] ** 0.5)
    return squares.view(len(squares), side, side, -1)


def in_line(merged: Tensor, rows: int, columns: int, line_end: Tensor, separator: Tensor) -> Tensor:
    """Lay maps in line: the thumbnail's, then those of the tiles joined; not yet projected.

    Args:
        merged: (1 + rows * columns, side, side, 4 D).
        rows: of tiles.
        columns: of tiles.
        line_end: `plora_sub_GN`, 4 D numbers.
        separator: `plora_glb_GN`, 4 D numbers.
    """
    side = merged.shape[1]
    joined = merged[1:].view(rows, columns, side, side, -1).transpose(1, 2)
    return torch.cat(
        (
            with_line_ends(merged[0], line_end),
            separator.view(1, -1).to(merged.dtype),
            with_line_ends(joined.reshape(rows * side, columns * side, -1), line_end),
        )
    )
