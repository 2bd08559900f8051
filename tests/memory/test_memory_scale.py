from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memory_support import S, World
from numpy.typing import NDArray

from omnilive.events import Question, Span, UpTo
from omnilive.memory import over_time, postings, row_ranges
from omnilive.memory.database import Database
from omnilive.memory.opening import CACHE
from omnilive.memory.store import Store
from omnilive.memory.text_index import RowRange, add_text, frequencies
from omnilive.memory.vector_cache import VectorCache, scrub
from omnilive.memory.vector_files import ZONE
from omnilive.memory.vector_zones import Window
from omnilive.memory.vectors import pack_vectors, unit_rows
from omnilive.memory.view import View

DIMENSION = 32
EVERYWHERE = [Window(1, -1, 1 << 60)]
COUNT = 2 * ZONE + 500


def unit(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    return unit_rows(rng.standard_normal((count, DIMENSION)).astype(np.float32))


def add_vectors(store: Store, vectors: NDArray[np.float32], first: int = 0) -> None:
    """Put moments with these vectors into a store, one a second."""
    database = store.database
    with database.transaction():
        database.run("INSERT OR IGNORE INTO stream VALUES(1, 's')")
        database.run("INSERT OR IGNORE INTO model VALUES(1, 'test model', ?)", (DIMENSION,))
        database.run(
            "INSERT OR IGNORE INTO epoch(id, stream, start_ns, wall_ns, zone, origin, voice, "
            "has_video, has_audio, live, source) VALUES(1,1,0,0,'UTC','live','ambient',0,1,1,'')"
        )
        database.run(
            "INSERT OR IGNORE INTO node(id, level, stream, epoch, start_ns, end_ns) "
            "VALUES(1,0,1,1,0,1)"
        )
        for index, data in enumerate(pack_vectors(vectors), start=first):
            moment = database.insert(
                "INSERT INTO moment(node, stream, kind, start_ns, end_ns, text, bytes) "
                "VALUES(1, 1, 0, ?, ?, '', 0)",
                (index * S, (index + 1) * S),
            )
            database.run(
                "INSERT INTO moment_vector(moment, model, data, bytes) VALUES(?, 1, ?, ?)",
                (moment, data, len(data)),
            )


def cache_of(store: Store) -> VectorCache:
    cache = VectorCache(store.database, "test model", DIMENSION)
    cache.refresh()
    return cache


def exact(vectors: NDArray[np.float32], asked: NDArray[np.float32], floor: float) -> set[int]:
    """Moments are numbered from 1 in order."""
    return {int(index) + 1 for index in np.flatnonzero(vectors @ asked >= floor)}


def found(cache: VectorCache, asked: NDArray[np.float32], floor: float = 0.5) -> set[int]:
    return {one.moment for one in cache.nearest(asked, EVERYWHERE, floor=floor, limit=10_000)}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path, write=True) as opened:
        yield opened


def test_the_first_stage_finds_what_a_full_scan_finds(store: Store) -> None:
    rng = np.random.default_rng(1)
    vectors = unit(rng, COUNT)
    add_vectors(store, vectors)
    cache = cache_of(store)
    assert cache.mapped_bytes >= 2 * ZONE * DIMENSION
    stored = [row[0] for row in store.database.rows("SELECT data FROM moment_vector ORDER BY id")]
    from omnilive.memory.vectors import unpack_vectors

    kept = unpack_vectors(stored, DIMENSION)
    for asked in unit(rng, 10):
        assert found(cache, asked) == exact(kept, asked, 0.5)
        best = cache.nearest(asked, EVERYWHERE, floor=0.0, limit=5)
        assert [one.moment - 1 for one in best] == list(np.argsort(-(kept @ asked))[:5])


def test_only_the_windows_are_searched_and_counted(store: Store) -> None:
    rng = np.random.default_rng(2)
    vectors = unit(rng, COUNT)
    add_vectors(store, vectors)
    cache = cache_of(store)
    windows = [Window(1, 100 * S, 200 * S), Window(1, 5_000 * S, 9_000 * S), Window(2, 0, 1 << 60)]
    inside = set(range(101, 201)) | set(range(5_001, COUNT + 1))
    assert cache.num_within(windows) == len(inside)
    near = cache.nearest(vectors[150], windows, floor=0.3, limit=10_000)
    assert near[0].moment == 151
    assert {one.moment for one in near} <= inside


def test_new_rows_are_appended_and_files_are_used_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng, COUNT + ZONE + 10)
    with Store.open(tmp_path, write=True) as store:
        add_vectors(store, vectors[:COUNT])
        cache = cache_of(store)
        names = {path.name for path in (tmp_path / CACHE).iterdir()}
        add_vectors(store, vectors[COUNT:], COUNT)
        assert COUNT + ZONE + 1 not in found(cache, vectors[COUNT + ZONE])
        cache.refresh()
        assert COUNT + ZONE + 1 in found(cache, vectors[COUNT + ZONE])
        assert {path.name for path in (tmp_path / CACHE).iterdir()} == names
    with Store.open(tmp_path, write=False) as reader:
        cache = cache_of(reader)
        assert cache.count == COUNT + ZONE + 10
        assert COUNT + ZONE + 1 in found(cache, vectors[COUNT + ZONE])
        assert {path.name for path in (tmp_path / CACHE).iterdir()} == names


