"""How much disk a store takes: measured as a whole, and shared out over what it holds.

The database is one file, so what a moment takes in it cannot be measured cheaply. Each part is
estimated from its payload (a text is also in the index, a row in several) and the estimates are
scaled by at most a quarter towards the pages in use. Recordings are files and are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from omnilive.memory import totals
from omnilive.memory.budget import LADDER
from omnilive.memory.database import DATABASE_NAME, Database
from omnilive.memory.totals import Key, Total

_EMPTY_DATABASE = 180_000  # tables, indexes and triggers of a store with nothing in it


class _Cost(NamedTuple):
    per_row: int
    per_byte: float


# Fitted to the pages that each table with its indexes takes in a store of 24 hours.
_COSTS = {
    totals.FRAGMENT: _Cost(150, 0.0),
    totals.THUMBNAIL: _Cost(40, 1.1),
    totals.NODE: _Cost(110, 1.1),
    totals.MOMENT: _Cost(90, 1.5),
    totals.VECTOR: _Cost(45, 1.0),
    totals.TURN: _Cost(150, 1.2),
    totals.TOKEN: _Cost(60, 1.02),
}
_RUNG_OF_LEVEL = {level: number for number, rung in enumerate(LADDER) for level in rung.levels}
_RECORDINGS, _TOKENS, _THUMBNAILS, _MOMENTS, _CONVERSATION = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes on disk. `free_pages` are inside the database and can be given back."""

    database: int
    free_pages: int
    wal: int
    recordings: int
    caches: int

    @property
    def total(self) -> int:
        """Everything together."""
        return self.database + self.wal + self.recordings + self.caches


def measure(database: Database, held: Mapping[Key, Total], caches: Path) -> Disk:
    """Measure the files; recordings are known from the totals. Costs the same at any size."""
    page = int(database.value("PRAGMA page_size"))
    path = database.directory / DATABASE_NAME
    return Disk(
        database=int(database.value("PRAGMA page_count")) * page,
        free_pages=int(database.value("PRAGMA freelist_count")) * page,
        wal=sum(_size(path.with_name(path.name + tail)) for tail in ("-wal", "-shm")),
        recordings=sum(total.num_bytes for key, total in held.items() if key[2] == totals.FRAGMENT),
        caches=sum(_size(file) for file in _files(caches)),
    )


def charged(held: Mapping[Key, Total], disk: Disk) -> dict[tuple[int, int], float]:
    """Return what each (stream, rung) takes on disk, in bytes; the rung's place in the ladder."""
    taken: dict[tuple[int, int], float] = {}
    for (stream, level, part), size in _shares(held, disk).items():
        key = (stream, rung_of(level, part))
        taken[key] = taken.get(key, 0.0) + size
    return taken


def by_level(held: Mapping[Key, Total], disk: Disk) -> dict[int, float]:
    """Return what each level of the tree takes on disk, with all its parts."""
    taken: dict[int, float] = {}
    for (_, level, part), size in _shares(held, disk).items():
        if part != totals.TURN:
            taken[level] = taken.get(level, 0.0) + size
    return taken


def _shares(held: Mapping[Key, Total], disk: Disk) -> dict[Key, float]:
    inside = {
        key: total.num_rows * _COSTS[key[2]].per_row + total.num_bytes * _COSTS[key[2]].per_byte
        for key, total in held.items()
    }
    in_use = max(0, disk.database - disk.free_pages - _EMPTY_DATABASE)
    estimated = sum(inside.values())
    scale = in_use / estimated if estimated else 1.0
    # In a small store the pages that are begun are most of it, and belong to no part.
    scale = min(max(scale, 0.8), 1.25)
    return {
        key: size * scale + (held[key].num_bytes if key[2] == totals.FRAGMENT else 0)
        for key, size in inside.items()
    }


def rung_of(level: int, part: int) -> int:
    """Return the place in the ladder of what `totals` counts under a level and part."""
    if part == totals.FRAGMENT:
        return _RECORDINGS
    if part == totals.TOKEN:
        return _TOKENS  # of blocks too: what is large and can be made again or done without
    if part == totals.TURN:
        return _CONVERSATION
    if level == 0:
        return _THUMBNAILS if part == totals.THUMBNAIL else _MOMENTS
    return _RUNG_OF_LEVEL.get(level, len(LADDER) - 1)


def _files(directory: Path) -> Iterable[Path]:
    try:
        return [path for path in directory.iterdir() if path.is_file()]
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
