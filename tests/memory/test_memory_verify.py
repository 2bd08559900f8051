"""One thing is corrupted at a time; `verify` must find it, and `repair` mend what is derived."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memory_support import S, World, embedder

from omnilive.events import AnswerEnded, Forget
from omnilive.memory.repair import Repaired, repair
from omnilive.memory.segments import Recordings
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store
from omnilive.memory.vector_files import ROW, VectorFiles
from omnilive.memory.vectors import pack_vector
from omnilive.memory.verify import Verification, verify


def filled(directory: Path) -> None:
    """Twenty clips in blocks of four over two hours, with words, texts, sounds and recordings."""
    world = World(directory, live=True, config=MemoryConfig(fan_out=4))
    for index in range(20):
        at = 10 * index if index < 10 else 3600 + 10 * index
        world.say(at + 2, f"melon number {index} lies on the table")
        if index % 3 == 0:
            world.show(at + 4, f"platform {index}")
        world.sound(at + 6)
        for k in range(10):
            world.record(at + k, bytes([index + 1]) * 300)
        world.clip(at)
    found = world.ask("where is the melon?")
    world.push(
        AnswerEnded(
            turn_id="q1",
            question="where is the melon?",
            text="It lies on the table.",
            outcome="completed",
            known=True,
            citations=found.hits[:1],
        )
    )
    world.end(4000)
    world.close()


def check(directory: Path, *, quick: bool = False) -> Verification:
    with Store.open(directory, write=False) as store:
        return verify(store.database, directory, quick=quick)


def mend(directory: Path) -> Repaired:
    with Store.open(directory, write=True) as store:
        recordings = Recordings(store.database, directory / "segments")
        return repair(store.database, directory, recordings, embedder())


def run(sql: str) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        with Store.open(directory, write=True) as store:
            store.database.run("PRAGMA foreign_keys = OFF")
            store.database.run(sql)

    return damage


def bad_vector(directory: Path) -> None:
    with Store.open(directory, write=True) as store:
        blob = pack_vector(np.full(256, 0.5, dtype=np.float32))
        store.database.run("UPDATE moment_vector SET data = ? WHERE id = 3", (blob,))


def other_block_vector(directory: Path) -> None:
    with Store.open(directory, write=True) as store:
        row = np.zeros(256, dtype=np.float32)
        row[7] = 1.0
        store.database.run(
            "UPDATE node_vector SET data = ? WHERE node = (SELECT id FROM node WHERE level = 1 "
            "LIMIT 1) AND model = (SELECT id FROM model WHERE dimension = 256)",
            (pack_vector(row),),
        )


def stray_words(directory: Path) -> None:
    with Store.open(directory, write=True) as store:
        store.database.run(
            "INSERT INTO moment_terms(rowid, terms) VALUES(9999, 'xylophone secret')"
        )
        store.database.run("INSERT INTO term VALUES('xylophone', 1), ('secret', 1)")


def stale_cache(directory: Path) -> None:
    files = VectorFiles.create(directory / "cache", embedder().model, 256, erasure=0)
    rows = np.zeros(2, dtype=ROW)
    rows["vector"] = (3, 99999)
    files.append(np.ones((2, 256), dtype=np.int8), rows, 1)


def segment(directory: Path) -> Path:
    return min((directory / "segments").iterdir())


def flip_a_byte(directory: Path) -> None:
    data = bytearray(segment(directory).read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment(directory).write_bytes(data)


def cut_the_file(directory: Path) -> None:
    data = segment(directory).read_bytes()
    segment(directory).write_bytes(data[:-5])


CLIP = "(SELECT id FROM node WHERE level = 0 ORDER BY id LIMIT 1 OFFSET 2)"
BLOCK = "(SELECT id FROM node WHERE level = 1 LIMIT 1)"
HOUR = "(SELECT id FROM node WHERE level = -1 LIMIT 1)"

# name -> (damage, kind that must be found, whether repair makes the store clean)
KINDS: dict[str, tuple[Callable[[Path], None], str, bool]] = {
    "a moment points to no clip": (
        run("UPDATE moment SET node = 99999 WHERE id = 4"),
        "pointer",
        True,
    ),
    "a clip points to no block": (
        run(f"UPDATE node SET parent = 99999 WHERE id = {CLIP}"),
        "pointer",
        True,
    ),
    "a clip lies in a block two levels up": (
        run(f"UPDATE node SET parent = (SELECT id FROM node WHERE level = 2) WHERE id = {CLIP}"),
        "tree",
        True,
    ),
    "a vector points to no moment": (
        run("UPDATE moment_vector SET moment = 88888 WHERE id = 2"),
        "pointer",
        True,
    ),
    "a picture points to no clip": (
        run("UPDATE thumbnail SET node = 77777 WHERE node = (SELECT min(node) FROM thumbnail)"),
        "pointer",
        True,
    ),
    "a fragment points to no clip": (
        run("UPDATE fragment SET node = 99999 WHERE id = 2"),
        "pointer",
        True,
    ),
    "clips overlap": (
        run(f"UPDATE node SET end_ns = end_ns + 5000000000 WHERE id = {CLIP}"),
        "overlap",
        False,
    ),
    "a clip is there twice": (
        run(
            "INSERT INTO node(level, stream, epoch, start_ns, end_ns, parent) "
            f"SELECT level, stream, epoch, start_ns, end_ns, parent FROM node WHERE id = {CLIP}"
        ),
        "overlap",
        False,
    ),
    "a clip has no length": (
        run(f"UPDATE node SET end_ns = start_ns WHERE id = {CLIP}"),
        "clip",
        False,
    ),
    "an epoch runs backwards": (run("UPDATE epoch SET end_ns = start_ns - 1"), "epoch", False),
    "anchors run backwards": (
        run("INSERT INTO anchor VALUES(1, 1000, 5000000000000), (1, 2000, 1000)"),
        "anchor",
        False,
    ),
    "a moment is of no kind": (run("UPDATE moment SET kind = 77 WHERE id = 1"), "moment", False),
    "a moment has a wrong size": (run("UPDATE moment SET bytes = 1 WHERE id = 1"), "size", True),
    "words are not indexed": (
        run("UPDATE moment SET text = 'quince', bytes = 6 WHERE id = 1"),
        "text index",
        True,
    ),
    "the index holds words of nothing": (stray_words, "text index", True),
    "a frequency is wrong": (
        run("UPDATE term SET moments = moments + 3 WHERE term = 'melon'"),
        "frequency",
        True,
    ),
    "a term is not counted": (run("DELETE FROM term WHERE term = 'melon'"), "frequency", True),
    "a vector has another length": (
        run("UPDATE moment_vector SET data = x'00', bytes = 1 WHERE id = 3"),
        "vector",
        True,
    ),
    "a vector is no unit": (bad_vector, "vector", True),
    "a vector is of no model": (
        run("UPDATE moment_vector SET model = 44 WHERE id = 3"),
        "vector",
        True,
    ),
    "a vector is missing": (run("DELETE FROM moment_vector WHERE id = 3"), "vector", True),
    "a block's vector is another": (other_block_vector, "block vector", True),
    "a digest says what nobody said": (
        run(f"UPDATE node SET digest = replace(digest, 'melon', 'lemon') WHERE id = {BLOCK}"),
        "digest",
        True,
    ),
    "an hour's digest is gone": (
        run(f"UPDATE node SET digest = NULL WHERE id = {HOUR}"),
        "digest",
        True,
    ),
    "a block was made from others": (
        run(f"UPDATE node SET inputs = x'0900000000000000', num_children = 1 WHERE id = {BLOCK}"),
        "inputs",
        True,
    ),
    "a block counts wrong": (
        run(f"UPDATE node SET num_children = 7 WHERE id = {BLOCK}"),
        "count",
        True,
    ),
    "a total is wrong": (run("UPDATE total SET num_bytes = num_bytes + 1"), "totals", True),
    "a picture is cut off": (
        run(
            "UPDATE thumbnail SET jpeg = substr(jpeg, 1, 20), bytes = 20 "
            "WHERE node = (SELECT min(node) FROM thumbnail)"
        ),
        "picture",
        True,
    ),
    "a recorded byte is flipped": (flip_a_byte, "checksum", True),
    "a recording is cut off": (cut_the_file, "recording", True),
    "a recording is gone": (lambda directory: segment(directory).unlink(), "recording", True),
    "a recording is too long": (
        lambda directory: segment(directory).write_bytes(segment(directory).read_bytes() + b"x"),
        "tail",
        True,
    ),
    "a recording is nobody's": (
        lambda directory: (directory / "segments" / "9-9.mkv").write_bytes(b"x"),  # type: ignore[dict-item]
        "orphan file",
        True,
    ),
    "a cache cannot be read": (
        lambda directory: (directory / "cache" / "x.json").write_text("{"),  # type: ignore[dict-item]
        "cache",
        True,
    ),
    "a cache holds a vector that is gone": (
        stale_cache,
        "cache",
        True,
    ),
    "fragments overlap": (
        run("UPDATE fragment SET offset = offset - 7 WHERE id = 2"),
        "fragment",
        True,
    ),
    "a segment has a wrong size": (run("UPDATE segment SET bytes = 3"), "size", True),
    "a redacted answer has words": (run("UPDATE turn SET redacted = 1"), "redaction", True),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole")
    filled(directory)
    return directory


def copied(whole: Path, to: Path) -> Path:
    return Path(shutil.copytree(whole, to / "store"))


def test_a_whole_store_is_clean(whole: Path) -> None:
    told: list[tuple[int, int, str]] = []
    with Store.open(whole, write=False) as store:
        done = verify(store.database, whole, progress=lambda *step: told.append(step))
    assert done.findings == ()
    assert (done.clips, done.fragments) == (20, 20)
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1]
    assert check(whole, quick=True).is_clean


@pytest.mark.parametrize("name", KINDS)
def test_what_is_wrong_is_found_and_mended(name: str, whole: Path, tmp_path: Path) -> None:
    damage, kind, is_mended = KINDS[name]
    directory = copied(whole, tmp_path)
    damage(directory)
    found = check(directory)
    assert kind in {finding.kind for finding in found.findings}, found.findings
    repaired = mend(directory)
    assert repaired.left.is_clean == is_mended
    after = check(directory)
    assert after.is_clean == is_mended, after.findings
    if is_mended:
        assert after.clips == 20


def test_what_cannot_be_made_again_is_said(whole: Path, tmp_path: Path) -> None:
    directory = copied(whole, tmp_path)
    flip_a_byte(directory)
    assert [finding.kind for finding in mend(directory).lost] == ["checksum"]
    with Store.open(directory, write=False) as store:
        assert store.stats().clips == 20
        assert store.database.value("SELECT count(*) FROM fragment") == 19


def test_a_store_stays_clean_while_it_is_written_and_forgotten_from(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=MemoryConfig(fan_out=3))
    for index in range(12):
        world.say(10 * index + 2, f"melon {index}")
        world.record(10 * index + 1, b"x" * 200)
        world.clip(10 * index)
        if index % 4 == 3:
            world.push(Forget(moment=f"c1-{10_000 * (index - 2)}"))
        assert check(tmp_path).is_clean
    world.record(121, b"x" * 200)
    assert check(tmp_path).is_clean
    assert world.store.database.value("SELECT max(end_ns) FROM node") == 120 * S
    world.close()
