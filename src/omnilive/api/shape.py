"""The shape of a memory over a stretch of time: how much lies where, cheap whatever the stretch.

A short stretch is counted clip by clip. Of a long one only blocks are read: of every stream the
lowest level with few enough nodes. Older than what the budget left of that level, the level above
tells; newer than its last block, the level below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from omnilive.api.looking import UNBOUNDED_NS
from omnilive.events import moment_id
from omnilive.memory.database import Database
from omnilive.memory.moments import KINDS
from omnilive.memory.store import Store
from omnilive.memory.timeline import Timeline

MAX_BINS = 2000
_MAX_NODES = 4096
_MAX_MOMENTS = 100_000
_MAX_CLIPS = 500
_MAX_STRETCHES = 1000
_FAN_OUT = 32
_COUNTED = ("speech", "screen", "sound")


class ClipPlace(NamedTuple):
    """A clip and when it was, in stream time and by the wall clock."""

    id: str
    stream: int
    start_ns: int
    end_ns: int
    wall_ns: int
    changed: bool


class Stretch(NamedTuple):
    """A stretch of wall time in which a stream was watched."""

    stream: int
    from_wall_ns: int
    to_wall_ns: int


@dataclass(kw_only=True)
class Bin:
    """How much starts in one bin; what a block holds is spread over its length."""

    clips: float = 0.0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Bins of equal length between two wall times, and what they were made from.

    Attributes:
        from_wall_ns, to_wall_ns: the stretch.
        bins: in order of time.
        clips: every clip in it, oldest first; empty where there are more than 500.
        watched: when which stream was watched; the newest 1000 stretches.
        exact: whether all was counted clip by clip; otherwise the kinds are not known.
    """

    from_wall_ns: int
    to_wall_ns: int
    bins: tuple[Bin, ...]
    clips: tuple[ClipPlace, ...]
    watched: tuple[Stretch, ...]
    exact: bool


class _Node(NamedTuple):
    level: int
    start_ns: int
    end_ns: int
    num_children: int
    name: str | None
    changed: int


def shape(
    store: Store,
    *,
    stream: int | None = None,
    from_wall_ns: int | None = None,
    to_wall_ns: int | None = None,
    num_bins: int = 200,
) -> Shape:
    """Return how much is remembered of a stretch of wall time.

    Args:
        store: where.
        stream: number of the only stream wanted.
        from_wall_ns: where it begins (UTC); None: at the first instant that was watched.
        to_wall_ns: where it ends (UTC); None: at the last one.
        num_bins: into how many bins it is cut, 1..2000.
    """
    lines = {n: line for n, line in store.timelines().items() if stream in (None, n)}
    watched = sorted(
        (each for line in lines.values() for each in _watched(line)), key=lambda each: each[1]
    )
    first = min((each.from_wall_ns for each in watched), default=0)
    last = max((each.to_wall_ns for each in watched), default=first)
    start = first if from_wall_ns is None else from_wall_ns
    stop = max(start + num_bins, last if to_wall_ns is None else to_wall_ns)
    made = _Counter(store.database, start, stop, num_bins)
    for line in lines.values():
        made.count(line)
    clips = sorted(made.clips, key=lambda clip: (clip.wall_ns, clip.stream))
    within = [each for each in watched if each.to_wall_ns > start and each.from_wall_ns < stop]
    return Shape(
        from_wall_ns=start,
        to_wall_ns=stop,
        bins=tuple(made.bins),
        clips=tuple(clips) if made.exact and len(clips) <= _MAX_CLIPS else (),
        watched=tuple(within[-_MAX_STRETCHES:]),
        exact=made.exact,
    )


