"""Rows that are made from other rows: blocks and calendar digests, and how to make them again.

A derived row is a node whose level is not 0: above 0 a block of the level below, under 0 a local
hour, day or month. `inputs` names the nodes it was made from. Three functions are all that
forgetting, eviction, verification and repair need: `compute` says what a row should hold (and
writes nothing), `derive` writes it, `dependents` lists the rows that a node went into.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from omnilive.memory.database import Database
from omnilive.memory.digests import Line, digest_of, lines_of_clips, lines_of_digests
from omnilive.memory.vectors import pack_vector, unit_rows, unpack_vectors

HOUR, DAY, MONTH = -1, -2, -3
CALENDAR_LETTERS = {HOUR: "h", DAY: "d", MONTH: "n"}
_IN_ONE_STATEMENT = 500


class Derived(NamedTuple):
    """What a derived row should hold. `vectors` has packed numbers by model; `inputs` node ids."""

    digest: str
    inputs: tuple[int, ...]
    vectors: dict[int, bytes]


def compute(database: Database, node: int) -> Derived:
    """Return what a derived row comes to, from the children that are there now."""
    row = database.row("SELECT level, stream, start_ns, end_ns FROM node WHERE id = ?", (node,))
    assert row is not None
    level, stream, start_ns, end_ns = row
    if level > 0:
        children = children_of(database, node)
        lines = lines_of_clips(database, node) if level == 1 else _lines_below(database, children)
        return Derived(digest_of(database, lines), children, _vectors(database, node, level))
    return compute_span(database, level, stream, start_ns, end_ns)


def compute_span(
    database: Database, level: int, stream: int, start_ns: int, end_ns: int
) -> Derived:
    """Return what a calendar row over `start_ns` to `end_ns` comes to; `level` is under 0."""
    below = 0 if level == HOUR else level + 1
    inputs = tuple(
        row[0]
        for row in database.rows(
            "SELECT id FROM node WHERE stream = ? AND level = ? AND start_ns >= ? AND start_ns < ? "
            "ORDER BY start_ns",
            (stream, below, start_ns, end_ns),
        )
    )
    if level == HOUR:
        lines = lines_of_clips(database, (stream, start_ns, end_ns))
    else:
        lines = _lines_below(database, inputs)
    return Derived(digest_of(database, lines), inputs, {})


def derive(database: Database, node: int) -> None:
    """Write what a derived row comes to from its children, or again from those that are left."""
    write(database, node, compute(database, node))


def write(database: Database, node: int, made: Derived) -> None:
    """Write what was computed for a row."""
    inputs = np.array(made.inputs, dtype="<i8").tobytes()
    database.run(
        "UPDATE node SET digest = ?, inputs = ?, num_children = ?, bytes = ?, faded = 0 "
        "WHERE id = ?",
        (made.digest, inputs, len(made.inputs), len(made.digest.encode()) + len(inputs), node),
    )
    integrated = database.value("SELECT inputs FROM clip_token WHERE node = ?", (node,))
    if integrated is not None and not _ids(integrated) <= set(made.inputs):
        database.run("DELETE FROM clip_token WHERE node = ?", (node,))  # it tells of what is gone
    database.run("DELETE FROM node_vector WHERE node = ?", (node,))
    for model, data in made.vectors.items():
        database.run("INSERT INTO node_vector VALUES(?, ?, ?, ?)", (node, model, data, len(data)))


def children_of(database: Database, block: int) -> tuple[int, ...]:
    """Return the nodes of a block in order of time."""
    return tuple(
        row[0]
        for row in database.rows(
            "SELECT id FROM node WHERE parent = ? ORDER BY start_ns, id", (block,)
        )
    )


def dependents(database: Database, node: int) -> list[int]:
    """Return every derived row that a node went into, lowest first: refresh them in this order."""
    row = database.row("SELECT parent, stream, start_ns, level FROM node WHERE id = ?", (node,))
    if row is None:
        return []
    parent, stream, start_ns, level = row
    found = []
    while parent is not None:
        found.append(parent)
        parent = database.value("SELECT parent FROM node WHERE id = ?", (parent,))
    if level > 0:
        return found
    for above in (HOUR, DAY, MONTH):
        if above < level or level == 0:
            over = rows_over(database, above, stream, start_ns, start_ns + 1)
            found += [number for number, _ in over]
    return found


def refresh(database: Database, block: int) -> int:
    """Bring a derived row and all that was made from it in line with what is left below.

    A row without children goes; an open block is only counted again. Call it after the children
    changed or went.

    Returns:
        how many rows changed.
    """
    above = dependents(database, block)
    changed = refresh_one(database, block)
    return changed + sum(refresh_one(database, node) for node in above)


def refresh_calendar(
    database: Database, stream: int, start_ns: int, end_ns: int | None = None
) -> set[str]:
    """Bring the calendar rows over a stretch of a stream in line with what is left of its clips.

    Args:
        database: where.
        stream: of the clips that changed or went.
        start_ns: start of the first one.
        end_ns: start of what is untouched; None: one clip changed.

    Returns:
        the public ids of the rows that changed or went.
    """
    end_ns = start_ns + 1 if end_ns is None else end_ns
    changed: set[str] = set()
    for level in (HOUR, DAY, MONTH):
        for node, first_ns in rows_over(database, level, stream, start_ns, end_ns):
            changed.add(public_id(level, stream, first_ns))
            refresh_one(database, node)
    return changed


def rows_over(
    database: Database, level: int, stream: int, start_ns: int, end_ns: int
) -> list[tuple[int, int]]:
    """Return (node, start_ns) of the derived rows of a level that overlap a stretch, in order."""
    # Rows of a level do not overlap: the last that starts before is far enough back.
    first = database.value(
        "SELECT start_ns FROM node WHERE stream = ? AND level = ? AND start_ns <= ? "
        "ORDER BY start_ns DESC LIMIT 1",
        (stream, level, start_ns),
    )
    return [
        (row[0], row[1])
        for row in database.rows(
            "SELECT id, start_ns FROM node WHERE stream = ? AND level = ? AND start_ns >= ? "
            "AND start_ns < ? AND end_ns > ? ORDER BY start_ns",
            (stream, level, start_ns if first is None else first, end_ns, start_ns),
        )
    ]


def public_id(level: int, stream: int, start_ns: int) -> str:
    """Return the id that a citation of a derived row shows: "b1-0", "b2.1-0", "d1-0"."""
    letter = CALENDAR_LETTERS[level] if level < 0 else "b" if level == 1 else f"b{level}."
    return f"{letter}{stream}-{start_ns // 1_000_000}"


def refresh_one(database: Database, node: int) -> int:
    """Bring one derived row in line with what is left below it; 0 if there is no such row."""
    row = database.row("SELECT level, closed FROM node WHERE id = ?", (node,))
    if row is None:
        return 0
    level, closed = row
    if level < 0:
        made = compute(database, node)
        if made.inputs:
            write(database, node, made)
        else:
            database.run("DELETE FROM node WHERE id = ?", (node,))
        return 1
    left = database.value("SELECT count(*) FROM node WHERE parent = ?", (node,))
    if not left:
        database.run("DELETE FROM node WHERE id = ?", (node,))
    elif closed:
        derive(database, node)
    else:
        database.run("UPDATE node SET num_children = ? WHERE id = ?", (left, node))
    return 1


def _ids(packed: bytes) -> set[int]:
    return set(np.frombuffer(packed, dtype="<i8").tolist())


def _lines_below(database: Database, nodes: Iterable[int]) -> list[Line]:
    numbers = list(nodes)
    rows = []
    for start in range(0, len(numbers), _IN_ONE_STATEMENT):
        part = numbers[start : start + _IN_ONE_STATEMENT]
        rows += database.rows(
            "SELECT epoch, start_ns, digest FROM node "
            f"WHERE digest IS NOT NULL AND id IN ({','.join('?' * len(part))})",
            part,
        )
    return lines_of_digests(database, sorted(rows, key=lambda row: (row[1], row[0])))


def _vectors(database: Database, block: int, level: int) -> dict[int, bytes]:
    """Return the mean vector of the children for every model that they have vectors of."""
    made = {}
    for model, dimension in database.rows("SELECT id, dimension FROM model"):
        blobs = database.rows(
            "SELECT v.data FROM node n JOIN node_vector v ON v.node = n.id "
            "WHERE n.parent = ? AND v.model = ? ORDER BY n.start_ns, n.id",
            (block, model),
        )
        if not blobs and level == 1:
            blobs = database.rows(
                "SELECT v.data FROM node n JOIN moment m ON m.node = n.id "
                "JOIN moment_vector v ON v.moment = m.id "
                "WHERE n.parent = ? AND v.model = ? ORDER BY m.start_ns, m.id",
                (block, model),
            )
        if blobs:
            rows = unpack_vectors([blob for (blob,) in blobs], dimension)
            made[model] = pack_vector(unit_rows(rows.mean(axis=0, keepdims=True))[0])
    return made
