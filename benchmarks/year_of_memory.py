"""A year of memory: what a clip and a question cost after an hour, a day, a month and a year.

    python benchmarks/year_of_memory.py feed --work DIR [--until 1y]   resumable; stop it any time
    python benchmarks/year_of_memory.py ask --work DIR [--json]        asks every size there is
    python benchmarks/year_of_memory.py report --work DIR              the table, as Markdown
    python benchmarks/year_of_memory.py clip --work DIR                a clip's cost, sizes in turns
    python benchmarks/year_of_memory.py recall --work DIR --size 1y    against a full exact scan
    python benchmarks/year_of_memory.py fsync --work DIR               what a commit waits for

Feeds the Memory stage with the synthetic world at event level (nothing is rendered), a day of it
after another into one store whose stream time goes on. A copy of the store is kept at each size
(1 h, 24 h, 30 days, 1 year), of which questions are asked in a process of their own.

fsync is kept apart: the store runs with `PRAGMA synchronous = OFF` while it is fed, and what a
commit waits for the disk otherwise is measured beside it. A clip's cost is CPU time of the thread,
a mean over whole days (600 blocks).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from omnilive.cancel import Cancel
from omnilive.events import NS_PER_S, Clip, Question, StreamStarted
from omnilive.media.synthetic import World, perceived_events
from omnilive.memory.embedding import WordLlamaEmbedder
from omnilive.memory.recall import Recall
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store
from omnilive.memory.tokens import content_words, index_terms, query_words
from omnilive.memory.vector_cache import VectorCache
from omnilive.memory.vector_zones import Window
from omnilive.memory.vectors import unpack_vectors

HOUR_S, DAY_S = 3_600, 86_400
SIZES = {"1h": HOUR_S, "24h": DAY_S, "30d": 30 * DAY_S, "1y": 365 * DAY_S}
WALL_NS = 1_704_067_200 * NS_PER_S  # 2024-01-01T00:00:00Z
NUM_QUESTIONS = 40
COMMON = 0.05


# --- feeding ----------------------------------------------------------------------------


def parts() -> Iterator[tuple[str, int, int]]:
    """Yield (size reached at its end or "", start, end) in seconds of what is fed at once."""
    yield "1h", 0, HOUR_S
    yield "24h", HOUR_S, DAY_S
    for day in range(1, 365):
        start = day * DAY_S
        yield {29: "30d", 364: "1y"}.get(day, ""), start, start + DAY_S


def feed(work: Path, until: str) -> None:
    """Feed what is missing, part by part; a part that was cut off is fed again from its start."""
    work.mkdir(parents=True, exist_ok=True)
    log = work / "feed.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    fed_s = max((each["end_s"] for each in done), default=0)
    directory = work / "store"
    embedder = WordLlamaEmbedder()
    for size, start_s, end_s in parts():
        if end_s > SIZES[until]:
            break
        if end_s <= fed_s:
            continue
        entry = feed_part(directory, embedder, start_s, end_s)
        gc.collect()
        entry |= {"size": size, "start_s": start_s, "end_s": end_s}
        with log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
        if size:
            shutil.copytree(directory, work / f"store-{size}", dirs_exist_ok=True)


def feed_part(
    directory: Path, embedder: WordLlamaEmbedder, start_s: int, end_s: int
) -> dict[str, Any]:
    world = World(7 + start_s, end_s - start_s)
    at_ns = start_s * NS_PER_S
    cancel = Cancel()
    clips = moments = 0
    spent = 0.0
    with Store.open(directory, write=True) as store:
        store.database.run("PRAGMA synchronous = OFF")
        memory = Memory(store, MemoryConfig(), embedder)
        started_at = time.perf_counter()
        for event in perceived_events(world, at_ns=at_ns, wall_ns=WALL_NS + at_ns):
            if isinstance(event, StreamStarted):
                event = begun(store, event)
            before = time.thread_time()
            for remembered in memory.push(event, cancel):
                moments += len(getattr(remembered, "moments", ()))
            spent += time.thread_time() - before
            clips += isinstance(event, Clip)
        wall_s = time.perf_counter() - started_at
    return {
        "clips": clips,
        "moments": moments,
        "cpu_ms_a_clip": 1000 * spent / clips,
        "wall_s": wall_s,
        "rss_mb": resident_mb(),
    }


def clip_cost_by_turns(work: Path, rounds: int = 5, part_s: int = 3 * HOUR_S) -> str:
    """Feed three more hours to a copy of each size, the sizes in turns, `rounds` times.

    In turns, so that other work on the machine falls on every size alike; the median round counts.
    """
    embedder = WordLlamaEmbedder()
    ends = {size: SIZES[size] for size in SIZES if (work / f"store-{size}").is_dir()}
    costs: dict[str, list[float]] = {size: [] for size in ends}
    for size in ends:
        shutil.rmtree(work / "copy" / size, ignore_errors=True)
        shutil.copytree(work / f"store-{size}", work / "copy" / size)
    for _ in range(rounds):
        for size in ends:
            done = feed_part(work / "copy" / size, embedder, ends[size], ends[size] + part_s)
            ends[size] += part_s
            costs[size].append(done["cpu_ms_a_clip"])
    shutil.rmtree(work / "copy")
    medians = {size: statistics.median(found) for size, found in costs.items()}
    lines = ["| size | CPU a clip, median of rounds | beside 1 h |", "|---|---|---|"]
    base = medians["1h"]
    lines += [f"| {size} | {cost:.3f} ms | {cost / base:.2f} |" for size, cost in medians.items()]
    return "\n".join(lines)


def begun(store: Store, event: StreamStarted) -> StreamStarted:
    """Open the next epoch of the one stream, where the part before it ended."""
    return store.begin_epoch(
        event.name,
        wall_ns=event.wall_ns,
        zone="Europe/Berlin",
        origin="live",
        voice=event.voice,
        has_video=event.has_video,
        has_audio=event.has_audio,
        live=True,
        source="synthetic",
        at_ns=event.at_ns,
    )


# --- asking -----------------------------------------------------------------------------


def ask_all(work: Path) -> None:
    """Ask of each size in a process of its own, so that resident memory is that of asking alone.

    The first question of a store makes its vector cache; a second process then measures.
    """
    for size in SIZES:
        if (work / f"store-{size}").is_dir():
            with Store.open(work / f"store-{size}", write=True) as store:
                embedder = WordLlamaEmbedder()
                VectorCache(store.database, embedder.model, embedder.dimension).refresh()
            command = [sys.executable, __file__, "ask", "--work", str(work), "--size", size]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(done.stdout if done.returncode == 0 else done.stderr, flush=True)


def ask(work: Path, size: str) -> dict[str, Any]:
    """Ask `NUM_QUESTIONS` questions of the store as it is; write the figures beside it."""
    opened = time.perf_counter()
    directory = work / f"store-{size}" if size else work / "store"
    with Store.open(directory, write=False) as store:
        rows = RowCounter(store)
        recall = Recall(store, WordLlamaEmbedder())
        base_mb = resident_mb()
        texts = questions(store)
        recall.retrieve(Question(turn_id="q", text="anything about the weather?", needs="past"))
        ready_s = time.perf_counter() - opened
        figures = []
        for text, is_common in texts:
            rows.count = 0
            before, cpu = time.perf_counter(), time.process_time()
            found = recall.retrieve(Question(turn_id="q", text=text, needs="past"))
            figures.append(
                {
                    "question": text,
                    "common": is_common,
                    "ms": 1000 * (time.perf_counter() - before),
                    "cpu_ms": 1000 * (time.process_time() - cpu),
                    "rows": rows.count,
                    "hits": len(found.hits),
                    "matches": found.matches,
                }
            )
        result = {
            "size": size,
            "clips": store.database.value("SELECT count(*) FROM node WHERE level = 0"),
            "moments": store.database.value("SELECT count(*) FROM moment"),
            "vectors": store.database.value("SELECT count(*) FROM moment_vector"),
            "ready_s": ready_s,
            "base_mb": base_mb,
            "rss_mb": resident_mb(),
            "anonymous_mb": resident_mb("RssAnon"),
            "mapped_mb": resident_mb("RssFile"),
            "levels": levels(store),
            "database_mb": (directory / "memory.db").stat().st_size / 1e6,
            "cache_mb": sum(p.stat().st_size for p in (directory / "cache").rglob("*")) / 1e6,
            "questions": figures,
        }
    (work / f"ask-{size or 'now'}.json").write_text(json.dumps(result, indent=1))
    return result


class RowCounter:
    """Counts the rows that SQLite hands over."""

    def __init__(self, store: Store) -> None:
        self.count = 0
        database = store.database
        rows, row = database.rows, database.row

        def counted_rows(sql: str, bindings: Any = ()) -> list[tuple[Any, ...]]:
            found = rows(sql, bindings)
            self.count += len(found)
            return found

        def counted_row(sql: str, bindings: Any = ()) -> tuple[Any, ...] | None:
            self.count += 1
            return row(sql, bindings)

        database.rows = counted_rows  # type: ignore[method-assign]
        database.row = counted_row  # type: ignore[method-assign]


def questions(store: Store) -> list[tuple[str, bool]]:
    """Return questions about what is in the store, every other one of words in > 5 % of clips."""
    database, rng = store.database, random.Random(5)
    clips = database.value("SELECT count(*) FROM node WHERE level = 0")
    counts = dict(database.rows("SELECT term, moments FROM term"))
    last = database.value("SELECT max(id) FROM moment")
    common: Counter[str] = Counter()
    rare: list[str] = []
    for _ in range(6_000):
        text = database.value(
            "SELECT text FROM moment WHERE id >= ? AND +kind IN (0, 1) LIMIT 1",
            (rng.randint(1, last),),
        )
        if text is None:
            continue
        words = [word for word in content_words(query_words(text)) if word.weight >= 1.0]
        frequent = [w.surface for w in words if counts.get(w.terms[0], 0) > COMMON * clips]
        if len(frequent) >= 2 and len(frequent) == len(words):
            common[" ".join(frequent[:3])] += 1
        elif len(words) >= 2 and len(rare) < NUM_QUESTIONS // 2:
            scarce = [w.surface for w in words if counts.get(w.terms[0], 0) <= COMMON * clips]
            if len(scarce) >= 2:
                rare.append(" and ".join(rng.sample(scarce, 2)))
    frames = ("what was said about {}?", "did anyone mention {}?", "when did you hear {}?")
    frequent_ones = [text for text, _ in common.most_common(NUM_QUESTIONS // 2)]
    # The synthetic world has few such sentences: words of two of them make up the half.
    pool = sorted({word for text in frequent_ones for word in text.split()})
    while pool and len(frequent_ones) < NUM_QUESTIONS // 2:
        frequent_ones.append(" ".join(rng.sample(pool, 2)))
    asked = [(rng.choice(frames).format(text), True) for text in frequent_ones]
    asked += [(rng.choice(frames).format(text), False) for text in rare]
    rng.shuffle(asked)
    assert all(index_terms(text) for text, _ in asked)
    return asked


def levels(store: Store) -> dict[str, dict[str, float]]:
    """Return rows and megabytes of payload a level, and of what belongs to the clips."""
    database = store.database
    found: dict[str, dict[str, float]] = {}
    for level, rows, size in database.rows(
        "SELECT level, count(*), sum(bytes) FROM node GROUP BY level ORDER BY level"
    ):
        vectors = database.value(
            "SELECT coalesce(sum(v.bytes), 0) FROM node_vector v JOIN node n ON n.id = v.node "
            "WHERE n.level = ?",
            (level,),
        )
        found[str(level)] = {"rows": rows, "mb": (size + vectors) / 1e6}
    for name, table in (("text", "moment"), ("text vectors", "moment_vector")):
        size = database.value(f"SELECT coalesce(sum(bytes), 0) FROM {table}")
        found[name] = {"rows": database.value(f"SELECT count(*) FROM {table}"), "mb": size / 1e6}
    return found


def recall_of_first_stage(work: Path, size: str, num_asked: int = 40, top: int = 10) -> str:
    """Compare the first stage with a full scan in float over every stored vector.

    The scan knows no quantised numbers but those in the store; the same sentence said a thousand
    times has a thousand equal vectors, so a finding counts if its cosine is among the best `top`.
    """
    directory = work / f"store-{size}" if size else work / "store"
    embedder = WordLlamaEmbedder()
    with Store.open(directory, write=False) as store:
        asked = embedder.embed([text for text, _ in questions(store)[:num_asked]])
        cache = VectorCache(store.database, embedder.model, embedder.dimension)
        cache.refresh()
        best = np.full((len(asked), top), -1.0, dtype=np.float32)
        last = 0
        while True:
            rows = store.database.rows(
                "SELECT id, data FROM moment_vector WHERE id > ? ORDER BY id LIMIT 100000", (last,)
            )
            if not rows:
                break
            last = rows[-1][0]
            cosines = unpack_vectors([row[1] for row in rows], embedder.dimension) @ asked.T
            best = np.sort(np.concatenate([best, cosines.T], axis=1), axis=1)[:, -top:]
        windows = [Window(1, -1, 1 << 62)]
        shares, times = [], []
        for one, exact in zip(asked, best, strict=True):
            before = time.perf_counter()
            near = cache.nearest(one, windows, floor=float(exact[0]) - 0.02, limit=top)
            times.append(1000 * (time.perf_counter() - before))
            found = [item.cosine for item in near]
            shares.append(sum(cosine >= exact[0] - 1e-5 for cosine in found) / top)
        return (
            f"{cache.count:,} vectors ({cache.mapped_bytes / 1e6:,.0f} MB mapped): "
            f"recall@{top} {statistics.mean(shares):.4f} over {len(asked)} questions, "
            f"{statistics.median(times):.1f} ms median, {max(times):.1f} ms at most"
        )


def resident_mb(field: str = "VmRSS") -> float:
    """Return resident memory of this process, from /proc."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


