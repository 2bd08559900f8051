"""Plans what the picture shows: scenes with shapes that stand or move, slides, signs."""

from __future__ import annotations

import random
from typing import Literal

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.records import Colour, Scene, Text, Thing, Waypoint
from omnilive.media.synthetic.vocabulary import FILLER_LINES, FILLER_TITLES, Shown

_MS = 1_000_000
_SCENE_MIN_NS = 8 * NS_PER_S
_SCENE_MAX_NS = 60 * NS_PER_S
_SHAPES: tuple[Literal["circle", "square", "triangle"], ...] = ("circle", "square", "triangle")
_PAPER: tuple[Colour, Colour] = ((246, 244, 238), (226, 234, 242))

# Neighbouring segments draw from different halves, so that every change of scene shows.
BACKGROUNDS: tuple[tuple[Colour, ...], tuple[Colour, ...]] = (
    ((202, 219, 226), (226, 214, 196), (196, 214, 196), (214, 202, 220)),
    ((150, 172, 184), (232, 224, 180), (178, 160, 150), (228, 200, 196)),
)
COLOURS: dict[str, Colour] = {
    "red": (196, 62, 56),
    "blue": (52, 98, 172),
    "green": (64, 142, 92),
    "orange": (222, 138, 48),
    "purple": (124, 82, 158),
    "white": (246, 246, 244),
    "black": (44, 46, 52),
}


