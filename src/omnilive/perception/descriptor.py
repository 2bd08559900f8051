"""One vector that stands for a picture, so that look-alike pictures can be found again.

Coarse light, coarse colour and the direction of edges by region; no network. What is compared
is the picture's layout: the means are taken off, so unlike pictures come out near 0 and a
change of exposure changes little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omnilive.events import Descriptor
from omnilive.perception.grid import COLUMNS, ROWS, Grid

MODEL = "grid-v1"
DIMENSION = 12 * 8 + 6 * 4 * 2 + 4 * 4 * 6 + 3
_DIRECTIONS = 6
_EDGE_NOISE = 4.0  # luma steps below this between neighbouring cells are noise
_WEIGHTS = (0.55, 0.35, 0.70, 0.28)  # light, colour, edges, mean colour


def describe(grid: Grid) -> Descriptor:
    """Return the unit vector (243,) of a picture's area means."""
    red, green, blue = grid[..., 0], grid[..., 1], grid[..., 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = np.stack([red - luma, blue - luma], axis=-1)
    light = _pool(luma[..., None], 12, 8).ravel()
    light = light - light.mean()
    colour = _pool(chroma, 6, 4)
    mean_colour = np.array(
        [luma.mean() / 255.0 - 0.5, *(chroma.mean(axis=(0, 1)) / 64.0)], np.float32
    )
    parts = (
        # The added length keeps the noise of an empty picture from being blown up.
        light / (np.linalg.norm(light) + 20.0),
        colour.ravel() / (np.linalg.norm(colour) + 20.0),
        _edges(luma),
        mean_colour / (np.linalg.norm(mean_colour) + 0.5),
    )
    vector = np.concatenate(
        [weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)]
    ).astype(np.float32)
    length = float(np.linalg.norm(vector))
    if length < 1e-6:  # a picture of one middle grey
        vector[-3] = length = 1.0
    return vector / length


def _edges(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how strong edges are by region (4 x 4) and direction (6), length at most 1."""
    down, across = np.gradient(luma)
    strength = np.maximum(np.hypot(down, across) - _EDGE_NOISE, 0.0)
    direction = np.arctan2(down, across) % np.pi * _DIRECTIONS / np.pi
    # Each edge is shared between the two nearest directions, so a small tilt is a small change.
    lower = np.floor(direction).astype(np.intp) % _DIRECTIONS
    share = direction - np.floor(direction)
    rows = np.arange(ROWS)[:, None] * 4 // ROWS
    columns = np.arange(COLUMNS)[None, :] * 4 // COLUMNS
    region = (rows * 4 + columns) * _DIRECTIONS
    size = 16 * _DIRECTIONS
    histogram = np.bincount(
        (region + lower).ravel(), (strength * (1.0 - share)).ravel(), size
    ) + np.bincount((region + (lower + 1) % _DIRECTIONS).ravel(), (strength * share).ravel(), size)
    histogram = np.sqrt(histogram)  # one strong edge must not hide all others
    return (histogram / (np.linalg.norm(histogram) + 4.0)).astype(np.float32)


def _pool(values: NDArray[np.float32], columns: int, rows: int) -> NDArray[np.float32]:
    """Return the means over `rows` x `columns` regions of a (36, 64, n) grid."""
    row_starts = np.arange(rows) * ROWS // rows
    column_starts = np.arange(columns) * COLUMNS // columns
    sums = np.add.reduceat(np.add.reduceat(values, row_starts, axis=0), column_starts, axis=1)
    heights = np.diff(np.append(row_starts, ROWS))
    widths = np.diff(np.append(column_starts, COLUMNS))
    return sums / (heights[:, None, None] * widths[None, :, None])
