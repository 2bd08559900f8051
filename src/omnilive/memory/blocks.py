"""Blocks: what a run of clips, or of blocks, comes to.

One operation serves every level: a child joins the open block above it, which closes when it is
full, when there was a long gap, or when a local day is over; a closed block is a child of the next
level. Digest and vector of a block come from its children alone, and the children they came from
are written down, so that forgetting a child can make them again.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import numpy as np

from omnilive.memory.database import Database
from omnilive.memory.moments import KINDS
from omnilive.memory.text_index import frequencies
from omnilive.memory.timeline import local_datetime, zone_named
from omnilive.memory.tokens import index_terms
from omnilive.memory.vectors import pack_vector, unit_rows, unpack_vectors

DIGEST_CHARACTERS = 1_200
LINE_CHARACTERS = 160
_MAX_LINES_READ = 400
_SAID = {"speech": "heard", "screen": "read", "sound": "sound", "picture": "seen"}


class BlockLimits(NamedTuple):
    """When blocks close, and how many levels of them there are above the clips."""

    fan_out: int
    gap_ns: int
    levels: int


def local_day(database: Database, epoch: int, at_ns: int) -> date:
    """Return the local date at a stream time of an epoch."""
    return _local(database, epoch, at_ns)[0]


def join(database: Database, child: int, limits: BlockLimits) -> int | None:
    """Put a finished node into the open block above it; returns the block it is in."""
    row = database.row(
        "SELECT level, stream, epoch, start_ns, end_ns FROM node WHERE id = ?", (child,)
    )
    assert row is not None
    level, stream, epoch, start_ns, end_ns = row
    if level >= limits.levels:
        return None
    block = _open_block(database, level + 1, stream)
    if block is not None and _is_over(database, block, epoch, start_ns, limits):
        close(database, block, limits)
        block = None
    if block is None:
        block = database.insert(
            "INSERT INTO node(level, stream, epoch, start_ns, end_ns, closed) VALUES(?,?,?,?,?,0)",
            (level + 1, stream, epoch, start_ns, end_ns),
        )
    database.run("UPDATE node SET parent = ? WHERE id = ?", (block, child))
    database.run(
        "UPDATE node SET end_ns = max(end_ns, ?), num_children = num_children + 1 WHERE id = ?",
        (end_ns, block),
    )
    if database.value("SELECT num_children FROM node WHERE id = ?", (block,)) >= limits.fan_out:
        close(database, block, limits)
    return block


def extend(database: Database, child: int, end_ns: int) -> None:
    """Let the block of a child that grew reach as far as the child."""
    database.run(
        "UPDATE node SET end_ns = max(end_ns, ?) WHERE id = (SELECT parent FROM node WHERE id = ?)",
        (end_ns, child),
    )


def close(database: Database, block: int, limits: BlockLimits) -> None:
    """Close a block: it gets its digest and vectors, and joins the level above."""
    database.run("UPDATE node SET closed = 1 WHERE id = ?", (block,))
    derive(database, block)
    join(database, block, limits)


def derive(database: Database, block: int) -> None:
    """Make a closed block's digest and vectors from its children, or again from those left."""
    children = [
        row[0]
        for row in database.rows("SELECT id FROM node WHERE parent = ? ORDER BY start_ns", (block,))
    ]
    digest = _digest(database, block)
    inputs = np.array(children, dtype="<i8").tobytes()
    database.run(
        "UPDATE node SET digest = ?, inputs = ?, num_children = ?, bytes = ? WHERE id = ?",
        (digest, inputs, len(children), len(digest.encode()) + len(inputs), block),
    )
    database.run("DELETE FROM node_vector WHERE node = ?", (block,))
    for model, dimension in database.rows("SELECT id, dimension FROM model"):
        _derive_vector(database, block, model, dimension)


def refresh(database: Database, block: int) -> int:
    """Bring a block and its ancestors in line with the children left; returns how many changed.

    A block without children goes; an open one is only counted again.
    """
    row = database.row("SELECT parent, closed FROM node WHERE id = ?", (block,))
    if row is None:
        return 0
    parent, closed = row
    left = database.value("SELECT count(*) FROM node WHERE parent = ?", (block,))
    if not left:
        database.run("DELETE FROM node WHERE id = ?", (block,))
    elif closed:
        derive(database, block)
    else:
        database.run("UPDATE node SET num_children = ? WHERE id = ?", (left, block))
    return 1 + (refresh(database, parent) if parent is not None else 0)


def _open_block(database: Database, level: int, stream: int) -> int | None:
    row = database.row(
        "SELECT id, closed FROM node WHERE stream = ? AND level = ? ORDER BY start_ns DESC LIMIT 1",
        (stream, level),
    )
    return None if row is None or row[1] else int(row[0])