def life_scenes(
    rng: random.Random, index: int, span: tuple[int, int], shown: Shown | None, is_last: bool
) -> tuple[Scene, ...]:
    """Plan the scenes of a segment: 8 to 60 s each, one of them with text."""
    num = min(rng.choice((2, 3, 3, 4)), (span[1] - span[0]) // _SCENE_MIN_NS)
    cuts = _cut(rng, span, _SCENE_MIN_NS, max(1, num))
    texted = len(cuts) - 1 if is_last else rng.randrange(len(cuts))
    # Where nothing is asked about, half of the segments show a slide that says little.
    with_filler = shown is None and rng.random() < 0.5
    backgrounds = rng.sample(BACKGROUNDS[index % 2], len(BACKGROUNDS[0]))
    colours = rng.sample(sorted(COLOURS), len(COLOURS))
    scenes: list[Scene] = []
    for number, cut in enumerate(cuts):
        background = backgrounds[number % len(backgrounds)]
        scene_index = 100 * index + number
        if number == texted and with_filler:
            scenes.append(_filler_slide(rng, scene_index, cut))
        elif number == texted and shown is not None:
            text = Text(start_ns=cut[0], end_ns=cut[1], title=shown.title, lines=shown.lines)
            scenes.append(
                Scene(
                    start_ns=cut[0],
                    end_ns=cut[1],
                    kind="slide" if shown.lines else "sign",
                    index=scene_index,
                    background=_PAPER[index % 2] if shown.lines else background,
                    things=(),
                    text=text,
                )
            )
        else:
            # Something moves in the first scene that can show it, and then in every other.
            moves = number == (1 if texted == 0 else 0) and index == 0 or rng.random() < 0.5
            scenes.append(_room(rng, scene_index, cut, background, colours[2 * number :], moves))
    return tuple(scenes)


def talk_scenes(rng: random.Random, index: int, span: tuple[int, int]) -> tuple[Scene, ...]:
    """Plan the slides of a talk, 20 to 60 s each."""
    num = max(1, (span[1] - span[0]) // (30 * NS_PER_S))
    cuts = _cut(rng, span, 20 * NS_PER_S, num)
    return tuple(_filler_slide(rng, 100 * index + number, cut) for number, cut in enumerate(cuts))


def still_scene(rng: random.Random, span: tuple[int, int]) -> Scene:
    """Plan a picture in which nothing changes but a clock, which the painter adds."""
    names = rng.sample(sorted(COLOURS), 3)
    return Scene(
        start_ns=span[0],
        end_ns=span[1],
        kind="still",
        index=0,
        background=BACKGROUNDS[1][0],
        things=tuple(_standing(rng, span, name, column, 3) for column, name in enumerate(names)),
        text=None,
    )


def _cut(
    rng: random.Random, span: tuple[int, int], shortest_ns: int, num: int
) -> list[tuple[int, int]]:
    """Cut a span into about `num` parts of random length, none too short or over 60 s."""
    start_ns, end_ns = span
    length_ns = end_ns - start_ns
    num = max(1, min(num, length_ns // shortest_ns), -(-length_ns // _SCENE_MAX_NS))
    free_ms = (length_ns - num * shortest_ns) // _MS
    # There are enough parts for all to be short enough, so a draw soon fits.
    while True:
        extra = sorted(rng.randint(0, max(0, free_ms)) for _ in range(num - 1))
        cuts = [start_ns + (place + 1) * shortest_ns + ms * _MS for place, ms in enumerate(extra)]
        bounds = [start_ns, *cuts, end_ns]
        parts = list(zip(bounds, bounds[1:], strict=False))
        if all(to_ns - from_ns <= _SCENE_MAX_NS for from_ns, to_ns in parts):
            return parts


def _filler_slide(rng: random.Random, index: int, span: tuple[int, int]) -> Scene:
    text = Text(
        start_ns=span[0],
        end_ns=span[1],
        title=f"{rng.choice(FILLER_TITLES)} {index + 1}",
        lines=tuple(rng.sample(FILLER_LINES, rng.choice((2, 3)))),
    )
    return Scene(
        start_ns=span[0],
        end_ns=span[1],
        kind="slide",
        index=index,
        background=_PAPER[index % 2],
        things=(),
        text=text,
    )


def _room(
    rng: random.Random,
    index: int,
    span: tuple[int, int],
    background: Colour,
    colours: list[str],
    moves: bool,
) -> Scene:
    num = min(rng.choice((1, 2, 3)), max(1, len(colours) - 1))
    things = [_standing(rng, span, colours[column], column, num) for column in range(num)]
    if moves:
        things.append(_moving(rng, span, colours[-1]))
    return Scene(
        start_ns=span[0],
        end_ns=span[1],
        kind="room",
        index=index,
        background=background,
        things=tuple(things),
        text=None,
    )


def _standing(
    rng: random.Random, span: tuple[int, int], colour: str, column: int, num: int
) -> Thing:
    x = (column + 0.5) / num + rng.uniform(-0.3, 0.3) / num
    return Thing(
        start_ns=span[0],
        end_ns=span[1],
        shape=rng.choice(_SHAPES),
        colour_name=colour,
        colour=COLOURS[colour],
        size=rng.uniform(0.2, 0.32),
        path=(Waypoint(span[0], x, rng.uniform(0.3, 0.42)),),
    )


def _moving(rng: random.Random, span: tuple[int, int], colour: str) -> Thing:
    """Return a thing that crosses the lower half of the picture and then stays."""
    start_ns, end_ns = span
    ahead = (end_ns - start_ns - 5 * NS_PER_S) // _MS
    begin_ns = start_ns + rng.randint(1500, max(1500, min(8000, ahead))) * _MS
    stop_ns = min(begin_ns + rng.randint(3000, 6000) * _MS, end_ns - 500 * _MS)
    left, right = rng.uniform(0.12, 0.25), rng.uniform(0.75, 0.88)
    from_x, to_x = (left, right) if rng.random() < 0.5 else (right, left)
    return Thing(
        start_ns=start_ns,
        end_ns=end_ns,
        shape=rng.choice(_SHAPES),
        colour_name=colour,
        colour=COLOURS[colour],
        size=rng.uniform(0.2, 0.28),
        path=(
            Waypoint(begin_ns, from_x, rng.uniform(0.7, 0.78)),
            Waypoint(stop_ns, to_x, rng.uniform(0.7, 0.78)),
        ),
    )
