"""Batches of worker processes, and the cache that they share."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from omnilive.errors import MediaError, TrainingError
from omnilive.training.cache import DiskCache
from omnilive.training.workers import Batches, aligned
from training_source import Counting, Faulty, Numbered


def drawn(workers: int, *, large: int = 0, first: int = 3, end: int = 15) -> list[Any]:
    with Batches(Numbered(large), 7, first, end, workers) as batches:
        return [batches.next() for _ in range(first, end)]


def take_all(batches: Batches, taken: list[int]) -> None:
    while True:
        taken.append(batches.next())


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_batches_are_the_same_for_any_number_of_workers() -> None:
    alone, *others = drawn(0, large=50_000), drawn(2, large=50_000), drawn(5, large=50_000)
    assert [step for _, step, _ in alone] == list(range(3, 15))
    for found in others:
        assert [step for _, step, _ in found] == list(range(3, 15))
        for one, other in zip(alone, found, strict=True):
            assert np.array_equal(one[2], other[2])
    assert {pid for pid, _, _ in alone} == {os.getpid()}
    assert len({pid for pid, _, _ in others[0]}) == 2
    assert len({pid for pid, _, _ in others[1]}) == 5


def test_workers_end_with_the_batches() -> None:
    with Batches(Numbered(), 7, 0, 1000, 2) as batches:
        pids = {batches.next()[0] for _ in range(4)}
        assert batches.cpu_s > 0
    assert len(pids) == 2
    assert all(map(is_gone, pids))
    batches.close()


def test_workers_do_not_run_far_ahead(tmp_path: Path) -> None:
    with Batches(Counting(str(tmp_path)), 7, 0, 1000, 1) as batches:
        batches.next()
        # The pipe takes some too: bounded is what counts.
        assert eventually(lambda: (tmp_path / "3").exists())
        count = -1
        while count != (count := len(list(tmp_path.iterdir()))):
            time.sleep(0.3)
    assert count < 1000


def test_large_batches_wait_in_the_workers(tmp_path: Path) -> None:
    with Batches(_Large(str(tmp_path)), 7, 0, 1000, 1) as batches:
        batches.next()
        assert eventually(lambda: (tmp_path / "3").exists())
        time.sleep(0.3)
        assert len(list(tmp_path.iterdir())) <= 1 + 1 + 2 + 1  # taken, in the pipe, waiting, made


@dataclass(frozen=True)
class _Large:
    folder: str

    def draw(self, seed: int, step: int) -> NDArray[np.float32]:
        (Path(self.folder) / str(step)).touch()
        return np.zeros(500_000, np.float32)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("media", "Step 4: its batch was not made: The file waves.wav has no sound."),
        ("bug", r"ZeroDivisionError: a share of nothing \(training_source.py, line \d+\)"),
        ("killed", r"ended from outside \(exit code -9\).*fewer --workers"),
        ("unsendable", "Step 4: .*(pickle|local)"),
    ],
)
def test_a_workers_error_is_told_at_its_step(how: str, words: str) -> None:
    with Batches(Faulty(4, how), 7, 0, 10, 2) as batches:
        taken: list[int] = []
        with pytest.raises(TrainingError, match=words):
            take_all(batches, taken)
    # A worker that is killed takes with it what it had not sent.
    assert taken == list(range(4)) if how != "killed" else taken == list(range(len(taken)))


def test_without_workers_errors_are_the_sources_own() -> None:
    with Batches(Faulty(0, "media"), 7, 0, 10, 0) as batches, pytest.raises(MediaError):
        batches.next()


@dataclass(frozen=True)
class _Slow:
    def draw(self, seed: int, step: int) -> int:
        threading.Event().wait(3600)
        return step


def test_waiting_ends_when_the_run_shall_stop_and_slow_workers_are_ended() -> None:
    began = time.monotonic()
    with Batches(_Slow(), 7, 0, 10, 1) as batches:
        assert batches.next(lambda: True) is None
        (worker,) = multiprocessing.active_children()
        pid = worker.pid
        assert pid is not None
    assert is_gone(pid)
    assert time.monotonic() - began < 1800


def _train(pipe: Any) -> None:
    with Batches(Numbered(), 7, 0, 10_000, 2) as batches:
        pipe.send([batches.next()[0] for _ in range(2)])
        pipe.recv()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_workers_end_when_the_trainer_is_killed() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_train, args=(theirs,))
    process.start()
    theirs.close()
    pids = ours.recv()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    # Ours no longer, they are waited for by the system.
    assert eventually(lambda: all(_has_ended(pid) for pid in pids))


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for somebody to note its end."""
    if is_gone(pid):
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return is_gone(pid)


