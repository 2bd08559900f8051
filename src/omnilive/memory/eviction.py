"""Forgetting by budget: a bounded amount of work a step, oldest first, down the ladder.

A step looks at the running totals and drops the oldest of whatever is over: a segment of the
recording, some pictures, some clips with their words, some blocks. It never searches: per stream
and rung a *horizon* is kept, behind which everything is gone or exempt. Pinned clips, and the
fragments without which they cannot be played, are stepped over.

What was made from a dropped row stays and says so (`faded`): the digest of an hour outlives its
clips. Unlike `omnilive.memory.forgetting`, nothing derived is touched and no byte is wiped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from omnilive.memory import totals
from omnilive.memory.budget import LADDER, NAMES, Limits
from omnilive.memory.database import Database
from omnilive.memory.disk_use import Disk, charged, measure
from omnilive.memory.pins import is_pinned, needed_fragments
from omnilive.memory.segments import Recordings, delete_all
from omnilive.memory.text_index import remove_text
from omnilive.memory.vector_cache import scrub

RECORDINGS, TOKENS, THUMBNAILS, MOMENTS, CONVERSATION, BLOCKS, OVERVIEWS = range(len(LADDER))
CONVERSATION_STREAM = 0

_NODES_A_TIME = 32
_CLIPS_A_TIME = 8
_MOMENTS_A_TIME = 256
_TURNS_A_TIME = 16
_PAGES_A_TIME = 256
_FREE_BYTES_KEPT = 8 << 20  # free pages are used again by what comes next
_SCRUB_EVERY = 4_096  # moments; their rows only take room in the vector caches
_BEGINNING, _END = -(1 << 62), 1 << 62


class Target(NamedTuple):
    """What is to be dropped next: the oldest of a stream's rung."""

    stream: int
    rung: int


