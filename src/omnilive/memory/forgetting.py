"""Pinning and forgetting. Forgetting reaches everything that was derived from a moment.

One transaction a batch removes rows; the recordings are copied without the forgotten bytes before
it and the old files wiped after it, so a crash in between leaves either all of a batch or, after
the next opening, nothing of it. Emptying the write-ahead log is the store's part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from omnilive.events import moment_id
from omnilive.memory import clip_tokens, derived
from omnilive.memory.database import Database
from omnilive.memory.derived import DAY, HOUR, MONTH
from omnilive.memory.doomed import CLIPS_A_BATCH, Collector, Doomed, known, overlapping
from omnilive.memory.forget_request import ForgetRequest, Forgotten, StreamSpan
from omnilive.memory.moments import find
from omnilive.memory.redaction import redact_turns
from omnilive.memory.segments import Recordings, wipe_all
from omnilive.memory.text_index import remove_text
from omnilive.memory.vector_cache import scrub

_FOR_EVER = 1 << 62


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


def forget(
    database: Database,
    recordings: Recordings,
    request: ForgetRequest,
    *,
    cache: Path,
    keep_open_epochs: bool = False,
    may_miss: bool = False,
) -> Iterator[Forgotten]:
    """Carry out a request in bounded parts; yields after each part that was committed.

    Args:
        database: of the store's writer.
        recordings: its recordings.
        request: what shall go.
        cache: directory of what is derived from the store; it loses the same.
        keep_open_epochs: a stream that is being watched keeps its name and its open epoch.
        may_miss: an id that nothing has is no error, because it was still pending.

    Raises:
        UnknownMoment: an id was given that nothing has.
        StoreError: an id is pinned, or the store cannot be written.
    """
    collector = Collector(database, pinned=request.pinned)
    if request.moments:
        # What is not free is said before anything has gone. After a crash some may be gone before.
        there = [public_id for public_id in request.moments if known(database, public_id)]
        for public_id in there or ([] if may_miss else request.moments[:1]):
            if collector.span_of(public_id) is None:
                collector.by_id(public_id)
    spans = list(request.spans)
    ids = iter(request.moments)
    while part := list(islice(ids, CLIPS_A_BATCH)):
        done = Forgotten()
        for public_id in part:
            # An earlier one may have taken it along.
            if not known(database, public_id):
                continue
            span = collector.span_of(public_id)
            if span is not None:
                spans.append(span)
            else:
                doomed = collector.by_id(public_id)
                done = done.plus(_erase(database, recordings, doomed, cache))
        yield done
    spans += [StreamSpan(stream, 0, _FOR_EVER) for stream in request.streams]
    for span in spans:
        for doomed in collector.by_span(span):
            yield _erase(database, recordings, doomed, cache)
    for stream in request.streams:
        _forget_stream(database, stream, keep_open=keep_open_epochs)
        yield Forgotten()


def _erase(database: Database, recordings: Recordings, doomed: Doomed, cache: Path) -> Forgotten:
    ids = {row.public_id for row in doomed.moments.values()} | set(doomed.clips.values())
    rewrite = recordings.rewrite_without(sorted(doomed.fragments))
    pictures = 0
    with database.transaction():
        for row in doomed.moments.values():
            remove_text(database, row.id, row.text)
            database.run("DELETE FROM moment WHERE id = ?", (row.id,))
        for fragment in doomed.fragments:
            database.run("DELETE FROM fragment WHERE id = ?", (fragment,))
        recordings.apply(rewrite)
        for node in doomed.stripped | set(doomed.clips):
            pictures += database.value("SELECT count(*) FROM thumbnail WHERE node = ?", (node,))
            database.run("DELETE FROM thumbnail WHERE node = ?", (node,))
            database.run("DELETE FROM node_vector WHERE node = ?", (node,))
            clip_tokens.delete(database, [node])
        for node in doomed.clips:
            database.run("DELETE FROM node WHERE id = ?", (node,))
        changed = _bring_in_line(database, doomed)
        texts = [row.text for row in doomed.moments.values()]
        num_turns = redact_turns(database, ids | changed, texts)
        database.run("UPDATE meta SET value = value + 1 WHERE key = 'erased'")
    wipe_all(rewrite.files)
    scrub(database, cache)
    database.rows("PRAGMA incremental_vacuum")
    return Forgotten(
        ids=tuple(sorted(ids)),
        moments=len(doomed.moments),
        clips=len(doomed.clips),
        fragments=len(doomed.fragments),
        pictures=pictures,
        blocks=len(changed),
        turns=num_turns,
        kept_pinned=len(doomed.pinned),
    )


def _bring_in_line(database: Database, doomed: Doomed) -> set[str]:
    """Make blocks and all above them, and the calendar, again from what is left, each row once.

    Returns:
        Their public ids.
    """
    waiting: dict[int, set[int]] = {}
    for block in doomed.blocks:
        level = database.value("SELECT level FROM node WHERE id = ?", (block,))
        if level is not None:
            waiting.setdefault(level, set()).add(block)
    for stream, (start_ns, end_ns) in doomed.extent.items():
        for level in (HOUR, DAY, MONTH):
            waiting.setdefault(level, set()).update(
                overlapping(database, stream, level, start_ns, end_ns)
            )
    changed: set[str] = set()
    while waiting:
        # Blocks from the lowest up, then hours (-1), days (-2), months (-3).
        level = min(waiting, key=lambda level: (level < 0, abs(level)))
        for node in sorted(waiting.pop(level)):
            row = database.row(
                "SELECT parent, stream, start_ns, name FROM node WHERE id = ?", (node,)
            )
            if row is None:
                continue
            parent, stream, start_ns, name = row
            changed.add(name or moment_id("b", stream, start_ns))
            # Whoever has the network integrates a block again from what is left in it.
            clip_tokens.delete(database, [node])
            derived.refresh_one(database, node)
            if parent is not None:
                waiting.setdefault(level + 1, set()).add(parent)
    return changed


def _forget_stream(database: Database, stream: int, *, keep_open: bool) -> None:
    """Take what is left of an emptied stream: its epochs, anchors, files and name."""
    if database.value("SELECT count(*) FROM node WHERE stream = ?", (stream,)):
        return  # pinned clips are left, and they need all of it
    with database.transaction():
        for epoch, end_ns in database.rows(
            "SELECT id, end_ns FROM epoch WHERE stream = ?", (stream,)
        ):
            if not (keep_open and end_ns is None):
                database.run("DELETE FROM anchor WHERE epoch = ?", (epoch,))
                database.run("DELETE FROM epoch WHERE id = ?", (epoch,))
        database.run(
            "DELETE FROM source_file WHERE id NOT IN "
            "(SELECT file FROM epoch WHERE file IS NOT NULL)"
        )
        if not database.value("SELECT count(*) FROM epoch WHERE stream = ?", (stream,)):
            database.run("DELETE FROM segment WHERE stream = ?", (stream,))
            database.run("DELETE FROM stream WHERE id = ?", (stream,))
        database.run("UPDATE meta SET value = value + 1 WHERE key = 'erased'")
