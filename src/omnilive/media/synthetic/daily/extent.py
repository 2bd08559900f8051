"""How much room things take in the picture, and how equal things stand together.

Lengths are fractions of the picture's side, for a group drawn at scale 1.
"""

from __future__ import annotations

from omnilive.media.synthetic.daily.records import Group

SIDES = {"small": 0.18, "large": 0.28}
"""The side of the square that one thing is drawn in."""
_GAP = 0.02

# Where things stand, in steps of one thing from the middle of the group.
_STANDS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.0, 0.0),),
    ((-0.5, 0.0), (0.5, 0.0)),
    ((0.0, -0.5), (-0.5, 0.5), (0.5, 0.5)),
    ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)),
)


def offsets(group: Group) -> tuple[tuple[float, float], ...]:
    """Return where the middle of each thing is, from the middle of the group."""
    step = SIDES[group.size] + _GAP
    return tuple((x * step, y * step) for x, y in _STANDS[group.count - 1])


def extent(group: Group) -> tuple[float, float]:
    """Return half the width and half the height of a group."""
    half = SIDES[group.size] / 2
    places = offsets(group)
    return max(x for x, _ in places) + half, max(y for _, y in places) + half