class Evictor:
    """Drops what is over budget. For the writer of a store.

    Args:
        database: the writer's.
        recordings: the writer's.
        caches: directory whose files count as the store's.
    """

    def __init__(self, database: Database, recordings: Recordings, caches: Path) -> None:
        self._database = database
        self._recordings = recordings
        self._caches = caches
        self._unscrubbed = 0

    def step(self, limits: Limits, now_ns: Callable[[int], int | None], most: int) -> bool:
        """Drop what is over budget, at most `most` times something.

        Args:
            limits: the budget.
            now_ns: the present of a stream in its own time; None leaves its ages alone.
            most: how many things (a segment, a few clips) may be dropped in this step.

        Returns:
            Whether more may be left to drop.
        """
        names = dict(self._database.rows("SELECT id, name FROM stream"))
        stuck: set[Target] = set()
        for _ in range(most):
            while True:
                held = totals.read(self._database)
                disk = measure(self._database, held, self._caches)
                if self._is_over(disk, limits) and disk.free_pages:
                    self._give_back_pages()
                    disk = measure(self._database, held, self._caches)
                found = self._target(limits, names, held, disk, now_ns, stuck)
                if found is None:
                    if disk.free_pages > _FREE_BYTES_KEPT:
                        self._give_back_pages()
                    return False
                target, before_ns = found
                if self._drop(target, before_ns):
                    break
                stuck.add(target)
        return True

    # --- choosing -----------------------------------------------------------------------

    def _target(
        self,
        limits: Limits,
        names: Mapping[int, str],
        held: Mapping[totals.Key, totals.Total],
        disk: Disk,
        now_ns: Callable[[int], int | None],
        stuck: set[Target],
    ) -> tuple[Target, int] | None:
        """Return what to drop, and before which stream time it must have begun."""
        use = charged(held, disk)
        present = [Target(*key) for key in use if Target(*key) not in stuck]
        present.sort(key=lambda target: (target.rung, target.stream))
        for target in present:
            limit = limits.of(names.get(target.stream, ""), NAMES[target.rung])
            if use[target] > limit.num_bytes:
                return target, _END
            present_ns = now_ns(target.stream) if limit.age_ns < math.inf else None
            if present_ns is not None:
                before_ns = present_ns - round(limit.age_ns)
                oldest = oldest_ns(self._database, target)
                if oldest is not None and oldest < before_ns:
                    return target, before_ns
        if not self._is_over(disk, limits) or not present:
            return None
        # The stream that takes most of the lowest rung gives way, so that all come to be equal.
        lowest = [each for each in present if each.rung == present[0].rung]
        return max(lowest, key=lambda each: use[each]), _END

    def _is_over(self, disk: Disk, limits: Limits) -> bool:
        # Segments are dropped whole, so the one that is being written may stand over the budget.
        return disk.total - self._recordings.largest_open() > limits.total_bytes

    # --- dropping -----------------------------------------------------------------------

    def _drop(self, target: Target, before_ns: int) -> bool:
        """Drop the oldest of a rung; False if nothing of it can go now."""
        stream, rung = target
        if rung == RECORDINGS:
            return self._drop_recording(stream)
        if rung == TOKENS:
            return self._drop_tokens(stream, before_ns)
        if rung == THUMBNAILS:
            return self._drop_thumbnails(stream, before_ns)
        if rung == MOMENTS:
            return self._drop_clips(stream, before_ns)
        if rung == CONVERSATION:
            return self._drop_turns(before_ns)
        return self._drop_derived(stream, rung, before_ns)

    def _drop_recording(self, stream: int) -> bool:
        """Drop the oldest segment, or what of it is not needed for a pinned clip."""
        segment = self._value(
            "SELECT segment FROM fragment WHERE stream = ? AND start_ns >= ? "
            "ORDER BY start_ns LIMIT 1",
            (stream, horizon(self._database, stream, RECORDINGS)),
        )
        return segment is not None and self._drop_segment(stream, segment)

    def _drop_segment(self, stream: int, segment: int) -> bool:
        if self._recordings.is_open(segment):
            return False
        inside = self._database.rows(
            "SELECT id, start_ns FROM fragment WHERE segment = ? ORDER BY start_ns", (segment,)
        )
        kept = needed_fragments(self._database, stream, inside[0][1], inside[-1][1])
        doomed = [fragment for fragment, _ in inside if fragment not in kept]
        rewrite = self._recordings.rewrite_without(doomed)
        with self._database.transaction():
            for fragment in doomed:
                self._database.run("DELETE FROM fragment WHERE id = ?", (fragment,))
            self._recordings.apply(rewrite)
            self._move_horizon(stream, RECORDINGS, inside[-1][1] + 1)
        # A crash before this leaves files that nothing references: the next opening deletes them.
        delete_all(rewrite.files)
        return True

    def _drop_tokens(self, stream: int, before_ns: int) -> bool:
        """Drop H of the oldest clips, then H-bar of the oldest blocks; H-hat stays with the words.

        What the newest block of a level is integrated from is stepped over.
        """
        rows = self._database.rows(
            "SELECT id, start_ns FROM node WHERE stream = ? AND level = 0 AND start_ns >= ? "
            "AND start_ns < ? ORDER BY start_ns LIMIT ?",
            (stream, horizon(self._database, stream, TOKENS))
            + (min(before_ns, self._integrated_ns(stream, 0)), _NODES_A_TIME),
        )
        if not rows:
            return self._drop_block_tokens(stream, before_ns)
        with self._database.transaction():
            for node, _ in rows:
                if not is_pinned(self._database, node):
                    self._database.run("DELETE FROM clip_token WHERE node = ?", (node,))
            self._move_horizon(stream, TOKENS, rows[-1][1] + 1)
        return True

    def _drop_block_tokens(self, stream: int, before_ns: int) -> bool:
        """Drop H-bar of the oldest blocks of the lowest level that has any to drop."""
        highest = self._value("SELECT max(level) FROM node WHERE stream = ?", (stream,)) or 0
        for level in range(1, highest + 1):
            rows = self._database.rows(
                "SELECT t.node FROM clip_token t JOIN node n ON n.id = t.node "
                "WHERE n.stream = ? AND n.level = ? AND n.start_ns < ? ORDER BY n.start_ns LIMIT ?",
                (stream, level, min(before_ns, self._integrated_ns(stream, level)))
                + (_CLIPS_A_TIME,),
            )
            going = [node for (node,) in rows if not is_pinned(self._database, node)]
            if going:
                with self._database.transaction():
                    for node in going:
                        self._database.run("DELETE FROM clip_token WHERE node = ?", (node,))
                return True
        return False

    def _integrated_ns(self, stream: int, level: int) -> int:
        """Return where the newest block above a level begins, whose children are still needed."""
        found = self._value(
            "SELECT start_ns FROM node WHERE stream = ? AND level = ? "
            "ORDER BY start_ns DESC LIMIT 1",
            (stream, level + 1),
        )
        return _BEGINNING if found is None else found

    def _drop_thumbnails(self, stream: int, before_ns: int) -> bool:
        rows = self._database.rows(
            "SELECT id, start_ns FROM node WHERE stream = ? AND level = 0 AND start_ns >= ? "
            "AND start_ns < ? ORDER BY start_ns LIMIT ?",
            (stream, horizon(self._database, stream, THUMBNAILS), before_ns, _NODES_A_TIME),
        )
        if not rows:
            return False
        with self._database.transaction():
            for node, _ in rows:
                if not is_pinned(self._database, node):
                    self._database.run("DELETE FROM thumbnail WHERE node = ?", (node,))
            self._move_horizon(stream, THUMBNAILS, rows[-1][1] + 1)
        return True

    def _drop_clips(self, stream: int, before_ns: int) -> bool:
        """Drop the oldest clips of closed blocks with all that was said and shown in them."""
        rows = self._database.rows(
            "SELECT n.id, n.start_ns, n.parent FROM node n LEFT JOIN node p ON p.id = n.parent "
            "WHERE n.stream = ? AND n.level = 0 AND n.start_ns >= ? AND n.start_ns < ? "
            "AND n.start_ns < ? AND coalesce(p.closed, 1) ORDER BY n.start_ns LIMIT ?",
            (stream, horizon(self._database, stream, MOMENTS), before_ns)
            + (self._newest_ns(stream), _CLIPS_A_TIME),
        )
        room = _MOMENTS_A_TIME
        passed_ns: int | None = None
        recorded: int | None = None
        with self._database.transaction():
            for node, start_ns, parent in rows:
                if not is_pinned(self._database, node):
                    recorded = self._value(
                        "SELECT segment FROM fragment WHERE node = ? LIMIT 1", (node,)
                    )
                    if recorded is not None:
                        break
                    room -= self._drop_moments_of(node, room)
                    if room <= 0:
                        break  # the rest of this clip goes in the next step
                    self._fade(node, parent, stream, 0, start_ns)
                    self._database.run("DELETE FROM node WHERE id = ?", (node,))
                passed_ns = start_ns + 1
            if passed_ns is not None:
                self._move_horizon(stream, MOMENTS, passed_ns)
        if self._unscrubbed >= _SCRUB_EVERY:
            scrub(self._database, self._caches)
            self._unscrubbed = 0
        if passed_ns is not None or room < _MOMENTS_A_TIME:
            return True
        # Words that are kept shorter than their recording take it along, a segment at a time.
        return recorded is not None and self._drop_segment(stream, recorded)

    def _drop_moments_of(self, node: int, most: int) -> int:
        """Drop moments of a clip; returns how many, `most` if some may be left."""
        rows = self._database.rows(
            "SELECT id, text FROM moment WHERE node = ? ORDER BY id LIMIT ?", (node, most)
        )
        for moment, text in rows:
            remove_text(self._database, moment, text)
            self._database.run("DELETE FROM moment WHERE id = ?", (moment,))
        self._unscrubbed += len(rows)
        return len(rows)

    def _drop_turns(self, before_wall_ns: int) -> bool:
        rows = self._database.rows(
            "SELECT id FROM turn WHERE wall_ns < ? ORDER BY id LIMIT ?",
            (before_wall_ns, _TURNS_A_TIME),
        )
        with self._database.transaction():
            for (turn,) in rows:
                self._database.run("DELETE FROM turn WHERE id = ?", (turn,))
        return bool(rows)

    def _drop_derived(self, stream: int, rung: int, before_ns: int) -> bool:
        """Drop the oldest blocks and digests of a rung; what lies below a block goes first."""
        oldest: list[tuple[int, int, int, int, int | None]] = []
        for level in LADDER[rung].levels:
            oldest += self._database.rows(
                "SELECT start_ns, abs(level), level, id, parent FROM node WHERE stream = ? "
                "AND level = ? AND closed = 1 AND NOT pinned AND start_ns < ? "
                "ORDER BY start_ns LIMIT ?",
                (stream, level, before_ns, _NODES_A_TIME),
            )
        dropped = 0
        below: int | None = None
        with self._database.transaction():
            for start_ns, _, level, node, parent in sorted(oldest):
                if is_pinned(self._database, node):
                    continue
                child = self._value("SELECT level FROM node WHERE parent = ? LIMIT 1", (node,))
                if child is not None:
                    below = child if below is None else min(below, child)
                    continue
                self._fade(node, parent, stream, level, start_ns)
                self._database.run("DELETE FROM node WHERE id = ?", (node,))
                dropped += 1
                if dropped == _CLIPS_A_TIME:
                    break
        if dropped or below is None or below > 1:
            return dropped > 0
        if below == 0:
            return self._drop_clips(stream, before_ns)
        return self._drop_derived(stream, BLOCKS, before_ns)

    # --- bookkeeping --------------------------------------------------------------------

    def _fade(self, node: int, parent: int | None, stream: int, level: int, start_ns: int) -> None:
        """Note in what was made from a node that it is about to go."""
        if parent is not None:
            self._database.run("UPDATE node SET faded = faded + 1 WHERE id = ?", (parent,))
        above = -1 if level == 0 else level - 1
        if -3 <= above < 0 >= level:
            self._database.run(
                "UPDATE node SET faded = faded + 1 WHERE id = (SELECT id FROM node "
                "WHERE stream = ? AND level = ? AND start_ns <= ? ORDER BY start_ns DESC LIMIT 1) "
                "AND end_ns > ?",
                (stream, above, start_ns, start_ns),
            )

    def _move_horizon(self, stream: int, rung: int, before_ns: int) -> None:
        self._database.run(
            "INSERT INTO horizon VALUES(?, ?, ?) ON CONFLICT(stream, rung) "
            "DO UPDATE SET before_ns = excluded.before_ns",
            (stream, rung, before_ns),
        )

    def _newest_ns(self, stream: int) -> int:
        """Return where the newest clip begins: it may still grow."""
        return (
            self._value(
                "SELECT start_ns FROM node WHERE stream = ? AND level = 0 "
                "ORDER BY start_ns DESC LIMIT 1",
                (stream,),
            )
            or 0
        )

    def _give_back_pages(self) -> None:
        self._database.rows(f"PRAGMA incremental_vacuum({_PAGES_A_TIME})")

    def _value(self, sql: str, bindings: tuple[object, ...]) -> int | None:
        value = self._database.value(sql, bindings)
        return None if value is None else int(value)