# --- fsync and reporting ----------------------------------------------------------------


def fsync_cost(work: Path) -> float:
    """Return the median milliseconds that a commit waits for the disk, apart from the rest."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "fsync.tmp"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(os.urandom(40_000))
            before = time.perf_counter()
            os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - before))
    path.unlink()
    return statistics.median(times)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def clip_costs(work: Path) -> dict[str, float]:
    """Return CPU milliseconds a clip around each size: the mean over what was fed just before."""
    entries = [json.loads(line) for line in (work / "feed.jsonl").read_text().splitlines()]
    costs = {}
    for size, seconds in SIZES.items():
        # The median day of the last 28: other work on the machine only ever adds.
        near = [e for e in entries if e["end_s"] <= seconds][-28 if seconds > DAY_S else -1 :]
        near = sorted(near, key=lambda e: e["cpu_ms_a_clip"])[len(near) // 2 :][:1] or near
        if near and max(e["end_s"] for e in entries) >= seconds:
            clips = sum(e["clips"] for e in near)
            costs[size] = sum(e["cpu_ms_a_clip"] * e["clips"] for e in near) / clips
    return costs


def report(work: Path) -> str:
    """Return the tables as Markdown; times are wall (CPU of the process in brackets)."""
    costs = clip_costs(work)
    lines = [
        "| size | clips | text vectors | CPU a clip | question p50 | p95 | p95, common words | "
        "rows p95 | resident, own (mapped) | database | vector cache |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    by_level = ["| size | " + " | ".join(_LEVEL_NAMES.values()) + " |", "|---|" + "---|" * 9]
    for size in SIZES:
        path = work / f"ask-{size}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        asked = found["questions"]
        common = [one for one in asked if one["common"]]
        cost = f"{costs[size]:.3f} ms" if size in costs else "-"
        lines.append(
            f"| {size} | {found['clips']:,} | {found['vectors']:,} | {cost} | {_at(asked, 0.5)} | "
            f"{_at(asked, 0.95)} | {_at(common, 0.95)} | "
            f"{percentile([one['rows'] for one in asked], 0.95):,} | "
            f"{found['anonymous_mb']:.0f} MB ({found['mapped_mb']:.0f}) | "
            f"{found['database_mb']:,.0f} MB | {found['cache_mb']:,.0f} MB |"
        )
        levels_of = found["levels"]
        cells = []
        for key in _LEVEL_NAMES:
            entry = levels_of.get(key)
            cells.append("-" if entry is None else f"{entry['rows']:,}, {entry['mb']:,.1f} MB")
        by_level.append(f"| {size} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *by_level])


_LEVEL_NAMES = {
    "0": "L0",
    "text": "text",
    "text vectors": "text vectors",
    "1": "L1",
    "2": "L2",
    "3": "L3",
    "-1": "hours",
    "-2": "days",
    "-3": "months",
}


def _at(asked: list[dict[str, Any]], share: float) -> str:
    wall = percentile([one["ms"] for one in asked], share)
    return f"{wall:.0f} ms ({percentile([one['cpu_ms'] for one in asked], share):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="A year of memory.")
    parser.add_argument("what", choices=("feed", "ask", "report", "clip", "recall", "fsync"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--until", choices=tuple(SIZES), default="1y")
    parser.add_argument("--size", choices=("", *SIZES), default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.what == "feed":
        feed(options.work, options.until)
    elif options.what == "fsync":
        print(f"{fsync_cost(options.work):.2f} ms an fsync (median of 100)")
    elif options.what == "clip":
        print(clip_cost_by_turns(options.work))
    elif options.what == "recall":
        print(recall_of_first_stage(options.work, options.size))
    elif options.what == "report":
        print(report(options.work))
    elif not options.size and not options.json:
        ask_all(options.work)
    else:
        found = ask(options.work, options.size)
        times = [one["ms"] for one in found["questions"]]
        shown = found if options.json else {k: found[k] for k in found if k != "questions"}
        shown |= {"p50_ms": percentile(times, 0.5), "p95_ms": percentile(times, 0.95)}
        print(json.dumps(shown))


if __name__ == "__main__":
    main()
