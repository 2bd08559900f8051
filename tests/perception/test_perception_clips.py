from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.events import NS_PER_S
from omnilive.perception.changes import ChangeDetector, ChangesConfig
from omnilive.perception.clips import ClipsConfig, CutDetector, otsu
from omnilive.perception.descriptor import DIMENSION, describe
from omnilive.perception.grid import COLUMNS, ROWS, cells_of_box, grow, to_grid, without_specks
from perception_support import draw, grain


def test_otsu_separates_two_kinds_and_says_how_well():
    threshold, separation = otsu([0.01, 0.02, 0.015, 0.5, 0.6, 0.01])
    assert threshold == 0.5
    assert separation > 0.95
    assert otsu([0.3] * 10) == (float("inf"), 0.0)


def test_otsu_of_one_kind_does_not_separate():
    values = np.abs(np.random.default_rng(0).normal(1, 0.2, 64))
    assert otsu(list(values))[1] < 0.8


@given(st.lists(st.floats(0, 1), min_size=2, max_size=64))
def test_otsu_ratio_is_a_share(values):
    threshold, separation = otsu(values)
    assert 0 <= separation <= 1 + 1e-9
    assert threshold == float("inf") or threshold in values


def test_noise_never_cuts_and_a_new_scene_does():
    generator = np.random.default_rng(1)
    cuts = CutDetector(ClipsConfig())
    assert not any(cuts.push(abs(generator.normal(0, 0.002))) for _ in range(500))
    assert cuts.push(0.4)
    assert not cuts.push(0.001)


def test_a_picture_that_moves_all_the_time_is_not_cut_to_pieces():
    generator = np.random.default_rng(2)
    cuts = CutDetector(ClipsConfig())
    assert sum(cuts.push(abs(generator.normal(0.3, 0.06))) for _ in range(500)) < 10


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (36, 64), (720, 1280), (1081, 37), (7, 4000)])
def test_a_picture_of_any_size_has_a_grid_and_a_descriptor(shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    grid = to_grid(pixels)
    assert grid.shape == (ROWS, COLUMNS, 3)
    vector = describe(grid)
    assert (vector.shape, vector.dtype) == ((DIMENSION,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_grid_holds_means():
    pixels = np.zeros((360, 640, 3), np.uint8)
    pixels[:180, :, 0] = 200
    grid = to_grid(pixels)
    assert grid[:17, :, 0] == pytest.approx(200)
    assert grid[19:] == pytest.approx(0)


@pytest.mark.parametrize("grey", [0, 90, 127, 128, 255])
def test_flat_pictures_have_a_descriptor(grey):
    vector = describe(to_grid(np.full((90, 160, 3), grey, np.uint8)))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_look_alikes_are_near_and_others_are_not():
    scene = draw(320, 180, texts=[("MEETING ROOM", 0.1, 0.2, 20)], ball=(0.7, 0.6))
    other = draw(320, 180, background=(230, 225, 200), texts=[("Menu", 0.5, 0.7, 40)])
    first = describe(to_grid(scene))
    brighter = np.clip(scene * 1.15 + 8, 0, 255).astype(np.uint8)
    assert first @ describe(to_grid(grain(scene, 8, seed=1))) > 0.97
    assert first @ describe(to_grid(brighter)) > 0.97
    assert first @ describe(to_grid(scene[4:, 4:])) > 0.8
    assert first @ describe(to_grid(other)) < 0.5


def test_growing_and_specks():
    cells = np.zeros((ROWS, COLUMNS), np.bool_)
    cells[5, 5] = cells[0, 0] = cells[35, 63] = cells[35, 62] = True
    grown = grow(cells, 1, 2)
    assert grown[4:7, 3:8].all()
    assert grown.sum() == 15 + 6 + 8
    kept = without_specks(cells)
    assert kept.sum() == 2
    assert kept[35, 62]


@given(*[st.floats(-0.1, 1.1)] * 4)
def test_every_box_has_cells(left, top, right, bottom):
    rows, columns = cells_of_box(left, top, right, bottom)
    assert 0 <= rows.start < rows.stop <= ROWS
    assert 0 <= columns.start < columns.stop <= COLUMNS


def changes_of(frames, frame_rate=1):
    detector = ChangeDetector(ChangesConfig())
    times = [i * NS_PER_S // frame_rate for i in range(len(frames))]
    grids = [to_grid(frame) for frame in frames]
    return detector, [detector.push(at_ns, grid) for at_ns, grid in zip(times, grids, strict=True)]


def test_noise_and_exposure_do_not_move():
    scene = draw(320, 180, ball=(0.5, 0.5))
    frames = [grain(np.clip(scene * 1.0 + 3 * (i % 4), 0, 255), 6, seed=i) for i in range(60)]
    _, changes = changes_of(frames)
    assert not any(change.is_moving for change in changes)
    assert max(change.distance for change in changes) < 0.001


def test_a_small_thing_that_moves_is_seen():
    balls = [(0.2 + 0.02 * i, 0.5) for i in range(20)]
    frames = [grain(draw(640, 360, ball=ball), 4, seed=i) for i, ball in enumerate(balls)]
    _, changes = changes_of(frames)
    assert all(change.is_moving for change in changes[1:])
    assert all(0.001 < change.motion < 0.05 for change in changes[1:])


def test_a_new_scene_is_far_and_a_step_of_light_is_not():
    scene, other = draw(320, 180), draw(320, 180, background=(200, 40, 40), ball=(0.3, 0.3))
    _, changes = changes_of([scene, scene, np.clip(scene + 12, 0, 255).astype(np.uint8), other])
    assert changes[2].distance == 0
    assert changes[3].distance > 0.5
    _, changes = changes_of([scene, draw(320, 180, texts=[("Another slide", 0.05, 0.3, 40)])])
    assert changes[1].is_moving


@pytest.mark.parametrize("frame_rate", [1, 5])
def test_a_clock_is_masked_with_its_rare_digits(frame_rate):
    def at(second):
        text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        return draw(320, 180, texts=[(text, 0.65, 0.03, 18)])

    begin = 9 * 3600 + 58 * 60
    num_frames = 150 * frame_rate  # passes 10:00:00
    frames = [grain(at(begin + i // frame_rate), 4, seed=i) for i in range(num_frames)]
    detector, changes = changes_of(frames, frame_rate)
    assert detector.masked.any()
    assert detector.masked.mean() < 0.05
    assert not any(change.is_moving for change in changes[30 * frame_rate :])


def test_a_scene_that_moves_everywhere_is_not_masked():
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 255, (36, 64, 3), np.uint8) for _ in range(40)]
    detector, changes = changes_of(frames)
    assert not detector.masked.any()
    assert all(change.motion > 0.5 for change in changes[1:])