class _Counter:
    """Counts stream after stream into the same bins."""

    def __init__(self, database: Database, start: int, stop: int, num_bins: int) -> None:
        self._database = database
        self._start, self._stop = start, stop
        self.bins = [Bin() for _ in range(num_bins)]
        self.clips: list[ClipPlace] = []
        self.exact = True

    def count(self, line: Timeline) -> None:
        """Count what one stream has in the stretch."""
        span = _stream_span(line, self._start, self._stop)
        if span is None:
            return
        level = self._level(line.stream, *span)
        nodes = list(self._nodes(line.stream, level, *span))
        whole = all(node.level == 0 for node in nodes)
        for node in nodes:
            self._add(line, node)
        self.exact = self.exact and whole and self._count_kinds(line, *span)

    def _level(self, stream: int, start_ns: int, stop_ns: int) -> int:
        """Return the lowest level of which few enough nodes lie in a span of stream time."""
        level = 0
        while (
            self._database.value(
                "SELECT count(*) FROM (SELECT 1 FROM node WHERE stream = ? AND level = ? "
                "AND start_ns >= ? AND start_ns < ? LIMIT ?)",
                (stream, level, start_ns, stop_ns, _MAX_NODES + 1),
            )
            > _MAX_NODES
        ):
            level += 1
        return level

    def _nodes(self, stream: int, level: int, start_ns: int, stop_ns: int) -> Iterator[_Node]:
        rows = self._rows(stream, level, start_ns, stop_ns)
        yield from self._above(stream, level, start_ns, rows[0].start_ns if rows else stop_ns)
        yield from rows
        if level:
            yield from self._below(stream, level - 1, max(start_ns, _end(rows, start_ns)), stop_ns)

    def _above(self, stream: int, level: int, start_ns: int, stop_ns: int) -> Iterator[_Node]:
        """Yield the blocks that tell of a time of which this level has lost its nodes."""
        above = level + 1
        if stop_ns <= start_ns or not self._database.value(
            "SELECT 1 FROM node WHERE stream = ? AND level = ? LIMIT 1", (stream, above)
        ):
            return
        rows = self._rows(stream, above, start_ns, stop_ns)
        yield from self._above(stream, above, start_ns, rows[0].start_ns if rows else stop_ns)
        # The last one may hold nodes that were read already: only its part before them counts.
        yield from (row._replace(end_ns=min(row.end_ns, stop_ns)) for row in rows)

    def _below(self, stream: int, level: int, start_ns: int, stop_ns: int) -> Iterator[_Node]:
        rows = self._rows(stream, level, start_ns, stop_ns)
        yield from rows
        if level:
            yield from self._below(stream, level - 1, _end(rows, start_ns), stop_ns)

    def _rows(self, stream: int, level: int, start_ns: int, stop_ns: int) -> list[_Node]:
        found = self._database.rows(
            "SELECT level, start_ns, end_ns, num_children, name, changed FROM node "
            "WHERE stream = ? AND level = ? AND start_ns >= ? AND start_ns < ? "
            "ORDER BY start_ns LIMIT ?",
            (stream, level, start_ns, stop_ns, _MAX_NODES),
        )
        return [_Node(*row) for row in found]

    def _add(self, line: Timeline, node: _Node) -> None:
        wall_ns = line.wall_at(node.start_ns)
        if node.level == 0:
            index = self._bin(wall_ns)
            if index is not None:
                self.bins[index].clips += 1
                name = node.name or moment_id("c", line.stream, node.start_ns)
                self.clips.append(
                    ClipPlace(
                        name,
                        line.stream,
                        node.start_ns,
                        node.end_ns,
                        wall_ns,
                        bool(node.changed),
                    )
                )
            return
        clips = node.num_children * _FAN_OUT ** (node.level - 1)
        end_ns = max(wall_ns + 1, line.wall_at(node.end_ns))
        width = (self._stop - self._start) / len(self.bins)
        first = max(0, int((wall_ns - self._start) / width))
        last = min(len(self.bins) - 1, int((end_ns - 1 - self._start) / width))
        for index in range(first, last + 1):
            left = self._start + index * width
            overlap = min(end_ns, left + width) - max(wall_ns, left)
            self.bins[index].clips += clips * max(0.0, overlap) / (end_ns - wall_ns)

    def _count_kinds(self, line: Timeline, start_ns: int, stop_ns: int) -> bool:
        """Count what was said, read and heard; False where that is too much to read."""
        rows = self._database.rows(
            "SELECT start_ns, kind FROM moment WHERE stream = ? AND start_ns >= ? "
            "AND start_ns < ? LIMIT ?",
            (line.stream, start_ns, stop_ns, _MAX_MOMENTS),
        )
        for at_ns, number in rows:
            kind, index = KINDS[number], self._bin(line.wall_at(at_ns))
            if index is not None and kind in _COUNTED:
                self.bins[index].kinds[kind] += 1
        return len(rows) < _MAX_MOMENTS

    def _bin(self, wall_ns: int) -> int | None:
        if not self._start <= wall_ns <= self._stop:
            return None
        share = (wall_ns - self._start) / (self._stop - self._start)
        return min(len(self.bins) - 1, int(share * len(self.bins)))


def _end(rows: list[_Node], start_ns: int) -> int:
    return max((row.end_ns for row in rows), default=start_ns)


def _watched(line: Timeline) -> Iterator[Stretch]:
    for epoch in line.epochs:
        if epoch.end_ns > epoch.start_ns:
            yield Stretch(line.stream, epoch.wall_at(epoch.start_ns), epoch.wall_at(epoch.end_ns))


def _stream_span(line: Timeline, start: int, stop: int) -> tuple[int, int] | None:
    """Return the span of stream time in which a stretch of wall time can lie."""
    spans = []
    for index, epoch in enumerate(line.epochs):
        last = index + 1 == len(line.epochs)
        end_ns = UNBOUNDED_NS if last else line.epochs[index + 1].start_ns
        # To the end of the last bin, and what starts in the same millisecond.
        from_ns = max(epoch.start_ns, epoch.at_wall(start))
        to_ns = min(end_ns, epoch.at_wall(stop) + 1)
        if from_ns < to_ns:
            spans.append((from_ns, to_ns))
    if not spans:
        return None
    return min(span[0] for span in spans), max(span[1] for span in spans)
