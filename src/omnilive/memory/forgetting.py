"""Pinning and forgetting. Forgetting reaches everything that was derived from a moment.

Words said also lie in the sound, words shown in the picture: forgetting an utterance takes the
recording of its span, forgetting screen text also the picture. One transaction removes rows; the
recordings are copied without the forgotten bytes before it and the old files wiped after it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

from omnilive.events import moment_id
from omnilive.memory import blocks
from omnilive.memory.database import Database
from omnilive.memory.moments import COLUMNS, KINDS, MomentRow, find
from omnilive.memory.segments import Recordings, wipe_all
from omnilive.memory.text_index import remove_text

_log = logging.getLogger(__name__)


class Forgotten(NamedTuple):
    """What a call to `forget` removed. `wal_truncated`: no copy is left in the write-ahead log."""

    ids: tuple[str, ...]
    moments: int
    clips: int
    fragments: int
    blocks: int
    turns: int
    wal_truncated: bool


@dataclass(slots=True)
class _Doomed:
    moments: dict[int, MomentRow] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    bare_nodes: set[int] = field(default_factory=set)  # lose picture and descriptor, stay a clip
    fragments: set[int] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)


def pin(database: Database, public_id: str, keep: bool) -> None:
    """Keep a moment and its clip for ever, or no longer."""
    found = find(database, public_id)
    with database.transaction():
        if found.moment is not None:
            database.run("UPDATE moment SET pinned = ? WHERE id = ?", (keep, found.moment))
        node = found.node
        if node is None:
            node = database.value("SELECT node FROM moment WHERE id = ?", (found.moment,))
        still = 0
        if not keep and found.node is None:
            still = database.value(
                "SELECT count(*) FROM moment WHERE node = ? AND pinned = 1", (node,)
            )
        database.run("UPDATE node SET pinned = ? WHERE id = ?", (keep or still > 0, node))


def forget(database: Database, recordings: Recordings, public_id: str) -> Forgotten:
    """Delete a moment, clip or block and everything derived from it.

    Raises:
        UnknownMoment: nothing has this id.
    """
    doomed = _collect(database, public_id)
    ids = {row.public_id for row in doomed.moments.values()} | set(doomed.nodes.values())
    rewrite = recordings.rewrite_without(sorted(doomed.fragments))
    with database.transaction():
        for row in doomed.moments.values():
            remove_text(database, row.id, row.text)
            database.run("DELETE FROM moment WHERE id = ?", (row.id,))
        for fragment in doomed.fragments:
            database.run("DELETE FROM fragment WHERE id = ?", (fragment,))
        recordings.apply(rewrite)
        for node in doomed.bare_nodes:
            database.run("DELETE FROM thumbnail WHERE node = ?", (node,))
            database.run("DELETE FROM node_vector WHERE node = ?", (node,))
        for node in doomed.nodes:
            database.run("DELETE FROM node WHERE id = ?", (node,))
        num_blocks = sum(blocks.refresh(database, block) for block in sorted(doomed.blocks))
        num_turns = _redact_turns(database, ids)
        database.run("UPDATE meta SET value = value + 1 WHERE key = 'erased'")
    wipe_all(rewrite.files)
    database.rows("PRAGMA incremental_vacuum")
    truncated = database.truncate_wal()
    if not truncated:
        _log.warning("a reader holds the write-ahead log; it is emptied when that reader is done")
    return Forgotten(
        ids=tuple(sorted(ids)),
        moments=len(doomed.moments),
        clips=len(doomed.nodes),
        fragments=len(doomed.fragments),
        blocks=num_blocks,
        turns=num_turns,
        wal_truncated=truncated,
    )


def _collect(database: Database, public_id: str) -> _Doomed:
    doomed = _Doomed()
    found = find(database, public_id)
    if found.node is not None:
        _collect_node(database, found.node, doomed)
        return doomed
    (row,) = database.rows(f"SELECT {COLUMNS} FROM moment m WHERE m.id = ?", (found.moment,))
    moment = MomentRow(*row)
    doomed.moments[moment.id] = moment
    end_ns = max(moment.end_ns, moment.start_ns + 1)
    _collect_fragments(database, moment.stream, moment.start_ns, end_ns, doomed)
    if KINDS[moment.kind] != "speech":
        doomed.bare_nodes.add(moment.node)
    parent = database.value("SELECT parent FROM node WHERE id = ?", (moment.node,))
    if parent is not None:
        doomed.blocks.add(parent)
    return doomed


def _collect_node(database: Database, node: int, doomed: _Doomed) -> None:
    row = database.row(
        "SELECT level, stream, start_ns, end_ns, parent, name FROM node WHERE id = ?", (node,)
    )
    assert row is not None
    level, stream, start_ns, end_ns, parent, name = row
    if level:
        for (child,) in database.rows("SELECT id FROM node WHERE parent = ?", (node,)):
            _collect_node(database, child, doomed)
        # The block itself goes when its last child has gone (blocks.refresh).
        doomed.blocks.add(node)
        return
    doomed.nodes[node] = name or moment_id("c", stream, start_ns)
    if parent is not None:
        doomed.blocks.add(parent)
    for moment in database.rows(f"SELECT {COLUMNS} FROM moment m WHERE m.node = ?", (node,)):
        doomed.moments[moment[0]] = MomentRow(*moment)
        end_ns = max(end_ns, moment[5])
    doomed.bare_nodes.add(node)
    _collect_fragments(database, stream, start_ns, end_ns, doomed)
    for (fragment,) in database.rows("SELECT id FROM fragment WHERE node = ?", (node,)):
        doomed.fragments.add(fragment)


def _collect_fragments(
    database: Database, stream: int, start_ns: int, end_ns: int, doomed: _Doomed
) -> None:
    # A fragment is never longer than a quiet row's part of it, so an hour back is far enough.
    for (fragment,) in database.rows(
        "SELECT id FROM fragment WHERE stream = ? AND start_ns < ? AND start_ns > ? AND end_ns > ?",
        (stream, end_ns, start_ns - 3_600_000_000_000, start_ns),
    ):
        doomed.fragments.add(fragment)


def _redact_turns(database: Database, ids: set[str]) -> int:
    turns: set[int] = set()
    for public_id in ids:
        for (turn,) in database.rows("SELECT turn FROM citation WHERE moment = ?", (public_id,)):
            turns.add(turn)
    for turn in turns:
        # The question often repeats the words that were to be forgotten.
        database.run(
            "UPDATE turn SET question = '', answer = '', redacted = 1, bytes = 0 WHERE id = ?",
            (turn,),
        )
        database.run("DELETE FROM citation WHERE turn = ?", (turn,))
    return len(turns)
