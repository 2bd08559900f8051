"""Checks of rows against one another: pointers, order in time, blocks and what they came from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from omnilive.events import NS_PER_S
from omnilive.memory import derived, totals
from omnilive.memory.conversation import TURN_BYTES
from omnilive.memory.database import Database
from omnilive.memory.digests import lines_of_clips
from omnilive.memory.moments import KINDS, VOICES
from omnilive.memory.schema import SCHEMA_VERSION
from omnilive.memory.vectors import unpack_vectors
from omnilive.memory.verify_support import Checking, Cure, Finding, pages

CLOCK_STEP_NS = 2 * NS_PER_S  # a larger step of the wall clock opens a new epoch
SAME_VECTOR = 0.999


def check_database(checking: Checking) -> Iterator[Finding]:
    """SQLite's own check of its pages, and of pointers between rows."""
    database = checking.database
    pragma = "quick_check" if checking.quick else "integrity_check"
    problems = [row[0] for row in database.rows(f"PRAGMA {pragma}")]
    if problems != ["ok"]:
        what = f"The database file is damaged in {len(problems)} places; restore it from a copy."
        yield Finding("database", what, Cure.NONE)
    for table, row, parent, _ in database.rows("PRAGMA foreign_key_check"):
        cure = Cure.COUNT if (table, parent) == ("node", "node") else Cure.DROP
        if (table, parent) == ("moment", "node"):
            cure = Cure.COUNT
        elif parent in ("stream", "epoch"):
            cure = Cure.NONE
        what = f"Row {row} of {table} points to a row of {parent} that is not there."
        yield Finding("pointer", what, cure, table, row or 0)
    for name, floor in (("generation", 0), ("erased", 0), ("schema_version", SCHEMA_VERSION)):
        value = database.value("SELECT value FROM meta WHERE key = ?", (name,))
        if not isinstance(value, int) or value < floor:
            yield Finding("meta", f"The store's own number {name} is wrong.", Cure.COUNT)


def check_epochs(checking: Checking) -> Iterator[Finding]:
    """Epochs of a stream follow one another, and so do their anchors."""
    before: dict[int, tuple[int, int]] = {}
    for epoch, stream, start_ns, end_ns in checking.database.rows(
        "SELECT id, stream, start_ns, end_ns FROM epoch ORDER BY stream, id"
    ):
        if end_ns is not None and end_ns < start_ns:
            yield Finding("epoch", f"Epoch {epoch} ends before it starts.", Cure.NONE)
        last_start_ns, last_end_ns = before.get(stream, (start_ns, start_ns))
        if start_ns < max(last_start_ns, last_end_ns):
            yield Finding(
                "epoch", f"Epoch {epoch} starts before the one before it ended.", Cure.NONE
            )
        before[stream] = (start_ns, start_ns if end_ns is None else end_ns)
    last: tuple[int, int, int] | None = None
    for epoch, at_ns, wall_ns, start_ns, live in checking.database.rows(
        "SELECT a.epoch, a.at_ns, a.wall_ns, e.start_ns, e.live FROM anchor a "
        "JOIN epoch e ON e.id = a.epoch ORDER BY a.epoch, a.at_ns"
    ):
        is_back = last is not None and last[0] == epoch and wall_ns < last[2] - CLOCK_STEP_NS
        if at_ns < start_ns or (live and is_back):
            yield Finding("anchor", f"Anchors of epoch {epoch} run backwards.", Cure.NONE)
        last = (epoch, at_ns, wall_ns)