class _Pair(NamedTuple):
    left: NDArray[np.float32]
    right: str


@dataclass(frozen=True, slots=True)
class _Batch:
    pair: _Pair
    held: dict[str, list[NDArray[np.int16]]]


def test_arrays_begin_at_multiples_of_64_bytes() -> None:
    odd = np.arange(31, dtype=np.uint8)[1:].view(np.int16)[::2]
    batch = aligned(_Batch(_Pair(np.ones((2, 3), np.float32).T, "word"), {"a": [odd, odd[:0]]}))
    assert isinstance(batch, _Batch)
    assert batch.pair.right == "word"
    assert np.array_equal(batch.pair.left, np.ones((3, 2)))
    assert np.array_equal(batch.held["a"][0], odd)
    for each in (batch.pair.left, *batch.held["a"]):
        assert each.ctypes.data % 64 == 0 or not each.size
        assert each.flags.c_contiguous
        assert each.flags.writeable


def on_disk(folder: Path) -> int:
    return sum(
        each.stat().st_size for each in folder.rglob("*") if each.is_file() and each.name != "lock"
    )


def test_the_cache_never_holds_more_than_its_limit(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 1000)
    for number in range(60):
        content = bytes([number]) * (number * 7 % 90)
        assert cache.get_or_make(f"piece {number}", lambda content=content: content) == content  # type: ignore[misc]
        assert on_disk(cache.folder) <= 1000
        # Times of files are coarse on some disks: the order is made sure of.
        for file in cache.folder.rglob("??*"):
            if file.is_file() and file.name != "lock" and file.stat().st_mtime_ns > 10**12:
                os.utime(file, ns=(number, number))
    assert on_disk(cache.folder) > 500
    assert cache.get("piece 59") is not None
    assert cache.get("piece 0") is None


def test_the_oldest_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 400)
    for number in range(4):
        cache.put(str(number), b"x" * 80)
    for age, number in enumerate((2, 0, 3, 1)):
        os.utime(cache._path(str(number)), ns=(age, age))
    cache.put("new", b"x" * 80)
    assert [name for name in ("0", "1", "2", "3", "new") if cache.get(name)] == [
        "0",
        "1",
        "3",
        "new",
    ]


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    for limit in (0, 100):
        cache = DiskCache(tmp_path / str(limit), limit)
        assert cache.get_or_make("a", lambda: b"x" * 100) == b"x" * 100
        assert cache.get("a") is None


def test_damaged_pieces_are_made_again(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    cache.put("a", b"first")
    path = cache._path("a")
    for damage in (path.read_bytes()[:-1], b"", b"12", path.read_bytes()[:-1] + b"T"):
        path.write_bytes(damage)
        assert cache.get("a") is None
        assert cache.get_or_make("a", lambda: b"again") == b"again"
        assert cache.get("a") == b"again"


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 300)
    cache.put("a", b"x" * 100)
    unfinished = cache._path("a").with_name("0.part")
    unfinished.write_bytes(b"x" * 100)
    cache.put("b", b"x" * 100)
    cache.put("c", b"x" * 100)
    assert not unfinished.exists()


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    made = {"frames": np.arange(6, dtype=np.float16).reshape(2, 3), "ids": np.array([7, 8])}
    calls = 0

    def make() -> dict[str, NDArray[Any]]:
        nonlocal calls
        calls += 1
        return made

    for _ in range(2):
        found = cache.arrays("clip", make)
        assert {name: each.dtype for name, each in found.items()} == {
            name: each.dtype for name, each in made.items()
        }
        assert all(np.array_equal(found[name], made[name]) for name in made)
    assert calls == 1


def _fill(folder: str, number: int) -> None:
    cache = DiskCache(Path(folder), 5000)
    rng = np.random.default_rng(number)
    for _ in range(150):
        name = str(rng.integers(40))
        content = f"piece {name} ".encode() * 20
        assert cache.get_or_make(name, lambda content=content: content) == content  # type: ignore[misc]
        assert on_disk_now(cache.folder) <= 5000 + 2 * 300


def on_disk_now(folder: Path) -> int:
    """Bytes while others write and delete: a piece may be counted that has just gone."""
    total = 0
    for each in folder.rglob("*"):
        try:
            if each.is_file() and each.name != "lock":
                total += each.stat().st_size
        except FileNotFoundError:
            continue
    return total


def test_processes_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(str(tmp_path), each)) for each in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert 3000 < on_disk(tmp_path) <= 5000
