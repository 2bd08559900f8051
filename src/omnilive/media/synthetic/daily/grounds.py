"""The grounds of the 12 places: bands of quiet colours and plain motifs, varied by a seed.

Their colours are pale and mixed with grey, so that no thing of the catalogue's colours is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]
_NOISE = 5  # steps of brightness either way
_TINT = 9  # how far the light of a scene may shift each colour


class _Board:
    """A picture that is drawn on with coordinates from 0 to 1."""

    def __init__(self, side: int, colour: Colour) -> None:
        self._side = side
        self.image = Image.new("RGB", (side, side), colour)
        self._draw = ImageDraw.Draw(self.image)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Draw a rectangle."""
        s = self._side
        right, bottom = max(x0 * s, x1 * s - 1), max(y0 * s, y1 * s - 1)
        self._draw.rectangle((x0 * s, y0 * s, right, bottom), fill=colour)

    def area(self, *points: tuple[float, float], colour: Colour) -> None:
        """Draw a polygon."""
        self._draw.polygon([(x * self._side, y * self._side) for x, y in points], fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Draw an ellipse around a middle."""
        s = self._side
        self._draw.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=colour)


def _kitchen(b: _Board, rng: Random) -> None:
    step = rng.uniform(0.11, 0.15)
    for number in range(1, 9):
        b.box(number * step, 0, number * step + 0.012, 0.6, (210, 202, 184))
        b.box(0, number * step, 1, number * step + 0.012, (210, 202, 184))
    b.box(0, 0.6, 1, 0.66, (158, 150, 140))
    b.box(0, 0.66, 1, 1, (196, 178, 152))
    for x in (0.05, 0.37, 0.69):
        b.box(x, 0.71, x + 0.27, 0.95, (184, 165, 138))


def _garden(b: _Board, rng: Random) -> None:
    b.box(0, 0.3, 1, 0.55, (128, 158, 122))
    for number in range(7):
        b.oval(number / 6, 0.3 + rng.uniform(-0.02, 0.02), 0.1, 0.07, (128, 158, 122))
    b.box(0, 0.55, 1, 1, (172, 196, 148))
    for _ in range(14):
        b.oval(rng.random(), rng.uniform(0.6, 0.98), 0.012, 0.012, (226, 196, 206))


def _street(b: _Board, rng: Random) -> None:
    left = rng.uniform(-0.12, 0.0)
    for number, shade in enumerate((188, 172, 196, 178, 190)):
        x = left + number * 0.24
        b.box(x, 0.22 + 0.05 * (number % 3), x + 0.23, 0.68, (shade, shade - 16, shade - 24))
        for row in (0.36, 0.5):
            for column in (0.04, 0.14):
                b.box(x + column, row, x + column + 0.05, row + 0.07, (150, 156, 168))
    b.box(0, 0.68, 1, 0.74, (186, 184, 180))
    b.box(0, 0.74, 1, 1, (118, 120, 126))
    for number in range(5):
        b.box(number * 0.25 + left, 0.86, number * 0.25 + left + 0.13, 0.885, (200, 200, 196))


def _office(b: _Board, rng: Random) -> None:
    x = rng.uniform(0.06, 0.2)
    for left in (x, x + 0.42):
        b.box(left, 0.2, left + 0.34, 0.6, (226, 234, 240))
        for row in range(6):
            b.box(left, 0.23 + row * 0.065, left + 0.34, 0.25 + row * 0.065, (178, 190, 204))
    b.box(0, 0.72, 1, 0.78, (160, 128, 100))
    b.box(0, 0.78, 1, 1, (188, 158, 128))


def _beach(b: _Board, rng: Random) -> None:
    b.box(0, 0.36, 1, 0.58, (122, 178, 194))
    for row in (0.42, 0.48, 0.54):
        for _ in range(5):
            x = rng.random()
            b.box(x, row, x + 0.12, row + 0.012, (170, 208, 216))
    b.area((0, 0.56), (1, 0.6), (1, 1), (0, 1), colour=(226, 206, 164))
    b.oval(rng.uniform(0.1, 0.9), 0.16, 0.07, 0.07, (240, 232, 200))


def _garage(b: _Board, rng: Random) -> None:
    b.box(0.1, 0.16, 0.9, 0.72, (146, 148, 152))
    for row in range(7):
        b.box(0.1, 0.19 + row * 0.078, 0.9, 0.205 + row * 0.078, (110, 112, 118))
    b.box(0, 0.72, 1, 1, (96, 94, 92))
    for _ in range(3):
        b.oval(rng.random(), rng.uniform(0.8, 0.95), 0.08, 0.025, (82, 80, 80))


def _bedroom(b: _Board, rng: Random) -> None:
    x = rng.uniform(0.1, 0.6)
    b.box(x, 0.2, x + 0.28, 0.42, (176, 160, 142))
    b.box(x + 0.03, 0.23, x + 0.25, 0.39, (224, 220, 226))
    b.box(0.06, 0.46, 0.94, 0.68, (170, 138, 128))
    b.box(0, 0.64, 1, 1, (222, 188, 198))
    for left in (0.14, 0.56):
        b.box(left, 0.54, left + 0.3, 0.66, (238, 228, 228))


def _forest(b: _Board, rng: Random) -> None:
    for number in range(7):
        x = number / 7 + rng.uniform(0.0, 0.06)
        shade = rng.randint(-10, 10)
        b.box(x, 0, x + rng.uniform(0.04, 0.08), 0.78, (118 + shade, 100 + shade, 84 + shade))
    b.box(0, 0.74, 1, 1, (112, 116, 78))
    for _ in range(12):
        b.oval(rng.random(), rng.uniform(0.76, 1.0), 0.05, 0.018, (128, 104, 74))


def _station(b: _Board, rng: Random) -> None:
    left = rng.uniform(0.02, 0.1)
    for number in range(4):
        b.box(left + number * 0.28, 0, left + number * 0.28 + 0.07, 0.6, (166, 160, 158))
    b.box(0, 0.6, 1, 0.72, (190, 186, 180))
    b.box(0, 0.72, 1, 0.755, (226, 206, 120))
    b.box(0, 0.755, 1, 1, (92, 84, 80))
    for number in range(9):
        b.box(number * 0.12, 0.8, number * 0.12 + 0.04, 0.98, (124, 106, 92))
    b.box(0, 0.84, 1, 0.86, (160, 162, 166))
    b.box(0, 0.92, 1, 0.94, (160, 162, 166))


def _shop(b: _Board, rng: Random) -> None:
    soft = ((204, 160, 140), (170, 184, 160), (160, 176, 196), (210, 190, 150))
    for row in (0.34, 0.52, 0.7):
        x = 0.04
        while x < 0.92:
            width, height = rng.uniform(0.05, 0.09), rng.uniform(0.06, 0.11)
            b.box(x, row - height, x + width, row, rng.choice(soft))
            x += width + 0.03
        b.box(0, row, 1, row + 0.025, (160, 130, 106))
    for number in range(8):
        for row in range(2):
            shade = (188, 178, 168) if (number + row) % 2 else (216, 208, 198)
            b.box(number / 8, 0.78 + row * 0.11, (number + 1) / 8, 0.89 + row * 0.11, shade)


def _bathroom(b: _Board, rng: Random) -> None:
    shift = rng.uniform(0.0, 0.08)
    for number in range(13):
        at = shift + number * 0.08
        b.box(at, 0, at + 0.01, 0.68, (136, 190, 190))
        if at < 0.67:
            b.box(0, at, 1, at + 0.01, (136, 190, 190))
    b.box(0, 0.68, 1, 0.76, (236, 240, 240))
    b.box(0, 0.76, 1, 1, (206, 222, 226))


def _park(b: _Board, rng: Random) -> None:
    b.oval(rng.uniform(0.1, 0.9), 0.2, 0.14, 0.05, (236, 242, 246))
    b.area((0, 0.5), (0.5, 0.42), (1, 0.5), (1, 1), (0, 1), colour=(150, 184, 128))
    x = rng.uniform(0.2, 0.6)
    b.area((x + 0.08, 0.45), (x + 0.14, 0.45), (x + 0.5, 1), (x + 0.05, 1), colour=(214, 200, 172))
    b.oval(rng.choice((0.14, 0.86)), 0.72, 0.13, 0.06, (140, 182, 196))


_DRAWINGS: dict[str, tuple[Colour, Callable[[_Board, Random], None]]] = {
    "kitchen": ((232, 226, 208), _kitchen),
    "garden": ((194, 216, 228), _garden),
    "street": ((198, 206, 214), _street),
    "office": ((198, 208, 220), _office),
    "beach": ((190, 216, 232), _beach),
    "garage": ((126, 126, 128), _garage),
    "bedroom": ((196, 188, 214), _bedroom),
    "forest": ((142, 160, 130), _forest),
    "station": ((212, 204, 194), _station),
    "shop": ((234, 210, 188), _shop),
    "bathroom": ((166, 214, 212), _bathroom),
    "park": ((196, 222, 240), _park),
}


def ground(place: str, seed: int, side: int) -> NDArray[np.uint8]:
    """Return the picture of an empty place, (side, side, 3).

    Args:
        place: of the catalogue.
        seed: of the light, of where motifs lie, and of the noise of the camera.
        side: in pixels.
    """
    rng = Random(f"{place} {seed}")
    colour, draw = _DRAWINGS[place]
    board = _Board(side, colour)
    draw(board, rng)
    # One draw of 96 x 96 serves every size: noise is repeated over larger pictures.
    grain = np.random.default_rng(seed).integers(-_NOISE, _NOISE + 1, (96, 96, 1), dtype=np.int16)
    repeats = -(-side // 96)
    noise = np.tile(grain, (repeats, repeats, 1))[:side, :side]
    tint = np.array([rng.randint(-_TINT, _TINT) for _ in range(3)], np.int16)
    return np.clip(np.asarray(board.image).astype(np.int16) + noise + tint, 0, 255).astype(np.uint8)
