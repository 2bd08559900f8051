"""The pictures of the daily world, and what is said to lie in them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import (
    COLOURS,
    KIND_NAMES,
    PLACES,
    SIGNS,
    TEXTURES,
)
from omnilive.media.synthetic.daily.extent import extent
from omnilive.media.synthetic.daily.painting import SIGN_HEIGHT, paint, patch_labels
from omnilive.media.synthetic.daily.planning import plan_stretch
from omnilive.media.synthetic.daily.records import Action, DailyScene, Group, Pose, Sign
from omnilive.media.synthetic.daily.shapes import layers

END = 8 * NS_PER_S
SIDE, GRID = 96, 8


def group(**changes: object) -> Group:
    plain = Group(
        start_ns=0,
        end_ns=END,
        kind="car",
        colour="red",
        texture="plain",
        size="large",
        count=1,
        pose=Pose(0.5, 0.6, 1.0),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def scene(*groups: Group, place: str = "office", seed: int = 5, word: str = "") -> DailyScene:
    sign = Sign(start_ns=0, end_ns=END, word=word) if word else None
    return DailyScene(start_ns=0, end_ns=END, place=place, seed=seed, groups=groups, sign=sign)


def changed(picture: DailyScene, at_ns: int = 0) -> NDArray[np.bool_]:
    """Return where things are painted, (SIDE, SIDE)."""
    ground = paint(replace(picture, groups=()), at_ns, SIDE)
    return (paint(picture, at_ns, SIDE) != ground).any(axis=2)


def planned(seconds: int = 120) -> list[DailyScene]:
    return list(plan_stretch("painting", "train", 0, seconds * NS_PER_S))


def test_a_picture_depends_on_the_scene_alone() -> None:
    for one, other in zip(planned(30), planned(30), strict=True):
        at_ns = one.start_ns + NS_PER_S
        picture = paint(one, at_ns, SIDE)
        picture[:] = 0  # what is handed out is nobody else's
        again = paint(other, at_ns, SIDE)
        assert again.shape == (SIDE, SIDE, 3)
        assert again.any()
        assert (again == paint(other, at_ns, SIDE)).all()


def test_the_same_picture_at_every_size() -> None:
    scenes = planned(60)
    small, large = (
        [paint(one, one.start_ns + NS_PER_S, side).astype(float) for one in scenes]
        for side in (96, 288)
    )
    for number, picture in enumerate(large):
        shrunk = picture.reshape(96, 3, 96, 3, 3).mean(axis=(1, 3))
        apart = [np.abs(shrunk - other).mean() for other in small]
        assert int(np.argmin(apart)) == number
        assert apart[number] < 14


def test_places_and_seeds_look_different() -> None:
    grounds = {place: paint(scene(place=place), 0, SIDE).astype(float) for place in PLACES}
    for one, other in itertools.combinations(PLACES, 2):
        assert np.abs(grounds[one][20:] - grounds[other][20:]).mean() > 10, (one, other)
    for place in PLACES:
        again = paint(scene(place=place, seed=6), 0, SIDE).astype(float)
        assert 1 < np.abs(grounds[place] - again).mean() < 40


@pytest.mark.parametrize("side", [13, 24])
def test_no_two_kinds_look_alike(side: int) -> None:
    drawn = {kind: layers(kind, side)[1:] > 127 for kind in KIND_NAMES}
    for one, other in itertools.combinations(KIND_NAMES, 2):
        differ = (drawn[one] != drawn[other]).any(axis=0).sum()
        covered = (drawn[one] | drawn[other]).any(axis=0).sum()
        assert differ / covered > 0.2, (one, other, differ / covered)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_lost_on_any_ground(place: str) -> None:
    for kind, colour in itertools.product(KIND_NAMES[::3], COLOURS):
        picture = scene(group(kind=kind, colour=colour), place=place)
        ground = paint(replace(picture, groups=()), 0, SIDE).astype(int)
        apart = np.abs(paint(picture, 0, SIDE).astype(int) - ground).max(axis=2)
        assert (apart > 60).sum() > 50, (kind, colour)


def test_textures_and_colours_look_different() -> None:
    for size, kind in itertools.product(("small", "large"), ("car", "fish", "ladder")):
        looks = [
            paint(scene(group(kind=kind, size=size, colour=colour, texture=texture)), 0, SIDE)
            for colour in COLOURS
            for texture in TEXTURES
        ]
        for one, other in itertools.combinations(looks, 2):
            assert (np.abs(one.astype(int) - other).max(axis=2) > 40).sum() >= 8


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_group_stays_within_its_extent(size: str, count: int) -> None:
    one = group(size=size, count=count, pose=Pose(0.5, 0.5, 1.0))
    rows, columns = np.nonzero(changed(scene(one)))
    half_x, half_y = extent(one)
    assert columns.min() >= (0.5 - half_x) * SIDE - 2
    assert columns.max() <= (0.5 + half_x) * SIDE + 1
    assert rows.min() >= (0.5 - half_y) * SIDE - 2
    assert rows.max() <= (0.5 + half_y) * SIDE + 1
    # Equal things that do not overlap cover that many times as much.
    alone = changed(scene(replace(one, count=1))).sum()
    assert changed(scene(one)).sum() == pytest.approx(count * alone, rel=0.1)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("moves left", Pose(0.28, 0.6, 1.0)),
        ("moves right", Pose(0.72, 0.6, 1.0)),
        ("rises", Pose(0.5, 0.38, 1.0)),
        ("falls", Pose(0.5, 0.8, 1.0)),
        ("grows", Pose(0.5, 0.6, 1.6)),
        ("shrinks", Pose(0.5, 0.6, 0.6)),
    ],
)
def test_an_action_is_seen(name: str, after: Pose) -> None:
    act = Action(
        start_ns=NS_PER_S,
        end_ns=3 * NS_PER_S,
        name=name,
        before=Pose(0.5, 0.6, 1.0),
        after=after,
    )
    picture = scene(group(actions=(act,)))
    seen = [changed(picture, second * NS_PER_S) for second in (0, 2, 4)]
    middles = np.array([np.argwhere(one).mean(axis=0) for one in seen])
    areas = [int(one.sum()) for one in seen]
    down, across = np.sign(np.round(np.diff(middles, axis=0) / 3)).astype(int).T
    expected = {"moves left": (0, -1), "moves right": (0, 1), "rises": (-1, 0), "falls": (1, 0)}
    assert [*down] == [expected.get(name, (0, 0))[0]] * 2
    assert [*across] == [expected.get(name, (0, 0))[1]] * 2
    if name == "grows":
        assert areas[0] < areas[1] < areas[2]
    elif name == "shrinks":
        assert areas[0] > areas[1] > areas[2]


def test_a_thing_is_seen_in_its_span_only() -> None:
    picture = scene(group(start_ns=2 * NS_PER_S, end_ns=4 * NS_PER_S))
    for second, is_there in ((0, False), (2, True), (3, True), (4, False)):
        assert changed(picture, second * NS_PER_S).any() == is_there
        assert patch_labels(picture, second * NS_PER_S, GRID).any() == is_there


def test_labels_agree_with_the_painting() -> None:
    cell = SIDE // GRID
    num_labelled = 0
    for one in planned():
        at_ns = one.start_ns + NS_PER_S
        picture, labels = paint(one, at_ns, SIDE).astype(int), patch_labels(one, at_ns, GRID)
        untouched = ~changed(one, at_ns)
        for row, column in np.ndindex(GRID, GRID):
            part = np.s_[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            kind, colour, texture, size, _, count = labels[row, column]
            if untouched[part].all():
                assert kind == colour == texture == size == count == 0
            if not kind:
                continue
            num_labelled += 1
            rgb = list(COLOURS.values())[colour - 1]
            assert (np.abs(picture[part] - rgb).max(axis=2) < 60).any()
            assert any(
                KIND_NAMES[kind - 1] == each.kind and each.count == count for each in one.groups
            )
    assert num_labelled > 100


def test_every_group_that_is_seen_has_a_label() -> None:
    for one in planned():
        at_ns = one.start_ns + NS_PER_S
        there = {each.kind for each in one.groups if each.start_ns <= at_ns < each.end_ns}
        kinds = set(patch_labels(one, at_ns, GRID)[:, :, 0].ravel()) - {0}
        assert {KIND_NAMES[kind - 1] for kind in kinds} == there


@pytest.mark.parametrize("word", SIGNS)
def test_a_sign_can_be_read(word: str) -> None:
    for seed in (0, 1, 2, 3):
        picture = scene(word=word, seed=seed)
        rows = round(SIGN_HEIGHT * SIDE)
        board = paint(picture, 0, SIDE)[:rows].astype(int)
        inner = board[1:-1, 1:-1]
        ink = np.abs(inner - board[2, 1]).max(axis=2) > 128
        # From the topmost to the lowest pixel of the letters.
        assert np.ptp(np.nonzero(ink.any(axis=1))[0]) + 1 >= 12
        # Letters stand apart: there are as many runs of inked columns.
        inked = ink.any(axis=0).astype(int)
        assert (np.diff(np.concatenate([[0], inked])) == 1).sum() == len(word)
        labels = patch_labels(picture, 0, GRID)[:, :, 4]
        read = [chr(ord("A") - 1 + number) for number in labels[0] if number]
        assert [letter for letter, _ in itertools.groupby(read)] == [
            letter for letter, _ in itertools.groupby(word)
        ]
        assert not labels[2:].any()
