"""A small disk, a read-only one, a copy with a torn page: clear errors, never a broken store."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_support import WALL_NS, S, World

from omnilive.errors import StoreError
from omnilive.events import Forget, Tick
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB of its own, where this user may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.name == "nt" or os.geteuid() or not mount("-t", "tmpfs", "-o", "size=3m", "none", place):
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def mount(*arguments: object) -> bool:
    command = ["mount", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def clip(world: World, index: int) -> None:
    world.say(10 * index + 2, f"melon number {index}")
    world.record(10 * index + 1, os.urandom(60_000))
    world.clip(10 * index)


def tick(world: World, at_s: int) -> None:
    world.push(Tick(stream=1, at_ns=at_s * S, wall_ns=WALL_NS + at_s * S))


def test_a_disk_fills_up_and_is_made_larger(small_disk: Path) -> None:
    world = World(small_disk / "store", live=True, config=MemoryConfig(fan_out=4))
    said = []
    index = 0
    while len(said) < 5:
        try:
            clip(world, index)
        except StoreError as error:
            said.append(str(error))
        index += 1
        assert index < 200
    assert all("full" in text or "No space" in text for text in said)
    acknowledged = {each.id for each in world.remembered}
    assert acknowledged
    with Store.open(small_disk / "store", write=False) as reader:
        assert reader.verify().findings == ()
    assert mount("-o", "remount,size=40m", small_disk)
    tick(world, 10 * index)
    clip(world, index)
    world.push(Forget(moment="c1-0"))
    assert acknowledged < {each.id for each in world.remembered}
    world.close()
    with Store.open(small_disk / "store", write=True) as store:
        assert store.verify().findings == ()


def test_a_read_only_store_answers_and_says_why_it_cannot_be_written(small_disk: Path) -> None:
    world = World(small_disk / "store", live=True)
    clip(world, 0)
    world.close()
    assert mount("-o", "remount,ro", small_disk)
    with Store.open(small_disk / "store", write=False) as store:
        assert store.stats().clips == 1
        assert store.verify().findings == ()
    with pytest.raises(StoreError, match="read-only|Read-only"):
        Store.open(small_disk / "store", write=True)


@pytest.mark.parametrize("cut", [1, 512, 2048, 4095])
def test_a_copy_with_a_torn_last_page_is_found_out(tmp_path: Path, cut: int) -> None:
    world = World(tmp_path / "store", live=True, config=MemoryConfig(fan_out=3))
    for index in range(12):
        world.say(10 * index + 2, f"melon number {index}")
        world.clip(10 * index)
    world.close()
    copy = Path(shutil.copytree(tmp_path / "store", tmp_path / "copy"))
    data = (copy / "memory.db").read_bytes()
    (copy / "memory.db").write_bytes(data[:-cut])
    try:
        with Store.open(copy, write=False) as store:
            assert not store.verify().is_clean
    except StoreError as error:
        assert "damaged" in str(error) or "disk" in str(error)  # noqa: PT017
    with Store.open(tmp_path / "store", write=False) as store:
        assert store.verify().findings == ()


def test_a_copy_with_a_torn_log_has_what_was_whole(tmp_path: Path) -> None:
    world = World(tmp_path / "store", live=True)
    for index in range(6):
        world.say(10 * index + 2, f"melon number {index}")
        world.clip(10 * index)
    copy = Path(shutil.copytree(tmp_path / "store", tmp_path / "copy"))
    world.close()
    log = copy / "memory.db-wal"
    log.write_bytes(log.read_bytes()[:-3000])
    with Store.open(copy, write=True) as store:
        assert store.verify().findings == ()
        assert store.stats().clips in (4, 5)
