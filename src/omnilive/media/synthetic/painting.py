"""Paints the pictures of a synthetic world.

What a reader would not guess: everything of a scene that does not move is painted once and kept;
a frame in which nothing moves is the same array as the one before, marked read-only.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from omnilive.events import NS_PER_S, Pixels
from omnilive.media.synthetic.records import Colour, Scene, Text, Thing
from omnilive.media.synthetic.world import World

_INK: Colour = (38, 44, 56)
_ACCENT: Colour = (74, 120, 156)
_TEXTURE = 3  # steps of brightness either way, fixed within a scene
_OVERSAMPLE = 4
_NUM_GRAINS = 16
_CLOCK_BEGINS_S = 9 * 3600


class _Sprite(NamedTuple):
    """A shape ready to be laid over a picture: colour, and coverage 0..256."""

    colour: NDArray[np.uint16]
    coverage: NDArray[np.uint16]


class Painter:
    """Pictures of one world at one size.

    Args:
        world: whose pictures.
        size: width and height in pixels, at least 64 each.
    """

    def __init__(self, world: World, size: tuple[int, int] = (854, 480)) -> None:
        self._world = world
        self._width, self._height = size
        self._base = functools.lru_cache(maxsize=4)(self._paint_base)
        self._sprite = functools.lru_cache(maxsize=16)(self._paint_sprite)
        self._clock = functools.lru_cache(maxsize=4)(self._paint_clock)
        self._grains = self._make_grains()

    def frame(self, at_ns: int) -> Pixels:
        """Return the picture at an instant, (height, width, 3); it must not be written to."""
        scene = self._scene(at_ns)
        picture = self._base(scene)
        moving = [thing for thing in scene.things if thing.moving is not None]
        if moving:
            picture = picture.copy()
            for thing in moving:
                self._lay(picture, thing, at_ns)
        if scene.kind == "still":
            picture = picture.copy()
            clock = self._clock(_CLOCK_BEGINS_S + at_ns // NS_PER_S)
            margin = self._height // 24
            picture[margin : margin + clock.shape[0], -margin - clock.shape[1] : -margin] = clock
        if self._grains:
            # Seeded by the instant: the same frame is the same however it was reached.
            choice = np.random.default_rng((self._world.seed & 0xFFFFFFFF, at_ns))
            # Adding modulo 256 is adding: brightness was kept away from both ends.
            picture = picture + self._grains[int(choice.integers(len(self._grains)))]
        picture.flags.writeable = False
        return picture

    def is_like(self, at_ns: int, before_ns: int) -> bool:
        """Return whether the frames at two instants are the same picture."""
        scene = self._scene(at_ns)
        if scene.kind == "still" or self._grains or scene != self._scene(before_ns):
            return False
        return all(_place(thing, at_ns) == _place(thing, before_ns) for thing in scene.things)

    def _scene(self, at_ns: int) -> Scene:
        segment = self._world.segment(self._world.segment_at(at_ns))
        for scene in segment.scenes:
            if at_ns < scene.end_ns:
                return scene
        return segment.scenes[-1]

    def _paint_base(self, scene: Scene) -> Pixels:
        width, height = self._width, self._height
        rng = np.random.default_rng((self._world.seed & 0xFFFFFFFF, scene.index))
        # Lighter at the top, as by a lamp; a fixed fine texture over it.
        shade = np.linspace(8.0, -10.0, height)[:, np.newaxis, np.newaxis]
        texture = rng.integers(-_TEXTURE, _TEXTURE + 1, (height, width, 1))
        paper = np.asarray(scene.background) + shade + texture
        image = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(image)
        if scene.kind in ("room", "still"):
            floor = tuple(round(part * 0.88) for part in scene.background)
            draw.rectangle((0, round(height * 0.58), width, height), fill=floor)
        if scene.text is not None:
            if scene.kind == "slide":
                self._write_slide(draw, scene.text)
            else:
                self._write_sign(draw, scene.text)
        base = np.asarray(image).copy()
        for thing in scene.things:
            if thing.moving is None:
                self._lay(base, thing, scene.start_ns)
        grain = self._world.config.grain
        if grain:
            base = np.clip(base, grain, 255 - grain)
        base.flags.writeable = False
        return base

    def _write_slide(self, draw: ImageDraw.ImageDraw, text: Text) -> None:
        width, height = self._width, self._height
        left = round(width * 0.1)
        draw.rectangle((0, 0, round(width * 0.025), height), fill=_ACCENT)
        room = round(width * 0.85)
        draw.text((left, height * 0.14), text.title, _INK, _font(text.title, 0.1 * height, room))
        rule = round(height * 0.29)
        draw.rectangle((left, rule, round(width * 0.55), rule + max(2, height // 160)), _ACCENT)
        for number, line in enumerate(text.lines):
            top = height * (0.38 + 0.16 * number)
            draw.text((left, top), line, _INK, _font(line, 0.075 * height, room))

    def _write_sign(self, draw: ImageDraw.ImageDraw, text: Text) -> None:
        width, height = self._width, self._height
        font = _font(text.title, 0.14 * height, round(width * 0.7))
        left, top, right, bottom = draw.textbbox((width / 2, height / 2), text.title, font, "mm")
        pad = height * 0.09
        draw.rounded_rectangle(
            (left - pad, top - pad, right + pad, bottom + pad),
            radius=height * 0.03,
            fill=(250, 250, 246),
            outline=_INK,
            width=max(2, height // 120),
        )
        draw.text((width / 2, height / 2), text.title, _INK, font, "mm")

    def _paint_sprite(self, thing: Thing) -> _Sprite:
        side = max(4, round(thing.size * self._height))
        large = side * _OVERSAMPLE
        mask = Image.new("L", (large, large), 0)
        draw = ImageDraw.Draw(mask)
        if thing.shape == "circle":
            draw.ellipse((0, 0, large - 1, large - 1), fill=255)
        elif thing.shape == "square":
            edge = large * 0.06
            draw.rounded_rectangle((edge, edge, large - edge, large - edge), large * 0.06, 255)
        else:
            draw.polygon(((large / 2, 0), (large - 1, large - 1), (0, large - 1)), fill=255)
        small = mask.resize((side, side), Image.Resampling.BOX)
        coverage = np.asarray(small).astype(np.uint16)[:, :, np.newaxis]
        coverage += coverage >> 7  # 0..255 becomes 0..256
        # A little light from above makes it look less flat.
        light = np.linspace(1.08, 0.9, side)[:, np.newaxis, np.newaxis]
        colour = np.clip(np.asarray(thing.colour) * light, 0, 255)
        return _Sprite(np.broadcast_to(colour, (side, side, 3)).astype(np.uint16), coverage)

    def _lay(self, picture: Pixels, thing: Thing, at_ns: int) -> None:
        """Lay a thing over the picture where it is at that instant; parts outside are cut."""
        sprite = self._sprite(thing)
        side = sprite.coverage.shape[0]
        x, y = _place(thing, at_ns)
        left = round(x * self._width - side / 2)
        top = round(y * self._height - side / 2)
        rows = slice(max(0, top), min(self._height, top + side))
        columns = slice(max(0, left), min(self._width, left + side))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        part = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        cover = sprite.coverage[part]
        under = picture[rows, columns].astype(np.uint16)
        over = sprite.colour[part]
        picture[rows, columns] = ((over * cover + under * (256 - cover)) >> 8).astype(np.uint8)

    def _paint_clock(self, second: int) -> Pixels:
        text = f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        font = ImageFont.load_default(size=max(10, round(self._height * 0.07)))
        image = Image.new("RGB", (round(self._height * 0.36), round(self._height * 0.11)), _INK)
        draw = ImageDraw.Draw(image)
        draw.text((image.width / 2, image.height / 2), text, (235, 235, 225), font, "mm")
        grain = self._world.config.grain
        return np.clip(np.asarray(image), grain, 255 - grain)

    def _make_grains(self) -> list[Pixels]:
        grain = self._world.config.grain
        if not grain:
            return []
        rng = np.random.default_rng((self._world.seed & 0xFFFFFFFF, 1))
        shape = (self._height, self._width, 3)
        return [
            rng.integers(-grain, grain + 1, shape, dtype=np.int8).view(np.uint8)
            for _ in range(_NUM_GRAINS)
        ]


def _place(thing: Thing, at_ns: int) -> tuple[float, float]:
    """Return where the middle of a thing is, as fractions of the picture."""
    first, last = thing.path[0], thing.path[-1]
    if len(thing.path) == 1 or at_ns <= first.at_ns:
        return first.x, first.y
    done = min(1.0, (at_ns - first.at_ns) / (last.at_ns - first.at_ns))
    return first.x + done * (last.x - first.x), first.y + done * (last.y - first.y)


def _font(text: str, size: float, room: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, at most so large, and so that the text fits the room."""
    font = ImageFont.load_default(size=max(8, round(size)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    length = font.getlength(text)
    return font if length <= room else font.font_variant(size=max(8, int(size * room / length)))
