"""When did it last look like this picture: descriptors in the store, and their own floor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from memory_support import S, World, embedder
from PIL import Image

from omnilive.events import (
    Clip,
    Descriptor,
    Pixels,
    Question,
    Retrieval,
    VideoFrame,
    Watermark,
    moment_id,
)
from omnilive.media.synthetic import World as Synthetic
from omnilive.media.synthetic.painting import Painter
from omnilive.memory.recall import Recall
from omnilive.memory.store import Store
from omnilive.perception.descriptor import DIMENSION, MODEL, describe
from omnilive.perception.grid import to_grid

PLACES = ("hall", "stairs", "yard", "shop")


def picture(place: int, *, noise: int = 0, light: float = 1.0) -> Pixels:
    """A scene of its own, made of a few large surfaces, as a camera with grain would show it."""
    rng = np.random.default_rng(100 + place)
    pixels = np.zeros((180, 320, 3), dtype=np.float64)
    pixels[:] = rng.integers(40, 200, 3)
    for _ in range(6):
        top, left = rng.integers(0, 120), rng.integers(0, 220)
        pixels[top : top + rng.integers(30, 60), left : left + rng.integers(40, 100)] = (
            rng.integers(0, 255, 3)
        )
    grain = np.random.default_rng(noise).normal(0, 6, pixels.shape) if noise else 0
    return np.clip(pixels * light + grain, 0, 255).astype(np.uint8)


def descriptor(pixels: Pixels) -> Descriptor:
    return describe(to_grid(pixels))


def show(world: World, start_s: float, pixels: Pixels | None, *, stream: int = 1) -> str:
    """A clip of ten seconds that shows something new, or nothing new."""
    start_ns, end_ns = round(start_s * S), round((start_s + 10) * S)
    frame = picture(0) if pixels is None else pixels
    public_id = moment_id("c", stream, start_ns)
    world.push(
        Clip(
            id=public_id,
            stream=stream,
            start_ns=start_ns,
            end_ns=end_ns,
            num_frames=10,
            changed=pixels is not None,
            motion=0.0,
            moving=(),
            descriptor=descriptor(frame),
            descriptor_model=MODEL,
            pictures=(VideoFrame(stream=stream, at_ns=start_ns, pixels=frame),),
        )
    )
    for sense in ("seeing", "hearing"):
        world.push(Watermark(stream=stream, sense=sense, at_ns=end_ns))  # type: ignore[arg-type]
    return public_id


def ask(
    world: World, pixels: Pixels, text: str = "when did it last look like this?", scope: str = ""
) -> Retrieval:
    (found,) = world.push(_question(pixels, text, scope))
    assert isinstance(found, Retrieval)
    return found


def _question(pixels: Pixels, text: str, scope: str = "", model: str = MODEL) -> Question:
    return Question(
        turn_id="q",
        text=text,
        needs="past",
        scope=scope,
        picture=tuple(map(float, descriptor(pixels))),
        picture_model=model,
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """hall, stairs, hall (two clips), yard, quiet, stairs: a clip each ten seconds."""
    world = World(tmp_path, live=True)
    for index, place in enumerate((0, 1, 0, 0, 2, None, 1)):
        pixels = None if place is None else picture(place, noise=index + 1)
        show(world, 10 * index, pixels)
    yield world
    world.close()


def test_every_run_of_look_alikes_is_found_once_at_its_newest(world: World) -> None:
    found = ask(world, picture(0, noise=99))
    assert [one.id for one in found.look_alikes] == ["c1-0", "c1-30000"]
    assert all(one.score > 0.97 and one.kind == "picture" for one in found.look_alikes)
    assert found.look_alikes[-1].picture.startswith(b"\xff\xd8")
    assert (found.hits, found.matched) == ((), ())
    assert [one.id for one in ask(world, picture(1)).look_alikes] == ["c1-10000", "c1-60000"]


def test_another_exposure_looks_alike_and_another_place_does_not(world: World) -> None:
    darker = ask(world, picture(2, light=0.7))
    assert [one.id for one in darker.look_alikes] == ["c1-40000"]
    assert ask(world, picture(3)).look_alikes == ()


def test_time_words_bound_where_it_is_looked_for(world: World) -> None:
    early = ask(world, picture(0), "did it look like this in the first 20 seconds?")
    assert [one.id for one in early.look_alikes] == ["c1-0"]
    problem = ask(world, picture(0), "did it look like this yesterday?")
    assert (problem.look_alikes, bool(problem.time_problem)) == ((), True)


def test_what_is_pending_is_seen_too(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    show(world, 0, picture(1))
    frame = picture(2, noise=3)
    world.push(
        Clip(
            id="c1-10000",
            stream=1,
            start_ns=10 * S,
            end_ns=20 * S,
            num_frames=10,
            changed=True,
            motion=0.0,
            moving=(),
            descriptor=descriptor(frame),
            descriptor_model=MODEL,
            pictures=(VideoFrame(stream=1, at_ns=10 * S, pixels=frame),),
        )
    )
    found = ask(world, picture(2))
    assert [one.id for one in found.look_alikes] == ["c1-10000"]
    world.close()


def test_one_stream_or_all(world: World) -> None:
    world.start("door", live=True, wall_ns=world.started.wall_ns + 5 * S)
    show(world, 0, picture(3), stream=2)
    show(world, 10, picture(0), stream=2)
    assert [one.id for one in ask(world, picture(3)).look_alikes] == ["c2-0"]
    assert ask(world, picture(3), scope="talk").look_alikes == ()
    # Of both streams in order of wall time: the second began five seconds later.
    every = ask(world, picture(0)).look_alikes
    assert [one.id for one in every] == ["c1-0", "c2-10000", "c1-30000"]


def test_descriptors_of_another_model_or_size_are_never_compared(world: World) -> None:
    (other,) = world.push(_question(picture(0), "when?", model="another"))
    assert isinstance(other, Retrieval)
    assert other.look_alikes == ()
    short = Question(turn_id="q", text="x", needs="past", picture=(1.0, 0.0), picture_model=MODEL)
    (found,) = world.push(short)
    assert isinstance(found, Retrieval)
    assert found.look_alikes == ()
    broken = Question(
        turn_id="q", text="x", needs="past", picture=(float("nan"),) * 243, picture_model=MODEL
    )
    (found,) = world.push(broken)
    assert isinstance(found, Retrieval)
    assert found.look_alikes == ()


def test_a_descriptor_is_stored_with_its_model_at_a_byte_a_number(world: World) -> None:
    rows = world.store.database.rows(
        "SELECT m.name, m.dimension, length(v.data) FROM node n "
        "JOIN node_vector v ON v.node = n.id JOIN model m ON m.id = v.model WHERE n.level = 0"
    )
    assert set(rows) == {(MODEL, DIMENSION, DIMENSION + 4)}
    assert len(rows) == 6  # the quiet clip has none


def test_a_forgotten_picture_is_not_found_again(world: World) -> None:
    world.store.forget("c1-40000")
    assert ask(world, picture(2)).look_alikes == ()


def test_another_process_finds_the_same(world: World, tmp_path: Path) -> None:
    with Store.open(tmp_path, write=False) as store:
        found = Recall(store, embedder()).retrieve(_question(picture(0), "when?"))
    assert [one.id for one in found.look_alikes] == ["c1-0", "c1-30000"]


def test_the_floor_parts_scenes_of_the_synthetic_world() -> None:
    """Same picture through another exposure, scale and grain against other rooms."""
    world = Synthetic(3, 300)
    painter = Painter(world, (640, 360))
    rooms = [
        painter.frame((scene.start_ns + scene.end_ns) // 2)
        for segment in world.segments
        for scene in segment.scenes
        if scene.kind == "room"
    ]
    rng = np.random.default_rng(1)
    floor = 0.9
    for index, room in enumerate(rooms):
        noisy = np.clip(room + rng.normal(0, 12, room.shape), 0, 255).astype(np.uint8)
        small = np.asarray(Image.fromarray(room).resize((320, 180)))
        dark = (room * 0.75).astype(np.uint8)
        for same in (noisy, small, dark):
            assert float(descriptor(same) @ descriptor(room)) > floor
        for other in rooms[:index]:
            assert float(descriptor(other) @ descriptor(room)) < floor