def _is_over(
    database: Database, block: int, epoch: int, start_ns: int, limits: BlockLimits
) -> bool:
    row = database.row("SELECT epoch, start_ns, end_ns FROM node WHERE id = ?", (block,))
    assert row is not None
    if start_ns - row[2] > limits.gap_ns:
        return True
    return local_day(database, row[0], row[1]) != local_day(database, epoch, start_ns)


def _derive_vector(database: Database, block: int, model: int, dimension: int) -> None:
    blobs = database.rows(
        "SELECT v.data FROM node n JOIN node_vector v ON v.node = n.id "
        "WHERE n.parent = ? AND v.model = ? ORDER BY n.start_ns",
        (block, model),
    ) or database.rows(
        "SELECT v.data FROM node n JOIN moment m ON m.node = n.id "
        "JOIN moment_vector v ON v.moment = m.id "
        "WHERE n.parent = ? AND n.level = 0 AND v.model = ? ORDER BY m.start_ns",
        (block, model),
    )
    if not blobs:
        return
    rows = unpack_vectors([blob for (blob,) in blobs], dimension)
    data = pack_vector(unit_rows(rows.mean(axis=0, keepdims=True))[0])
    database.run("INSERT INTO node_vector VALUES(?, ?, ?, ?)", (block, model, data, len(data)))


def _digest(database: Database, block: int) -> str:
    """Return the most telling lines of a block, each with its local time, in order of time."""
    lines = _lines_of_clips(database, block) or [
        line
        for (digest,) in database.rows(
            "SELECT digest FROM node WHERE parent = ? AND digest IS NOT NULL ORDER BY start_ns",
            (block,),
        )
        for line in digest.splitlines()
    ]
    if sum(len(line) + 1 for line in lines) <= DIGEST_CHARACTERS:
        return "\n".join(lines)
    ranked = sorted(range(len(lines)), key=_weights(database, lines).__getitem__, reverse=True)
    chosen: list[int] = []
    room = DIGEST_CHARACTERS
    for index in ranked:
        if len(lines[index]) + 1 <= room:
            chosen.append(index)
            room -= len(lines[index]) + 1
    return "\n".join(lines[index] for index in sorted(chosen))


def _lines_of_clips(database: Database, block: int) -> list[str]:
    lines = []
    moved = 0
    for kind, epoch, start_ns, text in database.rows(
        "SELECT m.kind, n.epoch, m.start_ns, m.text FROM node n JOIN moment m ON m.node = n.id "
        "WHERE n.parent = ? AND n.level = 0 ORDER BY m.start_ns LIMIT ?",
        (block, _MAX_LINES_READ),
    ):
        if KINDS[kind] == "motion":
            # Once is enough to say that things moved; its moments are found by time.
            moved += 1
            if moved > 1:
                continue
            text = "something moved"
        if not text:
            continue
        label = _SAID.get(KINDS[kind], "")
        shown = " ".join(text.split())
        if len(shown) > LINE_CHARACTERS:
            shown = shown[: LINE_CHARACTERS - 3].rstrip() + "..."
        clock = _local(database, epoch, start_ns)[1]
        lines.append(f"{clock} {label}: {shown}" if label else f"{clock} {shown}")
    return lines


def _weights(database: Database, lines: list[str]) -> list[float]:
    """Return how telling each line is: rare terms count, repeated ones only once a digest."""
    terms = [set(index_terms(line)) for line in lines]
    known = sorted(set().union(*terms))
    counts: dict[str, int] = {}
    for start in range(0, len(known), 500):
        counts |= frequencies(database, known[start : start + 500])
    total = 1 + max(counts.values(), default=0)
    seen: set[str] = set()
    weights = []
    for own in terms:
        # A clock time is in no moment's text, so its terms have no count and weigh nothing.
        fresh = [term for term in own - seen if counts.get(term)]
        seen |= own
        weights.append(
            sum(math.log(1 + total / counts[term]) for term in fresh) / math.sqrt(1 + len(own))
        )
    return weights


def _local(database: Database, epoch: int, at_ns: int) -> tuple[date, str]:
    row = database.row(
        "SELECT e.start_ns, e.wall_ns, e.zone, a.at_ns, a.wall_ns FROM epoch e "
        "LEFT JOIN anchor a ON a.epoch = e.id AND a.at_ns = "
        "(SELECT max(at_ns) FROM anchor WHERE epoch = e.id AND at_ns <= ?) WHERE e.id = ?",
        (at_ns, epoch),
    )
    assert row is not None
    start_ns, wall_ns, zone, anchor_ns, anchor_wall_ns = row
    if anchor_ns is not None:
        start_ns, wall_ns = anchor_ns, anchor_wall_ns
    local = local_datetime(wall_ns + at_ns - start_ns, zone_named(zone))
    return local.date(), local.strftime("%H:%M:%S")