def oldest_ns(database: Database, target: Target) -> int | None:
    """Return when the oldest of a rung began that may be dropped; None if there is none.

    For the conversation it is wall time, for a recording the last fragment of a segment, because
    that goes when all in it is past.
    """
    stream, rung = target
    since_ns = horizon(database, stream, rung)
    if rung == CONVERSATION:
        found = [database.value("SELECT wall_ns FROM turn ORDER BY id LIMIT 1")]
    elif rung == RECORDINGS:
        found = [
            database.value(
                "SELECT max(start_ns) FROM fragment WHERE segment = (SELECT segment FROM fragment "
                "WHERE stream = ? AND start_ns >= ? ORDER BY start_ns LIMIT 1)",
                (stream, since_ns),
            )
        ]
    else:
        found = [
            database.value(
                "SELECT start_ns FROM node WHERE stream = ? AND level = ? AND start_ns >= ? "
                "AND (level = 0 OR NOT pinned) ORDER BY start_ns LIMIT 1",
                (stream, level, since_ns),
            )
            for level in LADDER[rung].levels
        ]
    return min((int(at_ns) for at_ns in found if at_ns is not None), default=None)


def horizon(database: Database, stream: int, rung: int) -> int:
    """Return the stream time before which nothing of a rung is left to drop."""
    found = database.value(
        "SELECT before_ns FROM horizon WHERE stream = ? AND rung = ?", (stream, rung)
    )
    return _BEGINNING if found is None else int(found)
