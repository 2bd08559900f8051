"""Paints the scenes of the daily world, and says what lies in each part of the picture.

What a reader would not guess: a scene's ground with its sign is painted once and kept, and so is
every thing of a size, so that a picture costs little more than laying things down.
"""

from __future__ import annotations

import functools
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from omnilive.media.synthetic.daily.catalogue import COLOURS, KIND_NAMES, SIZES, TEXTURES
from omnilive.media.synthetic.daily.extent import SIDES, offsets
from omnilive.media.synthetic.daily.grounds import ground
from omnilive.media.synthetic.daily.records import DailyScene, Group
from omnilive.media.synthetic.daily.shapes import BODY, layers
from omnilive.media.synthetic.records import Span

SIGN_HEIGHT = 0.2
"""The share of the picture, from the top, that a sign takes."""
_LETTER_WIDTH, _LETTER_HEIGHT = 0.18, 0.155
_BOARDS = (((24, 44, 84), (250, 250, 246)), ((248, 246, 236), (24, 24, 28)))
_LEAST_COVER = 0.15  # of a cell; less of a thing is not there for a network to learn
_CELL = 12  # pixels of a cell in the map that labels are counted in
_INK, _CHALK = (18, 18, 22), (252, 252, 252)


class _Stencil(NamedTuple):
    """A thing ready to be laid down: colour times coverage, and what is left of the ground."""

    paint: NDArray[np.uint16]
    rest: NDArray[np.uint16]


def paint(scene: DailyScene, at_ns: int, side: int) -> NDArray[np.uint8]:
    """Return the picture of an instant, (side, side, 3).

    Args:
        scene: equal scenes give equal pictures.
        at_ns: an instant of the scene.
        side: in pixels, at least 48.
    """
    word = scene.sign.word if scene.sign is not None and _is_there(scene.sign, at_ns) else ""
    picture = _empty(scene.place, scene.seed, word, side).copy()
    for group in scene.groups:
        if not _is_there(group, at_ns):
            continue
        for left, top, wide in _squares(group, at_ns, side):
            stencil = _stencil(group.kind, group.colour, group.texture, wide)
            rows, columns, part = _overlap(left, top, wide, side)
            under = picture[rows, columns]
            laid = under * stencil.rest[part]
            laid += stencil.paint[part]
            picture[rows, columns] = laid >> 8
    return picture


def patch_labels(scene: DailyScene, at_ns: int, grid: int) -> NDArray[np.int16]:
    """Return what lies in each cell of a grid laid over the picture, (grid, grid, 6).

    The last axis holds kind, colour, texture, size, letter and count: 1 plus the place in the
    catalogue's tuple (1 to 26 for letters, 1 to 4 for counts), 0 where there is nothing. A thing
    counts for a cell that its body (what has its colour) covers by 15 % or more, and at least for
    the one it covers most; of two the one that covers more. A letter counts for a cell that its
    box covers by half.

    Args:
        scene: what is looked at.
        at_ns: an instant of the scene.
        grid: cells a side.
    """
    labels = np.zeros((grid, grid, 6), np.int16)
    side = grid * _CELL
    owners = np.full((side, side), -1, np.int8)
    there = [group for group in scene.groups if _is_there(group, at_ns)]
    for number, group in enumerate(there):
        for left, top, wide in _squares(group, at_ns, side):
            rows, columns, part = _overlap(left, top, wide, side)
            drawn = layers(group.kind, wide)[:, *part]
            # What is drawn over another thing hides it; only the body has the colour.
            owners[rows, columns][drawn.sum(axis=0, dtype=np.uint16) > 127] = -1
            owners[rows, columns][drawn[BODY] > 127] = number
    best = np.full((grid, grid), 0.0)
    for number, group in enumerate(there):
        cover = (owners == number).reshape(grid, _CELL, grid, _CELL).mean(axis=(1, 3))
        most = cover.max(initial=0.0)
        here = (cover > best) & (cover >= min(_LEAST_COVER, most)) & (cover > 0)
        best[here] = cover[here]
        labels[here, :4] = _traits(group)
        labels[here, 5] = group.count
    if scene.sign is not None and _is_there(scene.sign, at_ns):
        _label_letters(labels, scene.sign.word, scene.seed)
    return labels


def _label_letters(labels: NDArray[np.int16], word: str, seed: int) -> None:
    grid = len(labels)
    edges = np.arange(grid + 1) / grid
    down = np.clip(SIGN_HEIGHT - edges[:-1], 0, 1 / grid) * grid
    for letter, (left, right) in zip(word, _letter_spans(word, seed), strict=True):
        across = (np.minimum(edges[1:], right) - np.maximum(edges[:-1], left)).clip(0) * grid
        labels[np.outer(down, across) >= 0.5, 4] = ord(letter) - ord("A") + 1


def _letter_spans(word: str, seed: int) -> list[tuple[float, float]]:
    """Return from where to where each letter's box goes; the word may stand a little aside."""
    free = 1.0 - len(word) * _LETTER_WIDTH
    start = free / 2 + Random(seed).uniform(-0.4, 0.4) * free
    return [
        (start + number * _LETTER_WIDTH, start + (number + 1) * _LETTER_WIDTH)
        for number in range(len(word))
    ]


