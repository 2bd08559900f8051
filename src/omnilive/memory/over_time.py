"""Counting and choosing among very many moments: what stays exact, and what is a sample.

A few thousand moments are read and filtered one by one. More are only counted, from indexes alone,
and a choice of them is taken by looking at evenly spread instants; so a question about a year costs
one pass over an index, not over the moments.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnilive.events import Span
from omnilive.memory.database import Database
from omnilive.memory.moments import COLUMNS, KINDS, MomentRow, by_ids
from omnilive.memory.row_ranges import SLACK, num_moments, rows_of, windows_of
from omnilive.memory.text_index import RowRange, count_matches, frequencies, quoted, rowids
from omnilive.memory.tokens import index_terms
from omnilive.memory.vector_zones import Window
from omnilive.memory.view import UNBOUNDED, View

MAX_READ = 20_000
MAX_JOINED = 4_000
MAX_HIDDEN = 5_000
REACH_NS = 3_600_000_000_000  # a moment that began longer ago than this does not reach in
TELLING = tuple(KINDS.index(kind) for kind in ("speech", "screen", "sound"))


def choose_within(
    database: Database, view: View, spans: Sequence[Span], limit: int
) -> tuple[list[int], int]:
    """Return row ids of moments in the spans (any time without), and how many there are.

    Where there are more than `limit`, what was said, read and heard goes first, evenly over time.
    """
    windows = windows_of(view, spans)
    hidden = _hidden_in(database, windows)
    if sum(rows.length for rows in rows_of(database, view, spans)) > MAX_READ:
        total = sum(_count(database, window) for window in windows) - len(hidden)
        if total > limit:
            return [i for i in _at_instants(database, windows, limit) if i not in hidden], total
    rows = [row for window in windows for row in _ids_in(database, window) if row[0] not in hidden]
    telling = [number for number, kind in rows if kind in TELLING]
    others = [number for number, kind in rows if kind not in TELLING]
    chosen = spread(telling, limit)
    return chosen + spread(others, limit - len(chosen)), len(rows)


def matching_rows(
    database: Database, view: View, terms: Sequence[str], spans: Sequence[Span], limit: int
) -> tuple[list[MomentRow], int]:
    """Return the first `limit` moments that hold every term, and how many there are."""
    counts = frequencies(database, terms)
    if not terms or not all(counts.values()):
        return [], 0
    ranges = rows_of(database, view, spans)
    expected = min(counts.values()) * sum(rows.length for rows in ranges)
    expected //= max(1, num_moments(database))
    num_streams = database.value("SELECT count(*) FROM stream")
    if expected <= MAX_JOINED or len(view.lines) < num_streams:
        return _joined(database, view, terms, spans, ranges, limit)
    # Exact at the edges of a span; in between only matches are counted, no moment is read.
    is_cut = bool(spans) or any(view.bound(stream) < UNBOUNDED for stream in view.lines)
    total = 0
    for rows in ranges:
        inner = RowRange(
            rows.first + (2 * SLACK if spans else 0), rows.last - (2 * SLACK if is_cut else 0)
        )
        if inner.length <= 0:
            total += _joined(database, view, terms, spans, [rows], 0)[1]
            continue
        total += count_matches(database, terms, inner) - _num_hidden(database, inner, terms)
        edges = [RowRange(rows.first, inner.first - 1), RowRange(inner.last + 1, rows.last)]
        total += _joined(database, view, terms, spans, [e for e in edges if e.length], 0)[1]
    found: list[MomentRow] = []
    for rows in ranges:
        ids = rowids(database, quoted(terms, "AND"), rows, limit + 100, "ASC")
        found += [row for row in by_ids(database, ids) if view.allows(row, spans)]
        if len(found) >= limit:
            break
    return found[:limit], max(total, len(found[:limit]))


def spread(numbers: Sequence[int], limit: int) -> list[int]:
    """Return at most `limit` of the numbers, evenly."""
    if limit <= 0:
        return []
    if len(numbers) <= limit:
        return list(numbers)
    return [numbers[index * len(numbers) // limit] for index in range(limit)]


def _joined(
    database: Database,
    view: View,
    terms: Sequence[str],
    spans: Sequence[Span],
    ranges: Sequence[RowRange],
    limit: int,
) -> tuple[list[MomentRow], int]:
    condition, bindings = view.condition(spans)
    total = 0
    found: list[MomentRow] = []
    for rows in ranges:
        # CROSS JOIN: the few matches first, then their rows; the planner would read all rows.
        source = (
            "moment_terms t CROSS JOIN moment m ON m.id = t.rowid "
            f"WHERE t.moment_terms MATCH ? AND t.rowid BETWEEN ? AND ? AND {condition}"
        )
        values = [quoted(terms, "AND"), rows.first, rows.last, *bindings]
        count = database.value(f"SELECT count(*) FROM {source}", values)
        total += count
        if count and len(found) < limit:
            every = database.rows(
                f"SELECT {COLUMNS} FROM {source} ORDER BY m.start_ns LIMIT ?", [*values, limit + 1]
            )
            allowed = [row for row in map(MomentRow._make, every) if view.allows(row, spans)]
            total -= len(every) - len(allowed)  # the question's own utterance
            found += allowed
    return found[:limit], total


def _hidden_in(database: Database, windows: Sequence[Window]) -> set[int]:
    """Return the moments in the windows that are never evidence."""
    return {
        row[0]
        for window in windows
        for row in database.rows(
            "SELECT id FROM moment INDEXED BY moment_hidden WHERE (asked = 1 OR voice = 2) "
            "AND stream = ? AND start_ns < ? AND max(end_ns, start_ns + 1) > ? "
            "ORDER BY id DESC LIMIT ?",
            (window.stream, window.end_ns, window.start_ns, MAX_HIDDEN),
        )
    }


def _num_hidden(database: Database, rows: RowRange, terms: Sequence[str]) -> int:
    """Return how many moments hold every term but are never evidence."""
    wanted = set(terms)
    return sum(
        wanted <= set(index_terms(text))
        for (text,) in database.rows(
            "SELECT text FROM moment INDEXED BY moment_hidden WHERE (asked = 1 OR voice = 2) "
            "AND id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?",
            (rows.first, rows.last, MAX_HIDDEN),
        )
    )


def _count(database: Database, window: Window) -> int:
    # Only columns of the index: no moment is read.
    started = database.value(
        "SELECT count(*) FROM moment WHERE stream = ? AND start_ns >= ? AND start_ns < ?",
        (window.stream, window.start_ns, window.end_ns),
    )
    return int(started) + len(_reaching_in(database, window))


def _ids_in(database: Database, window: Window) -> list[tuple[int, int]]:
    return _reaching_in(database, window) + [
        (row[0], row[1])
        for row in database.rows(
            "SELECT id, kind FROM moment WHERE stream = ? AND start_ns >= ? AND start_ns < ? "
            "ORDER BY start_ns",
            (window.stream, window.start_ns, window.end_ns),
        )
    ]


def _reaching_in(database: Database, window: Window) -> list[tuple[int, int]]:
    """Return what began before a window and lasts into it, newest `MAX_READ` looked at."""
    if window.start_ns <= 0:
        return []
    return [
        (row[0], row[1])
        for row in database.rows(
            "SELECT id, kind FROM moment WHERE stream = ? AND start_ns >= ? AND start_ns < ? "
            "AND end_ns > ? ORDER BY start_ns",
            (window.stream, window.start_ns - REACH_NS, window.start_ns, window.start_ns),
        )
    ]


def _at_instants(database: Database, windows: Sequence[Window], limit: int) -> list[int]:
    """Return what was said, read or heard next at `limit` instants spread over the windows."""
    reaches = []
    for window in windows:
        first, last = (
            database.value(
                f"SELECT start_ns FROM moment WHERE stream = ? AND start_ns >= ? AND start_ns < ? "
                f"ORDER BY start_ns {order} LIMIT 1",
                (window.stream, window.start_ns, window.end_ns),
            )
            for order in ("ASC", "DESC")
        )
        if first is not None:
            reaches.append(Window(window.stream, first, last + 1))
    whole = sum(window.end_ns - window.start_ns for window in reaches)
    chosen: dict[int, None] = {}
    for index in range(limit):
        at = index * whole // limit
        for window in reaches:
            length = window.end_ns - window.start_ns
            if at < length:
                number = _next(database, window, window.start_ns + at)
                if number is not None:
                    chosen[number] = None
                break
            at -= length
    return list(chosen)


def _next(database: Database, window: Window, at_ns: int) -> int | None:
    nearest = None
    for kind in TELLING:
        row = database.row(
            "SELECT start_ns, id FROM moment WHERE kind = ? AND stream = ? AND start_ns >= ? "
            "AND start_ns < ? ORDER BY start_ns LIMIT 1",
            (kind, window.stream, at_ns, window.end_ns),
        )
        if row is not None and (nearest is None or row < nearest):
            nearest = row
    return None if nearest is None else int(nearest[1])