def test_a_reader_sees_what_a_writer_appends(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng, 2 * ZONE + 20)
    with Store.open(tmp_path, write=True) as writer, Store.open(tmp_path, write=False) as reader:
        add_vectors(writer, vectors[:ZONE])
        cache = cache_of(writer)
        seen = cache_of(reader)
        add_vectors(writer, vectors[ZONE:], ZONE)
        cache.refresh()
        seen.refresh()
        assert seen.count == len(vectors)
        for place in (0, ZONE - 1, ZONE, 2 * ZONE + 19):
            assert found(seen, vectors[place], 0.9) == {place + 1}


@pytest.mark.parametrize("damage", ["header", "truncated", "other numbers", "gone", "other store"])
def test_a_cache_that_does_not_fit_is_made_again(tmp_path: Path, damage: str) -> None:
    rng = np.random.default_rng(5)
    vectors = unit(rng, COUNT)
    with Store.open(tmp_path, write=True) as store:
        add_vectors(store, vectors)
        cache_of(store)
    folder = tmp_path / CACHE
    (header,) = folder.glob("*.json")
    (numbers,) = folder.glob("*.numbers")
    if damage == "header":
        header.write_text("{")
    elif damage == "truncated":
        numbers.write_bytes(numbers.read_bytes()[:-DIMENSION])
    elif damage == "other numbers":
        numbers.write_bytes(bytes(len(numbers.read_bytes())))
    elif damage == "gone":
        numbers.unlink()
    else:
        header.write_text(json.dumps(json.loads(header.read_text()) | {"generation": 10**9}))
    with Store.open(tmp_path, write=True) as store:
        cache = cache_of(store)
        assert found(cache, vectors[77], 0.9) == {78}
        assert cache.count == COUNT


def test_what_is_erased_leaves_the_files(store: Store) -> None:
    rng = np.random.default_rng(6)
    vectors = unit(rng, COUNT)
    add_vectors(store, vectors)
    cache = cache_of(store)
    (numbers,) = (store.directory / CACHE).glob("*.numbers")
    asked = vectors[123]
    row = numbers.read_bytes()[123 * DIMENSION : 124 * DIMENSION]
    assert any(row)
    with store.database.transaction():
        # Through the moment: the vector goes by the foreign key.
        store.database.run("DELETE FROM moment WHERE id = 124")
    assert found(cache, asked, 0.9) == set()
    scrub(store.database, store.directory / CACHE)
    assert row not in numbers.read_bytes()
    cache.refresh()
    assert found(cache, asked, 0.9) == set()
    assert found(cache, vectors[124], 0.9) == {125}


def test_what_was_erased_before_it_came_into_the_files_never_does(store: Store) -> None:
    rng = np.random.default_rng(7)
    vectors = unit(rng, ZONE + 10)
    add_vectors(store, vectors[:100])
    cache = cache_of(store)
    with store.database.transaction():
        store.database.run("DELETE FROM moment WHERE id = 50")
    add_vectors(store, vectors[100:], 100)
    cache.refresh()
    (numbers,) = (store.directory / CACHE).glob("*.numbers")
    assert len(numbers.read_bytes()) == (ZONE + 9) * DIMENSION
    assert found(cache, vectors[49], 0.9) == set()
    assert found(cache, vectors[99], 0.9) == {100}


def test_files_that_nothing_names_are_wiped(store: Store) -> None:
    folder = store.directory / CACHE
    (folder / "left-behind.numbers").write_bytes(b"secret")
    scrub(store.database, folder)
    assert list(folder.iterdir()) == []


# --- words ------------------------------------------------------------------------------

WORDS = ["common", "often", "seldom", "rare", "unique"]


def add_texts(database: Database, count: int) -> list[set[str]]:
    rng = np.random.default_rng(8)
    texts = []
    with database.transaction():
        for number in range(1, count + 1):
            shares = (0.6, 0.3, 0.05, 0.01, 0.002)
            words = {
                word for word, share in zip(WORDS, shares, strict=True) if rng.random() < share
            }
            add_text(database, number, " ".join(sorted(words)))
            texts.append(words)
    return texts


def brute(texts: list[set[str]], shares: dict[str, float], floor: float) -> dict[int, float]:
    scores = {
        number: sum(share for term, share in shares.items() if term in words)
        for number, words in enumerate(texts, start=1)
    }
    return {number: score for number, score in scores.items() if score >= floor - 1e-9}