def check_clips(checking: Checking) -> Iterator[Finding]:
    """Clips of an epoch lie one behind the other, each once, inside their epoch."""
    database = checking.database
    epochs = {
        epoch: (stream, start_ns)
        for epoch, stream, start_ns in database.rows("SELECT id, stream, start_ns FROM epoch")
    }
    for (stream,) in database.rows("SELECT id FROM stream"):
        ends: dict[int, int] = {}
        last = (-1 << 62, 0)
        while rows := database.rows(
            "SELECT id, epoch, start_ns, end_ns FROM node WHERE stream = ? AND level = 0 "
            "AND (start_ns, id) > (?, ?) AND start_ns >= ? ORDER BY start_ns, id LIMIT 4000",
            (stream, *last, last[0]),
        ):
            for node, epoch, start_ns, end_ns in rows:
                last = (start_ns, node)
                if end_ns <= start_ns:
                    yield Finding("clip", f"Clip row {node} has no length.", Cure.NONE)
                if start_ns < ends.get(epoch, start_ns):
                    what = f"Clip row {node} overlaps the one before it."
                    yield Finding("overlap", what, Cure.NONE)
                ends[epoch] = max(end_ns, ends.get(epoch, end_ns))
                if epoch in epochs and (epochs[epoch][0] != stream or start_ns < epochs[epoch][1]):
                    yield Finding("clip", f"Clip row {node} lies outside its epoch.", Cure.NONE)


def check_moments(checking: Checking) -> Iterator[Finding]:
    """Moments belong to a clip of their own stream, and say what they are."""
    for rows in pages(
        checking.database,
        "SELECT m.id, m.stream, m.kind, m.voice, m.start_ns, m.end_ns, m.bytes, n.stream, n.level, "
        "length(CAST(m.text AS BLOB)) + coalesce(length(m.details), 0) FROM moment m "
        "LEFT JOIN node n ON n.id = m.node",
        "m.id",
    ):
        for row in rows:
            moment, stream, kind, voice, start_ns, end_ns, num_bytes, of_stream, level, length = row
            if of_stream is not None and (of_stream != stream or level):
                what = f"Moment row {moment} lies in a clip that is not its own."
                yield Finding("moment", what, Cure.COUNT, "moment", moment)
            if not (0 <= kind < len(KINDS) and 0 <= voice < len(VOICES)) or end_ns < start_ns:
                what = f"Moment row {moment} is of no known kind or ends before it starts."
                yield Finding("moment", what, Cure.NONE, "moment", moment)
            if num_bytes != length:
                what = f"Moment row {moment} tells a wrong size."
                yield Finding("size", what, Cure.COUNT, "moment", moment)
    for table, length in (
        ("thumbnail", "length(jpeg)"),
        ("node_vector", "length(data)"),
        ("moment_vector", "length(data)"),
        ("turn", TURN_BYTES.format("heard")),
    ):
        key = "node" if table in ("thumbnail", "node_vector") else "id"
        for (row,) in checking.database.rows(f"SELECT {key} FROM {table} WHERE bytes != {length}"):
            what = f"Row {row} of {table} tells a wrong size."
            yield Finding("size", what, Cure.COUNT, table, row)
    for (turn,) in checking.database.rows(
        "SELECT t.id FROM turn t WHERE redacted = 1 AND (question != '' OR answer != '' "
        "OR heard != '' OR EXISTS (SELECT 1 FROM citation c WHERE c.turn = t.id))"
    ):
        what = f"Stored answer {turn} was redacted but still has words."
        yield Finding("redaction", what, Cure.DROP, "turn", turn)


def check_blocks(checking: Checking) -> Iterator[Finding]:
    """Blocks and calendar rows hold what their children come to."""
    database = checking.database
    for node, level, parent_level, same in database.rows(
        "SELECT n.id, n.level, p.level, n.stream = p.stream FROM node n JOIN node p "
        "ON p.id = n.parent WHERE p.level != n.level + 1 OR n.stream != p.stream "
        "OR n.start_ns < p.start_ns OR n.end_ns > p.end_ns"
    ):
        # A clip that lost its place in the tree is still found by its time.
        is_wrong_place = parent_level != level + 1 or not same
        why = "is not its own" if is_wrong_place else "does not reach as far"
        what = f"Row {node} of node lies in a block that {why}."
        yield Finding("tree", what, Cure.COUNT, "node", node)
    for rows in pages(
        database,
        "SELECT id, level, stream, start_ns, end_ns, closed, num_children, digest, inputs, bytes, "
        "faded FROM node WHERE level != 0",
    ):
        for row in rows:
            yield from _check_derived(checking, row)


