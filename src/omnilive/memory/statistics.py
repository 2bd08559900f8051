"""What a store holds, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omnilive.memory import disk_use, totals
from omnilive.memory.budget import Limits
from omnilive.memory.database import Database
from omnilive.memory.keeper import load
from omnilive.memory.moments import KINDS
from omnilive.memory.outlook import Outlook, outlook
from omnilive.memory.timeline import Timeline

_CALENDAR = {-1: "hour", -2: "day", -3: "month"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatistics:
    """One stream: what was watched of it. `first_at` and `last_at` are local ISO 8601, or ""."""

    stream: int
    name: str
    source: str
    live: bool
    epochs: int
    clips: int
    watched_ns: int
    first_at: str
    last_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLevel:
    """A level of the tree: "clip", "block 1", ... or "hour", "day", "month".

    Attributes:
        name: which.
        nodes: how many are kept.
        bytes: what they take on disk, with all their parts.
        faded: how many of them were made from something that has been dropped since.
    """

    name: str
    nodes: int
    bytes: int
    faded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatistics:
    """A store as a whole. Bytes of payload are counted; bytes of files are measured.

    `wal_bytes` and `database_bytes` are files; `free_bytes` is what of the database is unused.
    `forecast` holds it all against the budget in force; see `omnilive.memory.outlook`.
    """

    generation: int
    streams: tuple[StreamStatistics, ...]
    clips: int
    quiet_clips: int
    blocks: int
    pinned: int
    moments: dict[str, int]
    turns: int
    text_bytes: int
    vector_bytes: int
    thumbnail_bytes: int
    recording_bytes: int
    database_bytes: int
    wal_bytes: int
    free_bytes: int
    cache_bytes: int
    levels: tuple[TreeLevel, ...]
    forecast: Outlook


def store_statistics(
    database: Database, timelines: Mapping[int, Timeline], segments: Path, caches: Path
) -> StoreStatistics:
    """Count and measure."""
    disk = disk_use.measure(database, totals.read(database), caches)
    kinds = dict(database.rows("SELECT kind, count(*) FROM moment GROUP BY kind"))
    nodes = database.row(
        "SELECT sum(level = 0), sum(level = 0 AND quiet), sum(level > 0), sum(pinned) FROM node"
    ) or (0, 0, 0, 0)
    clips = dict(database.rows("SELECT stream, count(*) FROM node WHERE level = 0 GROUP BY stream"))
    by_stream = tuple(
        stream_statistics(line, clips.get(line.stream, 0)) for line in timelines.values()
    )
    return StoreStatistics(
        generation=database.generation,
        streams=by_stream,
        clips=nodes[0] or 0,
        quiet_clips=nodes[1] or 0,
        blocks=nodes[2] or 0,
        pinned=nodes[3] or 0,
        moments={kind: kinds.get(number, 0) for number, kind in enumerate(KINDS)},
        turns=database.value("SELECT count(*) FROM turn"),
        text_bytes=_sum(database, "moment"),
        vector_bytes=_sum(database, "moment_vector") + _sum(database, "node_vector"),
        thumbnail_bytes=_sum(database, "thumbnail"),
        recording_bytes=sum(file.stat().st_size for file in segments.iterdir() if file.is_file())
        if segments.is_dir()
        else 0,
        database_bytes=disk.database,
        wal_bytes=disk.wal,
        free_bytes=disk.free_pages,
        cache_bytes=disk.caches,
        levels=_levels(database, disk),
        forecast=outlook(database, timelines, Limits(load(database)), disk),
    )


def _levels(database: Database, disk: disk_use.Disk) -> tuple[TreeLevel, ...]:
    faded = dict(
        database.rows("SELECT level, sum(faded > 0) FROM node WHERE level <> 0 GROUP BY level")
    )
    held = totals.read(database)
    nodes: dict[int, int] = {}
    for (_, level, part), total in held.items():
        if part == totals.NODE:
            nodes[level] = nodes.get(level, 0) + total.num_rows
    sizes = disk_use.by_level(held, disk)
    return tuple(
        TreeLevel(
            name=_CALENDAR.get(level) or (f"block {level}" if level else "clip"),
            nodes=nodes[level],
            bytes=round(sizes.get(level, 0.0)),
            faded=faded.get(level, 0),
        )
        for level in sorted(nodes, key=lambda level: (level < 0, abs(level)))
    )


def stream_statistics(line: Timeline, clips: int) -> StreamStatistics:
    """Return what was watched of one stream."""
    stretches = line.watched()
    return StreamStatistics(
        stream=line.stream,
        name=line.name,
        source=line.epochs[-1].source if line.epochs else "",
        live=not line.is_file,
        epochs=len(line.epochs),
        clips=clips,
        watched_ns=sum(end - start for start, end in stretches),
        first_at=line.local_at(stretches[0][0]) if stretches else "",
        last_at=line.local_at(stretches[-1][1]) if stretches else "",
    )


def _sum(database: Database, table: str) -> int:
    return int(database.value(f"SELECT coalesce(sum(bytes), 0) FROM {table}"))
