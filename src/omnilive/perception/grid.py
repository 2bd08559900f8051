"""A picture as 36 x 64 area means: what change, motion and likeness are measured on.

The mean over an area takes sensor noise away (a cell of a 1280 x 720 picture averages 400
pixels) and still moves when one character in it changes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from omnilive.events import Pixels

ROWS = 36
COLUMNS = 64

Grid: TypeAlias = NDArray[np.float32]  # (36, 64, 3), RGB, 0..255
Cells: TypeAlias = NDArray[np.bool_]  # (36, 64)


def to_grid(pixels: Pixels) -> Grid:
    """Return the area means of a picture of any size and shape."""
    image = Image.fromarray(pixels)
    factor = min(pixels.shape[0] // (2 * ROWS), pixels.shape[1] // (2 * COLUMNS))
    if factor > 1:
        image = image.reduce(factor)
    small = image.resize((COLUMNS, ROWS), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def grow(cells: Cells, rows: int, columns: int) -> Cells:
    """Return the cells and their neighbours, so many rows and columns around."""
    return _grow_along(_grow_along(cells, rows, 0), columns, 1)


def _grow_along(cells: Cells, steps: int, axis: int) -> Cells:
    grown = cells.copy()
    for step in range(1, min(steps, cells.shape[axis] - 1) + 1):
        if axis == 0:
            grown[step:] |= cells[:-step]
            grown[:-step] |= cells[step:]
        else:
            grown[:, step:] |= cells[:, :-step]
            grown[:, :-step] |= cells[:, step:]
    return grown


def without_specks(cells: Cells) -> Cells:
    """Return the cells that have a neighbour among them: a single one is noise."""
    padded = np.pad(cells, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    around: Cells = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] >= 2
    return cells & around


def cells_of_box(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Return the rows and columns of the cells a box touches; the box in fractions, 0..1."""
    first_row = min(max(int(top * ROWS), 0), ROWS - 1)
    first_column = min(max(int(left * COLUMNS), 0), COLUMNS - 1)
    last_row = min(max(int(np.ceil(bottom * ROWS)), first_row + 1), ROWS)
    last_column = min(max(int(np.ceil(right * COLUMNS)), first_column + 1), COLUMNS)
    return slice(first_row, last_row), slice(first_column, last_column)