def _check_derived(checking: Checking, row: tuple[object, ...]) -> Iterator[Finding]:
    database = checking.database
    node, level, stream, start_ns, end_ns, closed, count, digest, inputs, num_bytes, faded = row
    assert isinstance(faded, int)
    assert isinstance(node, int)
    assert isinstance(level, int)
    assert isinstance(stream, int)
    children = _children(database, node, level, stream, start_ns, end_ns)
    if not closed:
        if count != len(children):
            what = f"Open block row {node} counts {count} children, but has {len(children)}."
            yield Finding("count", what, Cure.COUNT, "node", node)
        return
    if not isinstance(digest, str) or not isinstance(inputs, bytes) or len(inputs) % 8:
        what = f"Derived row {node} has no digest or does not say what it was made from."
        yield Finding("digest", what, Cure.DERIVE, "node", node)
        return
    known = set(np.frombuffer(inputs, dtype="<i8").tolist())
    if count != len(known) or num_bytes != len(digest.encode()) + len(inputs):
        what = f"Derived row {node} tells a wrong number or size."
        yield Finding("count", what, Cure.DERIVE, "node", node)
    gone = known - set(children)
    if set(children) - known or len(gone) > faded:
        what = f"Derived row {node} was made from other rows than are under it."
        yield Finding("inputs", what, Cure.DERIVE, "node", node)
        return
    if gone or checking.quick:
        return
    if not _lines_fit(database, node, level, stream, start_ns, end_ns, children, digest):
        what = f"The digest of row {node} says what nothing under it says."
        yield Finding("digest", what, Cure.DERIVE, "node", node)
    if level > 0:
        yield from _check_vectors(database, node)


def _children(
    database: Database, node: int, level: int, stream: int, start_ns: object, end_ns: object
) -> list[int]:
    if level > 0:
        return list(derived.children_of(database, node))
    below = 0 if level == derived.HOUR else level + 1
    return [
        row[0]
        for row in database.rows(
            "SELECT id FROM node WHERE stream = ? AND level = ? AND start_ns >= ? AND start_ns < ?",
            (stream, below, start_ns, end_ns),
        )
    ]


def _lines_fit(
    database: Database,
    node: int,
    level: int,
    stream: int,
    start_ns: object,
    end_ns: object,
    children: list[int],
    digest: str,
) -> bool:
    """Whether every line of a digest stands under it; its time may be known better by now."""
    if level == 1:
        there = {line.text for line in lines_of_clips(database, node)}
    elif level == derived.HOUR:
        assert isinstance(start_ns, int)
        assert isinstance(end_ns, int)
        there = {line.text for line in lines_of_clips(database, (stream, start_ns, end_ns))}
    else:
        there = set()
        for child in children:
            text = database.value("SELECT digest FROM node WHERE id = ?", (child,)) or ""
            there |= {_without_time(line) for line in text.splitlines()}
    said = [_without_time(line) for line in digest.splitlines()]
    return all(line in there for line in said) and (bool(said) or not there)


@lru_cache(maxsize=4096)
def _without_time(line: str) -> str:
    when, _, text = line.partition(" ")
    if len(when) == 10 and when[4] == "-":
        text = text.partition(" ")[2]
    return text


def _check_vectors(database: Database, node: int) -> Iterator[Finding]:
    try:
        made = derived.compute(database, node).vectors
    except ValueError:
        return  # a vector under it is damaged, and that is found where it lies
    there = dict(database.rows("SELECT model, data FROM node_vector WHERE node = ?", (node,)))
    dimensions = dict(database.rows("SELECT id, dimension FROM model"))
    for model in made.keys() | there.keys():
        blobs = [blob for blob in (made.get(model), there.get(model)) if blob is not None]
        size = 4 + dimensions.get(model, 0)
        is_same = len(blobs) == 2 and all(len(blob) == size for blob in blobs)
        if is_same:
            first, second = unpack_vectors(blobs, size - 4)
            is_same = float(first @ second) >= SAME_VECTOR or not first.any()
        if not is_same:
            what = f"The vector of block row {node} is not that of its children."
            yield Finding("block vector", what, Cure.DERIVE, "node", node)


def check_totals(checking: Checking) -> Iterator[Finding]:
    """The running totals equal a count of everything."""
    counted = {key: total for key, total in totals.recount(checking.database).items() if any(total)}
    if totals.read(checking.database) != counted:
        yield Finding("totals", "The running totals differ from a count.", Cure.TOTALS)