def _is_there(thing: Span, at_ns: int) -> bool:
    return thing.start_ns <= at_ns < thing.end_ns


def _traits(group: Group) -> tuple[int, int, int, int]:
    return (
        KIND_NAMES.index(group.kind) + 1,
        tuple(COLOURS).index(group.colour) + 1,
        TEXTURES.index(group.texture) + 1,
        SIZES.index(group.size) + 1,
    )


def _squares(group: Group, at_ns: int, side: int) -> list[tuple[int, int, int]]:
    """Return left, top and side in pixels of each thing of a group."""
    x, y, scale = group.pose_at(at_ns)
    wide = max(4, round(SIDES[group.size] * scale * side))
    return [
        (
            round((x + across * scale) * side - wide / 2),
            round((y + down * scale) * side - wide / 2),
            wide,
        )
        for across, down in offsets(group)
    ]


def _overlap(left: int, top: int, wide: int, side: int) -> tuple[slice, slice, tuple[slice, slice]]:
    """Return the rows and columns of the picture that a square covers, and its part there."""
    rows = slice(min(side, max(0, top)), min(side, max(0, top + wide)))
    columns = slice(min(side, max(0, left)), min(side, max(0, left + wide)))
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    return rows, columns, part


@functools.lru_cache(maxsize=32)
def _empty(place: str, seed: int, word: str, side: int) -> NDArray[np.uint8]:
    """Return a place without things, with its sign."""
    picture = ground(place, seed, side)
    if word:
        rows = round(SIGN_HEIGHT * side)
        picture[:rows] = _board(word, seed, side, rows)
    picture.flags.writeable = False
    return picture


def _board(word: str, seed: int, side: int, rows: int) -> NDArray[np.uint8]:
    board, ink = _BOARDS[seed % 2]
    image = Image.new("RGB", (side, rows), board)
    ImageDraw.Draw(image).rectangle((0, 0, side - 1, rows - 1), outline=ink)
    high, widest = round(_LETTER_HEIGHT * side), round(_LETTER_WIDTH * side) - 2
    for letter, (left, right) in zip(word, _letter_spans(word, seed), strict=True):
        mask = _letter(letter, high, widest)
        place = (round((left + right) / 2 * side - mask.width / 2), (rows - mask.height) // 2)
        image.paste(ink, place, mask)
    return np.asarray(image)


@functools.lru_cache(maxsize=128)
def _letter(letter: str, high: int, widest: int) -> Image.Image:
    """Return the mask of a block letter, exactly so high and at most so wide."""
    font = ImageFont.load_default(size=high * 4)
    weight = max(1, round(high * 0.2))
    left, top, right, bottom = font.getbbox(letter, stroke_width=weight)
    large = Image.new("L", (round(right - left), round(bottom - top)), 0)
    ImageDraw.Draw(large).text(
        (-left, -top), letter, fill=255, font=font, stroke_width=weight, stroke_fill=255
    )
    wide = min(widest, max(1, round(large.width * high / large.height)))
    return large.resize((wide, high), Image.Resampling.BOX)


@functools.lru_cache(maxsize=1024)
def _stencil(kind: str, colour: str, texture: str, side: int) -> _Stencil:
    own = np.array(COLOURS[colour], np.float32)
    is_pale = colour in ("white", "yellow", "orange")
    outline = np.array(_CHALK if colour == "black" else _INK, np.float32)
    detail = own * 0.5 if colour != "black" else np.array((104, 104, 104), np.float32)
    light = own * 0.25 + 0.75 * 255
    if colour == "white":
        detail, light = own * 0.45, own * 0.8
    mark = own * 0.36 if is_pale else own * 0.2 + 0.8 * 255
    share = _texture_share(texture, side)[:, :, np.newaxis]
    body = own * (1 - share) + mark * share
    parts = layers(kind, side)[:, :, :, np.newaxis] * np.float32(256 / 255)
    laid = parts[0] * outline + parts[1] * body + parts[2] * detail + parts[3] * light
    rest = 256 - np.minimum(256, np.ceil(parts.sum(axis=0)))
    # Rounded down both, so that their sum never passes 255 * 256.
    laid = np.minimum(laid, (256 - rest) * 255)
    return _Stencil(laid.astype(np.uint16), rest.astype(np.uint16))


def _texture_share(texture: str, side: int) -> NDArray[np.float32]:
    """Return how much of each pixel of a square has the colour of stripes or dots, 0..1."""
    if texture == "plain":
        return np.zeros((side, side), np.float32)
    fine = 4
    at = (np.arange(side * fine) + 0.5) / fine
    period = max(4.0, side / 5)
    if texture == "striped":
        marked = np.broadcast_to((at % period < 0.42 * period)[np.newaxis, :], (at.size, at.size))
    else:
        offset = (at % period) / period - 0.5
        marked = np.hypot(offset[:, np.newaxis], offset[np.newaxis, :]) < 0.33
    cells = marked.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return cells.astype(np.float32)
