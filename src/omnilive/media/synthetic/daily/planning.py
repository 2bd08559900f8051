"""What happens in the daily world: scenes drawn by chance from a seed, for one split.

A scene lasts 5 to 8 s. One to three groups of things are in it, some for a part of it only, half of
them do something, some do two things in order; two scenes of five show a sign, three of ten have
a noise, and in some others talk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import TypeAlias

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import (
    ACTIONS,
    COLOURS,
    KIND_NAMES,
    PLACES,
    SIGNS,
    SIZES,
    SOUNDS,
    TEXTURES,
    Split,
    split_of,
)
from omnilive.media.synthetic.daily.extent import extent
from omnilive.media.synthetic.daily.records import (
    Action,
    DailyScene,
    Group,
    Noise,
    Pose,
    Sign,
)
from omnilive.media.synthetic.records import Said

Talk: TypeAlias = Callable[[Random, Split, int, int], tuple[Said, ...]]
"""Plans talk from a start to an end (ns); it may be longer than that never."""

SHORTEST_S, LONGEST_S = 5, 8
_TOP, _BOTTOM = 0.26, 0.97  # where things may be; the sign is above
_ACTION_NS = 2 * NS_PER_S
_STEP = 0.22  # how far a thing moves
_GROWN, _SHRUNK = 1.6, 0.6


def no_talk(rng: Random, split: Split, start_ns: int, end_ns: int) -> tuple[Said, ...]:
    """Nobody says anything."""
    return ()


def plan_stretch(
    seed: str, split: Split, start_ns: int, end_ns: int, talk: Talk = no_talk
) -> Iterator[DailyScene]:
    """Yield scenes, one after the other, that fill a stretch of at least 5 s.

    Args:
        seed: any text; equal arguments give equal scenes.
        split: which combinations of kind, colour and texture may appear.
        start_ns: of the stretch.
        end_ns: of the stretch; the last scene may last up to 13 s.
        talk: plans what is said.
    """
    rng = Random(f"stretch {seed}")
    place = ""
    at_ns = start_ns
    while at_ns < end_ns:
        until_ns = at_ns + rng.randint(SHORTEST_S, LONGEST_S) * NS_PER_S
        if end_ns - until_ns < SHORTEST_S * NS_PER_S:
            until_ns = end_ns
        scene = plan_scene(rng, split, at_ns, until_ns, talk, without=place)
        place, at_ns = scene.place, until_ns
        yield scene


def plan_scene(
    rng: Random,
    split: Split,
    start_ns: int,
    end_ns: int,
    talk: Talk = no_talk,
    *,
    without: str = "",
) -> DailyScene:
    """Return one scene; `without` is a place that it shall not be in (where one just was)."""
    seed = rng.getrandbits(32)
    place = rng.choice([name for name in PLACES if name != without])
    groups = _place_groups(rng, [_draw_group(rng, split) for _ in range(rng.choice((1, 2, 2, 3)))])
    kinds: dict[str, Group] = {group.kind: group for group in groups}
    timed = [_live(rng, group, start_ns, end_ns) for group in kinds.values()]
    timed.sort(key=lambda group: (group.start_ns, group.pose.x))
    sign = None
    if rng.random() < 0.4:
        sign = Sign(start_ns=start_ns, end_ns=end_ns, word=rng.choice(SIGNS))
    noises: tuple[Noise, ...] = ()
    said: tuple[Said, ...] = ()
    chance = rng.random()
    if chance < 0.3:
        at_ns = start_ns + rng.randrange(end_ns - start_ns - 3 * NS_PER_S)
        last_ns = round(rng.uniform(1.0, 3.0) * 1000) * 1_000_000
        label, number = rng.choice(SOUNDS), rng.getrandbits(32)
        noises = (Noise(start_ns=at_ns, end_ns=at_ns + last_ns, label=label, seed=number),)
    elif chance < 0.65:
        said = talk(rng, split, start_ns, end_ns)
    return DailyScene(
        start_ns=start_ns,
        end_ns=end_ns,
        place=place,
        seed=seed,
        groups=tuple(timed),
        sign=sign,
        noises=noises,
        said=said,
    )


def _draw_group(rng: Random, split: Split) -> Group:
    """Return a group of this split that is nowhere yet."""
    while True:
        kind = rng.choice(KIND_NAMES)
        colour, texture = rng.choice(tuple(COLOURS)), rng.choice(TEXTURES)
        if split_of(kind, colour, texture) == split:
            break
    size = rng.choice(SIZES)
    # Many large things do not fit beside others.
    count = rng.choice((1, 1, 1, 2, 2, 3, 4)) if size == "small" else rng.choice((1, 1, 2))
    nowhere = Pose(0.5, 0.5, 1.0)
    return Group(
        start_ns=0,
        end_ns=0,
        kind=kind,
        colour=colour,
        texture=texture,
        size=size,
        count=count,
        pose=nowhere,
    )


def _place_groups(rng: Random, groups: list[Group]) -> list[Group]:
    """Put groups side by side in random order; what no longer fits is left out."""
    rng.shuffle(groups)
    kept: list[Group] = []
    used = 0.0
    for group in groups:
        width = 2 * extent(group)[0]
        if kept and used + width > 0.98:
            continue
        kept.append(group)
        used += width
    spare = max(0.0, 0.98 - used)
    cuts = sorted(rng.uniform(0, spare) for _ in kept)
    placed, at = [], 0.01
    for group, cut in zip(kept, cuts, strict=True):
        half_x, half_y = extent(group)
        x = min(1 - half_x, at + cut + half_x)
        low, high = _TOP + half_y, max(_TOP + half_y, _BOTTOM - half_y)
        placed.append(replace(group, pose=Pose(x, rng.uniform(low, high), 1.0)))
        at += 2 * half_x
    return placed


def _live(rng: Random, group: Group, start_ns: int, end_ns: int) -> Group:
    """Say when a group is there, and what it does."""
    if rng.random() < 0.5:
        last_s = (end_ns - start_ns) // NS_PER_S
        length = rng.randint(2, max(2, min(4, last_s)))
        first = rng.randint(0, last_s - length)
        start_ns, end_ns = (
            start_ns + first * NS_PER_S,
            min(end_ns, start_ns + (first + length) * NS_PER_S),
        )
    group = replace(group, start_ns=start_ns, end_ns=end_ns)
    wanted = rng.choice((0, 0, 0, 1, 1, 2))
    room_ns = end_ns - start_ns
    actions: list[Action] = []
    pose, at_ns = group.pose, start_ns + NS_PER_S // 2
    for _ in range(min(wanted, (room_ns - NS_PER_S // 2) // _ACTION_NS)):
        last = actions[-1].name if actions else ""
        able = [name for name in ACTIONS if name != last and _after(group, pose, name) is not None]
        if not able:
            break
        name = rng.choice(able)
        after = _after(group, pose, name)
        assert after is not None
        end = at_ns + _ACTION_NS - NS_PER_S // 2
        actions.append(Action(start_ns=at_ns, end_ns=end, name=name, before=pose, after=after))
        pose, at_ns = after, at_ns + _ACTION_NS
    return replace(group, actions=tuple(actions))


def _after(group: Group, pose: Pose, action: str) -> Pose | None:
    """Return where an action leads; None where there is no room for it."""
    half_x, half_y = (half * pose.scale for half in extent(group))
    x, y, scale = pose
    if action == "moves left":
        x -= _STEP
    elif action == "moves right":
        x += _STEP
    elif action == "rises":
        y -= _STEP
    elif action == "falls":
        y += _STEP
    elif action == "grows":
        scale = _GROWN if scale == 1.0 else 0.0
    else:
        scale = _SHRUNK if scale == 1.0 else 0.0
    half_x, half_y = (half * scale for half in extent(group))
    is_inside = half_x <= x <= 1 - half_x and _TOP + half_y <= y <= _BOTTOM - half_y
    return Pose(x, y, scale) if scale and is_inside else None
