"""What a check of a store says and works with: findings, and reading long tables in pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from omnilive.memory.database import Database

PAGE = 4_000


class Cure(Enum):
    """What `repair` does about a finding."""

    NONE = "cannot be repaired"
    INDEX = "the text index is built again"
    DERIVE = "the digest and vectors are made again"
    EMBED = "the vector is made again from the text"
    COUNT = "the numbers are counted again"
    TOTALS = "the totals are counted again"
    CACHE = "the cache is deleted and made again when needed"
    FILES = "the file is cut off or deleted"
    DROP = "it cannot be made again; what is left of it is taken out"


class Finding(NamedTuple):
    """Something wrong.

    Attributes:
        kind: a short name that stays the same, e.g. "checksum".
        what: one sentence, without remembered content.
        cure: what `repair` does about it.
        table, key: the row it is about; "" and 0 where that means nothing.
    """

    kind: str
    what: str
    cure: Cure
    table: str = ""
    key: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What checks look at.

    Attributes:
        database: the store's.
        directory: the store's.
        quick: leave out what reads every recording and every text.
        being_written: another process writes, so files may be ahead of the database.
    """

    database: Database
    directory: Path
    quick: bool
    being_written: bool


def pages(database: Database, select: str, key: str = "id") -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a long table in parts; the first column must be its integer key."""
    joiner = "AND" if " WHERE " in select else "WHERE"
    last = -1 << 63
    while True:
        rows = database.rows(f"{select} {joiner} {key} > ? ORDER BY {key} LIMIT {PAGE}", (last,))
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def shown(name: object) -> str:
    """Return a file's name, or any other, so that it fits into a sentence."""
    text = str(name)
    return text if len(text) <= 60 and text.isprintable() else "(a name that cannot be shown)"
