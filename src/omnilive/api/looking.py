"""Pages of moments in order of the wall clock, over any number of streams and years.

Stream time says nothing between two streams, and a clock may be set back between two epochs. So
every epoch (and kind, if kinds are asked for) is a run of its own in which wall time only rises;
the newest runs are read first, and only as many as a page takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from omnilive.errors import UnknownMoment, UsageError
from omnilive.events import NS_PER_S, Kind, Moment
from omnilive.memory import totals
from omnilive.memory.database import Database
from omnilive.memory.moments import COLUMNS, KINDS, MomentRow, Presenter, find
from omnilive.memory.pins import is_pinned
from omnilive.memory.statistics import StreamStatistics, stream_statistics
from omnilive.memory.store import Store
from omnilive.memory.timeline import Epoch, Timeline

UNBOUNDED_NS = 1 << 62
_BATCH = 64
_DIGITS = re.compile(r"[0-9]{1,18}|[1-8][0-9]{18}")  # what SQLite takes as a number
_LATE_NS = 60 * NS_PER_S  # what is finished late may start after the end that was noted
_ROUNDING_NS = 1_000_000  # between two anchors wall time is rounded


class Place(NamedTuple):
    """Where a page ended: what follows comes before it. Made of a wall time alone, a bound."""

    wall_ns: int
    stream: int = -1
    start_ns: int = -1
    row: int = -1

    def __str__(self) -> str:
        """Return it as a word that `parse` understands."""
        return "-".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place of a word.

        Raises:
            UsageError: it is none.
        """
        parts = text.split("-")
        if len(parts) != 4 or not all(_DIGITS.fullmatch(each) for each in parts):
            raise UsageError("The cursor is not one that a page of moments gave; leave it out.")
        return cls(*map(int, parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Moments, newest first, and where the next page begins (None: there is none)."""

    moments: tuple[Moment, ...]
    following: Place | None


class _Run(NamedTuple):
    """One epoch, of one kind or (None) of all."""

    stream: int
    kind: int | None
    epoch: Epoch
    stop_ns: int
    last_wall_ns: int


def page(
    store: Store,
    *,
    stream: int | None = None,
    kinds: Sequence[Kind] = (),
    after_wall_ns: int = -UNBOUNDED_NS,
    before: Place | None = None,
    limit: int = 50,
) -> Page:
    """Return moments newest first, without pictures.

    Args:
        store: where.
        stream: number of the only stream wanted.
        kinds: the only kinds wanted.
        after_wall_ns: nothing that starts earlier (UTC).
        before: nothing that starts there or later.
        limit: at most this many.
    """
    before = before or Place(UNBOUNDED_NS)
    lines = store.timelines()
    chosen = [line for number, line in lines.items() if stream in (None, number)]
    numbers: list[int | None] = [KINDS.index(kind) for kind in kinds] or [None]
    runs = [
        run
        for line in chosen
        for run in _runs(line, numbers)
        if run.last_wall_ns >= after_wall_ns and run.epoch.wall_ns <= before.wall_ns
    ]
    runs.sort(key=lambda run: run.last_wall_ns, reverse=True)
    found: list[tuple[Place, MomentRow]] = []
    for run in runs:
        if len(found) > limit and found[limit][0].wall_ns > run.last_wall_ns:
            break
        found += islice(_within(store.database, run, after_wall_ns, before), limit + 1)
        found.sort(key=lambda one: one[0], reverse=True)
        del found[limit + 1 :]
    rows = [row for _, row in found[:limit]]
    return Page(
        moments=Presenter(store.database, lines).present(rows),
        following=found[limit - 1][0] if len(found) > limit else None,
    )


def _runs(line: Timeline, kinds: Sequence[int | None]) -> Iterator[_Run]:
    for index, epoch in enumerate(line.epochs):
        last = index + 1 == len(line.epochs)
        stop_ns = UNBOUNDED_NS if last else line.epochs[index + 1].start_ns
        last_wall_ns = epoch.wall_at(max(epoch.start_ns, epoch.end_ns)) + _LATE_NS
        for kind in kinds:
            yield _Run(line.stream, kind, epoch, stop_ns, last_wall_ns)


def _within(
    database: Database, run: _Run, after_wall_ns: int, before: Place
) -> Iterator[tuple[Place, MomentRow]]:
    """Yield the rows of a run that start within the bounds, newest first."""
    stop_ns = min(run.stop_ns, run.epoch.at_wall(before.wall_ns) + _ROUNDING_NS)
    for row in _rows(database, run, stop_ns):
        place = Place(run.epoch.wall_at(row.start_ns), row.stream, row.start_ns, row.id)
        if place.wall_ns < after_wall_ns:
            return
        if place < before:
            yield place, row


def _rows(database: Database, run: _Run, stop_ns: int) -> Iterator[MomentRow]:
    kind = "" if run.kind is None else "m.kind = ? AND "
    bindings = [run.stream] if run.kind is None else [run.kind, run.stream]
    start_ns, last = stop_ns, 0
    while True:
        rows = database.rows(
            f"SELECT {COLUMNS} FROM moment m WHERE {kind}m.stream = ? AND m.start_ns >= ? "
            "AND (m.start_ns, m.id) < (?, ?) ORDER BY m.start_ns DESC, m.id DESC LIMIT ?",
            [*bindings, run.epoch.start_ns, start_ns, last, _BATCH],
        )
        yield from (MomentRow(*row) for row in rows)
        if len(rows) < _BATCH:
            return
        start_ns, last = rows[-1][4], rows[-1][0]


def streams(store: Store) -> list[StreamStatistics]:
    """Return what was watched of every stream; nothing is counted for it."""
    held = totals.read(store.database)
    none = totals.Total(0, 0)
    return [
        stream_statistics(line, held.get((number, 0, totals.NODE), none).num_rows)
        for number, line in store.timelines().items()
    ]


class Marks(NamedTuple):
    """What a moment itself does not say."""

    pinned: bool
    has_picture: bool


def marks(store: Store, moments: Sequence[Moment]) -> list[Marks]:
    """Return for every moment whether it is pinned (or a block above it) and has a picture."""
    found: list[Marks] = []
    of_clip: dict[str, Marks] = {}
    for moment in moments:
        if moment.clip not in of_clip:
            of_clip[moment.clip] = _marks(store.database, moment.clip)
        found.append(of_clip[moment.clip])
    return found


def _marks(database: Database, clip: str) -> Marks:
    try:
        node = find(database, clip).node
    except UnknownMoment:  # forgotten since
        return Marks(False, False)
    if node is None:
        return Marks(False, False)
    picture = database.value("SELECT 1 FROM thumbnail WHERE node = ?", (node,))
    return Marks(is_pinned(database, node), bool(picture))
