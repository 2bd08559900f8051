"""Stretches of time as windows of vectors and as ranges of row ids, to search only there.

Moments are numbered as they are remembered, so a stretch of a stream is nearly a range of numbers.
What was told late has a higher number than its neighbours: ranges reach `SLACK` beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnilive.events import Span
from omnilive.memory.database import Database
from omnilive.memory.text_index import RowRange
from omnilive.memory.vector_zones import Window
from omnilive.memory.view import MAX_SPANS, View

SLACK = 2_000
_EVER = 1 << 62


def num_moments(database: Database) -> int:
    """Return the highest number of a moment: how many there have been."""
    return int(database.value("SELECT coalesce(max(id), 0) FROM moment"))


def windows_of(view: View, spans: Sequence[Span]) -> list[Window]:
    """Return what a question may see as windows of streams; `spans` empty means any time."""
    if not spans:
        return [Window(stream, -_EVER, view.bound(stream)) for stream in view.lines]
    return joined(
        Window(span.stream, span.start_ns, min(span.end_ns, view.bound(span.stream)))
        for span in spans[:MAX_SPANS]
        if span.stream in view.lines
    )


def joined(windows: Iterable[Window], gap_ns: int = 0) -> list[Window]:
    """Return windows in order, those of a stream made one where no more than `gap_ns` is between.

    A stretch asked about comes in a span an epoch, so most of them touch.
    """
    found: list[Window] = []
    for window in sorted(windows):
        last = found[-1] if found else None
        if (
            last is not None
            and last.stream == window.stream
            and window.start_ns <= last.end_ns + gap_ns
        ):
            found[-1] = last._replace(end_ns=max(last.end_ns, window.end_ns))
        else:
            found.append(window)
    return found


def rows_of(database: Database, view: View, spans: Sequence[Span]) -> list[RowRange]:
    """Return the row ids among which a question's moments are, in order, none twice."""
    highest = num_moments(database)
    found: list[RowRange] = []
    for stream, start_ns, end_ns in windows_of(view, spans):
        first = 1
        if start_ns > 0:
            at = database.value(
                "SELECT id FROM moment WHERE stream = ? AND start_ns >= ? "
                "ORDER BY start_ns LIMIT 1",
                (stream, start_ns),
            )
            first = (highest if at is None else at) - SLACK
        last = highest
        if end_ns < _EVER:
            at = database.value(
                "SELECT id FROM moment WHERE stream = ? AND start_ns >= ? "
                "ORDER BY start_ns LIMIT 1",
                (stream, end_ns),
            )
            last = highest if at is None else at + SLACK
        found.append(RowRange(max(1, first), min(highest, last)))
    merged: list[RowRange] = []
    for rows in sorted(found):
        if merged and rows.first <= merged[-1].last + 1:
            merged[-1] = RowRange(merged[-1].first, max(merged[-1].last, rows.last))
        elif rows.length:
            merged.append(rows)
    return merged
