"""The silhouettes of the 24 kinds of things, as simple shapes in a unit square.

A drawing has layers: the body, which has the thing's colour and texture; details in a darker
shade; lights in a paler one. What is drawn later covers what was drawn before; a hole shows the
ground. (0, 0) is the left upper corner.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

HOLE, BODY, DETAIL, LIGHT = 0, 1, 2, 3
_OVERSAMPLE = 4
_MARGIN = 0.05  # of the side, kept free for the outline

Point: TypeAlias = tuple[float, float]


class Pencil:
    """Draws into a square picture of layer numbers with coordinates from 0 to 1."""

    def __init__(self, side: int) -> None:
        self._side = side
        self.image = Image.new("L", (side, side), HOLE)
        self._draw = ImageDraw.Draw(self.image)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, layer: int = BODY, r: float = 0.0
    ) -> None:
        """Draw a rectangle, with round corners of radius r."""
        corners = (*self._at(x0, y0), *self._at(x1, y1))
        self._draw.rounded_rectangle(corners, self._length(r), fill=layer)

    def oval(self, x: float, y: float, rx: float, ry: float, layer: int = BODY) -> None:
        """Draw an ellipse around a middle."""
        corners = (*self._at(x - rx, y - ry), *self._at(x + rx, y + ry))
        self._draw.ellipse(corners, fill=layer)

    def area(self, *points: Point, layer: int = BODY) -> None:
        """Draw a polygon."""
        self._draw.polygon([self._at(*point) for point in points], fill=layer)

    def line(self, *points: Point, width: float, layer: int = BODY) -> None:
        """Draw a line with round ends."""
        ends = [self._at(*point) for point in points]
        self._draw.line(ends, fill=layer, width=round(self._length(width)), joint="curve")
        for x, y in points:
            self.oval(x, y, width / 2, width / 2, layer)

    def slice(
        self, x: float, y: float, r: float, from_: float, to: float, layer: int = BODY
    ) -> None:
        """Draw a slice of a disc; angles in degrees, clockwise from the right."""
        corners = (*self._at(x - r, y - r), *self._at(x + r, y + r))
        self._draw.pieslice(corners, from_, to, fill=layer)

    def _at(self, x: float, y: float) -> Point:
        room = (self._side - 1) * (1 - 2 * _MARGIN)
        edge = (self._side - 1) * _MARGIN
        return edge + x * room, edge + y * room

    def _length(self, part: float) -> float:
        return max(0.0, part * self._side * (1 - 2 * _MARGIN))


def _umbrella(p: Pencil) -> None:
    p.slice(0.5, 0.56, 0.52, 180, 360)
    for x in (0.15, 0.5, 0.85):
        p.oval(x, 0.56, 0.15, 0.08, HOLE)
    p.line((0.5, 0.48), (0.5, 0.9), (0.6, 0.96), (0.7, 0.88), width=0.08, layer=DETAIL)
    p.line((0.5, 0.0), (0.5, 0.06), width=0.06, layer=DETAIL)


def _cup(p: Pencil) -> None:
    p.oval(0.76, 0.48, 0.24, 0.24)
    p.oval(0.76, 0.48, 0.12, 0.12, HOLE)
    p.area((0.02, 0.14), (0.8, 0.14), (0.7, 0.94), (0.12, 0.94))
    p.oval(0.41, 0.14, 0.39, 0.1, DETAIL)


def _book(p: Pencil) -> None:
    p.area((0.0, 0.04), (0.5, 0.24), (0.5, 0.98), (0.0, 0.76))
    p.area((1.0, 0.04), (0.5, 0.24), (0.5, 0.98), (1.0, 0.76))
    p.line((0.5, 0.26), (0.5, 0.94), width=0.07, layer=DETAIL)
    for y in (0.28, 0.5):
        p.line((0.12, y), (0.36, y + 0.1), width=0.06, layer=DETAIL)
        p.line((0.88, y), (0.64, y + 0.1), width=0.06, layer=DETAIL)


def _ball(p: Pencil) -> None:
    p.oval(0.5, 0.5, 0.5, 0.5)
    p.area((0.5, 0.34), (0.66, 0.46), (0.6, 0.64), (0.4, 0.64), (0.34, 0.46), layer=DETAIL)
    for x, y in ((0.5, 0.04), (0.96, 0.38), (0.8, 0.9), (0.2, 0.9), (0.04, 0.38)):
        p.line((0.5 + (x - 0.5) * 0.4, 0.5 + (y - 0.5) * 0.4), (x, y), width=0.05, layer=DETAIL)


def _key(p: Pencil) -> None:
    p.line((0.3, 0.4), (0.98, 0.4), width=0.17)
    p.box(0.64, 0.4, 0.76, 0.7)
    p.box(0.86, 0.4, 1.0, 0.78)
    p.oval(0.26, 0.4, 0.28, 0.28)
    p.oval(0.22, 0.4, 0.12, 0.12, HOLE)


def _lamp(p: Pencil) -> None:
    p.box(0.44, 0.5, 0.56, 0.9, DETAIL)
    p.box(0.2, 0.86, 0.8, 1.0, DETAIL, 0.06)
    p.area((0.3, 0.0), (0.7, 0.0), (0.98, 0.56), (0.02, 0.56))


def _clock(p: Pencil) -> None:
    for x in (0.18, 0.82):
        p.oval(x, 0.14, 0.18, 0.14, DETAIL)
        p.line((0.5, 0.56), (x, 0.96), width=0.12, layer=DETAIL)
    p.oval(0.5, 0.56, 0.42, 0.4)
    p.line((0.5, 0.28), (0.5, 0.58), (0.72, 0.66), width=0.09, layer=DETAIL)


def _chair(p: Pencil) -> None:
    p.box(0.12, 0.0, 0.3, 1.0)
    p.box(0.12, 0.46, 0.9, 0.64)
    p.box(0.74, 0.5, 0.9, 1.0)
    p.box(0.3, 0.78, 0.74, 0.84, DETAIL)


def _bottle(p: Pencil) -> None:
    p.box(0.42, 0.1, 0.58, 0.36)
    p.area((0.42, 0.26), (0.58, 0.26), (0.74, 0.44), (0.26, 0.44))
    p.box(0.26, 0.42, 0.74, 1.0, BODY, 0.06)
    p.box(0.4, 0.0, 0.6, 0.12, DETAIL)
    p.box(0.26, 0.6, 0.74, 0.66, DETAIL)


def _hat(p: Pencil) -> None:
    p.oval(0.5, 0.76, 0.5, 0.17)
    p.area((0.26, 0.1), (0.74, 0.1), (0.8, 0.74), (0.2, 0.74))
    p.oval(0.5, 0.12, 0.24, 0.08)
    p.area((0.22, 0.56), (0.78, 0.56), (0.8, 0.7), (0.2, 0.7), layer=DETAIL)


def _car(p: Pencil) -> None:
    p.area((0.2, 0.44), (0.32, 0.18), (0.68, 0.18), (0.84, 0.44))
    p.box(0.0, 0.42, 1.0, 0.74, BODY, 0.1)
    p.area((0.3, 0.42), (0.37, 0.26), (0.48, 0.26), (0.48, 0.42), layer=LIGHT)
    p.area((0.55, 0.42), (0.55, 0.26), (0.65, 0.26), (0.74, 0.42), layer=LIGHT)
    for x in (0.24, 0.76):
        p.oval(x, 0.74, 0.15, 0.15, DETAIL)


def _boat(p: Pencil) -> None:
    p.area((0.0, 0.7), (1.0, 0.7), (0.8, 0.98), (0.2, 0.98), layer=DETAIL)
    p.box(0.47, 0.0, 0.53, 0.72, DETAIL)
    p.area((0.44, 0.02), (0.44, 0.62), (0.04, 0.62))
    p.area((0.57, 0.1), (0.57, 0.62), (0.94, 0.62))


def _tree(p: Pencil) -> None:
    p.box(0.4, 0.7, 0.6, 1.0, DETAIL)
    p.area((0.5, 0.0), (0.78, 0.34), (0.22, 0.34))
    p.area((0.5, 0.18), (0.9, 0.58), (0.1, 0.58))
    p.area((0.5, 0.38), (1.0, 0.82), (0.0, 0.82))


def _fish(p: Pencil) -> None:
    p.area((0.62, 0.5), (1.0, 0.2), (1.0, 0.8))
    p.area((0.3, 0.3), (0.5, 0.08), (0.62, 0.32))
    p.oval(0.4, 0.5, 0.4, 0.27)
    p.oval(0.19, 0.43, 0.06, 0.06, DETAIL)
    p.line((0.02, 0.56), (0.14, 0.58), width=0.04, layer=DETAIL)


def _phone(p: Pencil) -> None:
    p.area((0.24, 0.34), (0.76, 0.34), (0.98, 0.96), (0.02, 0.96))
    p.box(0.0, 0.1, 1.0, 0.26, BODY, 0.08)
    p.box(0.0, 0.1, 0.26, 0.42, BODY, 0.08)
    p.box(0.74, 0.1, 1.0, 0.42, BODY, 0.08)
    p.oval(0.5, 0.64, 0.21, 0.2, DETAIL)
    p.oval(0.5, 0.64, 0.09, 0.08, LIGHT)


def _hammer(p: Pencil) -> None:
    p.box(0.4, 0.2, 0.58, 1.0, DETAIL, 0.04)
    p.box(0.06, 0.04, 0.62, 0.36)
    p.area((0.6, 0.04), (0.82, 0.06), (1.0, 0.34), (0.78, 0.24), (0.6, 0.34))


def _ladder(p: Pencil) -> None:
    p.box(0.14, 0.0, 0.3, 1.0)
    p.box(0.7, 0.0, 0.86, 1.0)
    for y in (0.1, 0.42, 0.74):
        p.box(0.14, y, 0.86, y + 0.15)


def _box(p: Pencil) -> None:
    p.area((0.0, 0.3), (0.28, 0.06), (1.0, 0.06), (0.72, 0.3), layer=LIGHT)
    p.area((0.72, 0.3), (1.0, 0.06), (1.0, 0.7), (0.72, 0.96), layer=DETAIL)
    p.box(0.0, 0.3, 0.72, 0.96)


def _candle(p: Pencil) -> None:
    p.box(0.32, 0.36, 0.68, 0.9)
    p.box(0.08, 0.84, 0.92, 1.0, DETAIL, 0.06)
    p.line((0.5, 0.26), (0.5, 0.36), width=0.06, layer=DETAIL)
    p.area((0.5, 0.0), (0.62, 0.18), (0.5, 0.3), (0.38, 0.18), layer=LIGHT)


def _envelope(p: Pencil) -> None:
    p.box(0.0, 0.22, 1.0, 0.8)
    p.line((0.03, 0.26), (0.5, 0.58), (0.97, 0.26), width=0.07, layer=DETAIL)


def _microwave(p: Pencil) -> None:
    p.box(0.06, 0.8, 0.2, 0.92, DETAIL)
    p.box(0.8, 0.8, 0.94, 0.92, DETAIL)
    p.box(0.0, 0.16, 1.0, 0.84, BODY, 0.04)
    p.box(0.1, 0.3, 0.6, 0.7, LIGHT)
    for y in (0.32, 0.5, 0.68):
        p.oval(0.82, y, 0.06, 0.06, DETAIL)


def _camera(p: Pencil) -> None:
    p.area((0.3, 0.3), (0.38, 0.12), (0.62, 0.12), (0.7, 0.3))
    p.box(0.08, 0.16, 0.24, 0.3, DETAIL)
    p.box(0.0, 0.26, 1.0, 0.9, BODY, 0.08)
    p.oval(0.5, 0.58, 0.24, 0.24, DETAIL)
    p.oval(0.5, 0.58, 0.12, 0.12, LIGHT)


def _guitar(p: Pencil) -> None:
    p.box(0.44, 0.08, 0.56, 0.6, DETAIL)
    p.box(0.38, 0.0, 0.62, 0.13, DETAIL)
    p.oval(0.5, 0.52, 0.22, 0.17)
    p.oval(0.5, 0.78, 0.33, 0.22)
    p.oval(0.5, 0.62, 0.1, 0.09, DETAIL)


def _glasses(p: Pencil) -> None:
    for x in (0.24, 0.76):
        p.box(x - 0.24, 0.34, x + 0.24, 0.78, BODY, 0.16)
        p.oval(x, 0.57, 0.14, 0.12, LIGHT)
    p.line((0.42, 0.42), (0.58, 0.42), width=0.1)
    p.line((0.04, 0.42), (0.04, 0.2), (0.14, 0.2), width=0.08)
    p.line((0.96, 0.42), (0.96, 0.2), (0.86, 0.2), width=0.08)


_DRAWINGS: dict[str, Callable[[Pencil], None]] = {
    "umbrella": _umbrella,
    "cup": _cup,
    "book": _book,
    "ball": _ball,
    "key": _key,
    "lamp": _lamp,
    "clock": _clock,
    "chair": _chair,
    "bottle": _bottle,
    "hat": _hat,
    "car": _car,
    "boat": _boat,
    "tree": _tree,
    "fish": _fish,
    "phone": _phone,
    "hammer": _hammer,
    "ladder": _ladder,
    "box": _box,
    "candle": _candle,
    "envelope": _envelope,
    "microwave": _microwave,
    "camera": _camera,
    "guitar": _guitar,
    "glasses": _glasses,
}


@functools.lru_cache(maxsize=512)
def layers(kind: str, side: int) -> NDArray[np.uint8]:
    """Return how much of each pixel is outline, body, detail and light, 0..255.

    Args:
        kind: of the catalogue.
        side: in pixels, at least 4.

    Returns:
        (4, side, side); what is left to 255 is ground.
    """
    pencil = Pencil(side * _OVERSAMPLE)
    _DRAWINGS[kind](pencil)
    numbers = np.asarray(pencil.image)
    parts = [_shrunk(numbers == layer, side) for layer in (BODY, DETAIL, LIGHT)]
    thing = rim = _shrunk(numbers != HOLE, side)
    # About one pixel of outline in a small picture, more in a large one.
    for _ in range(max(1, round(side * _MARGIN * 0.9))):
        rim = rim.filter(ImageFilter.MaxFilter(3))
    stacked = np.stack([np.asarray(part) for part in (ImageChops.subtract(rim, thing), *parts)])
    stacked.flags.writeable = False
    return stacked


def _shrunk(mask: NDArray[np.bool_], side: int) -> Image.Image:
    large = Image.fromarray(mask.astype(np.uint8) * 255)
    return large.resize((side, side), Image.Resampling.BOX)
