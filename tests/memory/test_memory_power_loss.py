"""The power goes at any moment: what was acknowledged is there, and the store is whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from lossy_disk import Disk, mounted
from memory_support import S, World

from omnilive.errors import StoreError
from omnilive.events import Forget, StreamStarted, Tick, Voice
from omnilive.memory.database import Database
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="what was synced is seen through /proc"
)
CLIPS = "SELECT start_ns FROM node WHERE level = 0"
CONFIG = MemoryConfig(fan_out=3, segment_s=20.0)


class OneConnection(World):
    """A world whose store makes do with one connection: the lossy disk has no shared memory."""

    def start(
        self, name: str, *, live: bool, wall_ns: int, voice: Voice = "ambient"
    ) -> StreamStarted:
        @contextmanager
        def same() -> Iterator[Database]:
            yield self.store.database

        self.store._own_connection = same  # type: ignore[method-assign]
        return super().start(name, live=live, wall_ns=wall_ns, voice=voice)


def live_through(world: World, index: int, *, word: str = "melon") -> None:
    world.say(10 * index + 2, f"the {word} number {index} was sold")
    if index % 2:
        world.show(10 * index + 3, f"platform {index}")
    for k in range(5):
        world.record(10 * index + 2 * k, bytes([index % 250 + 1]) * 900)
    world.clip(10 * index)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_power_goes_at_any_moment(tmp_path: Path, seed: int) -> None:
    disk = Disk(tmp_path / "store", seed)
    images: list[tuple[Path, set[str], set[str]]] = []
    told: list[str] = []
    forgetting: set[str] = set()
    forgotten: set[str] = set()

    def maybe_cut() -> None:
        if len(images) < 60 and disk.random.random() < 0.06:
            target = tmp_path / f"image{len(images)}"
            disk.image(target)
            images.append((target, set(told) - forgetting, set(forgotten)))

    with mounted(disk):
        disk.on_step = maybe_cut
        world = OneConnection(disk.directory, live=True, config=CONFIG)
        for index in range(24):
            live_through(world, index)
            told += [clip.id for clip in world.remembered]
            world.remembered.clear()
            if index % 6 == 5:
                doomed = told[-3]
                forgetting.add(doomed)
                world.push(Forget(moment=doomed))
                forgotten.add(doomed)
        disk.on_step = None
        world.close()
    assert len(images) >= 30
    opened = 0
    for target, acknowledged, gone in images:
        if not (target / "memory.db").exists() or not acknowledged:
            continue
        with Store.open(target, write=True) as store:
            opened += 1
            assert store.verify().findings == ()
            present = [row[0] for row in store.database.rows(CLIPS)]
            assert len(present) == len(set(present))
            ids = {f"c1-{start_ns // 1_000_000}" for start_ns in present}
            assert acknowledged <= ids
            assert not gone & ids
    assert opened >= 20


@pytest.mark.parametrize("seed", [4, 5])
def test_the_disk_is_full_at_random_writes(tmp_path: Path, seed: int) -> None:
    disk = Disk(tmp_path / "store", seed)
    failures = 0

    def fail(path: str) -> None:
        nonlocal failures
        if disk.random.random() < 0.04:
            failures += 1
            if path == "segments":
                raise OSError(28, "No space left on device")
            raise apsw.FullError("no space left")

    said: set[bool] = set()
    with mounted(disk):
        world = OneConnection(disk.directory, live=True, config=CONFIG)
        for index in range(30):
            disk.fail = fail
            for step in (live_through, tick):
                try:
                    step(world, index)
                except StoreError as error:
                    said.add("full" in str(error) or "No space" in str(error))
        disk.fail = None
        tick(world, 31)
        told = [clip.id for clip in world.remembered]
        world.close()
    assert failures > 5
    assert said == {True}
    with Store.open(disk.directory, write=True) as store:
        assert store.verify().findings == ()
        present = [f"c1-{row[0] // 1_000_000}" for row in store.database.rows(CLIPS)]
    # An event whose push failed is gone for its clip, but no clip that was told of is.
    assert len(present) == len(set(present))
    assert set(told) <= set(present)
    assert len(told) == len(set(told))


def tick(world: World, index: int) -> None:
    at_ns = 10 * (index + 1) * S
    world.push(Tick(stream=1, at_ns=at_ns, wall_ns=world.started.wall_ns + at_ns))