@pytest.mark.parametrize(
    "shares",
    [
        {"rar": 0.6, "seldom": 0.4},
        {"rar": 0.5, "often": 0.3, "common": 0.2},
        {"common": 0.5, "often": 0.5},
        {"uniqu": 0.7, "unknown": 0.3},
    ],
)
def test_coverage_is_exact_where_it_need_not_be_bounded(
    store: Store, shares: dict[str, float]
) -> None:
    texts = [
        {word[:-1] if word in ("rare", "unique") else word for word in words}
        for words in add_texts(store.database, 1_500)
    ]
    counts = frequencies(store.database, shares)
    got = postings.coverage(store.database, shares, counts, [RowRange(1, 1_500)], 1_500, 0.55)
    assert got == pytest.approx(brute(texts, shares, 0.55))


def test_common_words_stay_bounded_and_reach_over_all_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_texts(store.database, 4_000)
    monkeypatch.setattr(postings, "MAX_ROWS", 100)
    shares = {"common": 0.6, "often": 0.4}
    counts = frequencies(store.database, shares)
    got = postings.coverage(store.database, shares, counts, [RowRange(1, 4_000)], 4_000, 0.55)
    assert 50 <= len(got) <= 100 + 400
    assert max(got) > 3_990
    quarters = {(number - 1) // 1_000 for number in got}
    assert quarters == {0, 1, 2, 3}


def test_moments_with_all_words_are_found_between_the_slices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = store.database
    with database.transaction():
        for number in range(1, 3_001):
            add_text(
                database, number, "alpha beta" if number == 700 else ("alpha", "beta")[number % 2]
            )
    monkeypatch.setattr(postings, "MAX_ROWS", 60)
    shares = {"alpha": 0.5, "beta": 0.5}
    counts = frequencies(database, shares)
    assert postings.coverage(database, shares, counts, [RowRange(1, 3_000)], 3_000, 0.55) == {
        700: 1.0
    }


# --- counting ---------------------------------------------------------------------------


def talked(tmp_path: Path, count: int = 240) -> World:
    world = World(tmp_path)
    for index in range(count):
        word = "lighthouse" if index % 3 == 0 else "harbour"
        world.say(10 * index + 1, f"the {word} number {index}")
        world.clip(10 * index)
    world.store.mark_asked("u1-31000")
    return world


def view_of(world: World, *, up_to: tuple[UpTo, ...] = ()) -> View:
    question = Question(turn_id="q", text="", needs="past", up_to=up_to)
    return View(question, world.store.timelines())


def spans_of(*edges: tuple[int, int]) -> list[Span]:
    return [Span(1, start * S, end * S, "", "") for start, end in edges]


@pytest.mark.parametrize(
    ("spans", "up_to_s"),
    [
        ([], None),
        ([], 1_000),
        ([(0, 2_400)], None),
        ([(95, 1_805)], None),
        ([(0, 305), (1_000, 1_900)], None),
    ],
)
def test_counts_are_the_same_however_many_there_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spans: list[tuple[int, int]],
    up_to_s: int | None,
) -> None:
    world = talked(tmp_path)
    up_to = () if up_to_s is None else (UpTo(1, up_to_s * S),)
    view, asked = view_of(world, up_to=up_to), spans_of(*spans)
    database = world.store.database
    few = over_time.matching_rows(database, view, ["lighthous"], asked, 1_000)
    few_within = over_time.choose_within(database, view, asked, 10_000)
    monkeypatch.setattr(over_time, "MAX_JOINED", 1)
    monkeypatch.setattr(over_time, "MAX_READ", 1)
    monkeypatch.setattr(over_time, "SLACK", 5)
    monkeypatch.setattr(row_ranges, "SLACK", 5)
    many = over_time.matching_rows(database, view, ["lighthous"], asked, 1_000)
    many_within = over_time.choose_within(database, view, asked, 20)
    assert many == few
    assert many_within[1] == few_within[1]
    assert set(many_within[0]) <= set(few_within[0])
    assert 10 <= len(many_within[0]) <= 20


def test_streams_that_lie_mixed_are_told_apart(store: Store) -> None:
    rng = np.random.default_rng(9)
    vectors = unit(rng, 6 * ZONE)
    add_vectors(store, vectors)
    database = store.database
    with database.transaction():
        database.run("INSERT INTO stream VALUES(2, 't')")
        database.run("UPDATE moment SET stream = 2 WHERE id % 2 = 0")
    cache = cache_of(store)
    both = [Window(1, -1, 1 << 60), Window(2, -1, 1 << 60)]
    one = [Window(1, -1, 1 << 60)]
    assert cache.num_within(both) == 6 * ZONE
    assert cache.num_within(one) == pytest.approx(3 * ZONE, rel=0.05)
    asked = vectors[2_001]
    in_both = {near.moment for near in cache.nearest(asked, both, floor=0.5, limit=10_000)}
    in_one = {near.moment for near in cache.nearest(asked, one, floor=0.5, limit=10_000)}
    assert 2_002 in in_both
    assert in_one == {moment for moment in in_both if moment % 2}
