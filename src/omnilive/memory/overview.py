"""What a long stretch of time came to, from above: digests of months, days, hours and blocks.

The coarsest calendar rows that still tell the stretch apart are taken; where it goes beyond the
last of them (the day that still runs), finer ones follow, and blocks of clips at the very end.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnilive.events import NS_PER_S, Moment, Span
from omnilive.memory.database import Database
from omnilive.memory.derived import DAY, HOUR, MONTH, public_id
from omnilive.memory.over_time import spread
from omnilive.memory.row_ranges import joined, windows_of
from omnilive.memory.vector_zones import Window
from omnilive.memory.view import View

BLOCK = 1
_HOUR_NS = 3_600 * NS_PER_S
_GAP_NS = _HOUR_NS  # what is missing for less than this does not part a stretch
_LEVELS = (
    # From how long a stretch on, which rows tell it.
    (62 * 24 * _HOUR_NS, MONTH),
    (60 * _HOUR_NS, DAY),
    (150 * 60 * NS_PER_S, HOUR),
    (0, BLOCK),
)
_FINER = {MONTH: DAY, DAY: HOUR, HOUR: BLOCK}


def overview(
    database: Database, view: View, spans: Sequence[Span], limit: int
) -> tuple[Moment, ...]:
    """Return at most `limit` digests over the spans (any time without), in order of time."""
    found: list[Moment] = []
    for window in joined(windows_of(view, spans), _GAP_NS):
        line = view.lines[window.stream]
        start_ns = max(window.start_ns, line.start_ns)
        end_ns = min(window.end_ns, view.ends[window.stream])
        if start_ns < end_ns:
            found += _of_window(database, view, Window(window.stream, start_ns, end_ns), limit)
    found.sort(key=lambda one: (view.lines[one.stream].wall_at(one.start_ns), one.stream))
    chosen = spread(range(len(found)), limit)
    return tuple(found[place] for place in chosen)


def _of_window(database: Database, view: View, window: Window, limit: int) -> list[Moment]:
    length = window.end_ns - window.start_ns
    level: int | None = next(level for least, level in _LEVELS if length >= least)
    found: list[Moment] = []
    at_ns = window.start_ns
    while level is not None and at_ns < window.end_ns:
        rows = database.rows(
            "SELECT start_ns, end_ns, digest FROM node WHERE stream = ? AND level = ? "
            "AND start_ns >= ? AND start_ns < ? AND end_ns <= ? AND digest != '' "
            "ORDER BY start_ns DESC LIMIT ?",
            (window.stream, level, at_ns, window.end_ns, window.end_ns, 4 * limit),
        )
        rows.reverse()
        if rows and not found and rows[0][0] > at_ns and level in _FINER:
            # The first row began before the stretch: its part inside is told by finer ones.
            found += _of_level(database, view, _FINER[level], window, at_ns, rows[0][0], limit)
        found += [_moment(view, window.stream, level, *row) for row in rows]
        at_ns = rows[-1][1] if rows else at_ns
        level = _FINER.get(level)
    return found


def _of_level(
    database: Database,
    view: View,
    level: int,
    window: Window,
    start_ns: int,
    end_ns: int,
    limit: int,
) -> list[Moment]:
    rows = database.rows(
        "SELECT start_ns, end_ns, digest FROM node WHERE stream = ? AND level = ? "
        "AND start_ns >= ? AND end_ns <= ? AND start_ns < ? AND digest != '' "
        "ORDER BY start_ns LIMIT ?",
        (window.stream, level, start_ns, end_ns, end_ns, limit),
    )
    return [_moment(view, window.stream, level, *row) for row in rows]


def _moment(view: View, stream: int, level: int, start_ns: int, end_ns: int, text: str) -> Moment:
    line = view.lines[stream]
    number = public_id(level, stream, start_ns)
    return Moment(
        id=number,
        clip=number,
        stream=stream,
        stream_name=line.name,
        kind="digest",
        start_ns=start_ns,
        end_ns=end_ns,
        at=line.local_at(start_ns),
        text=text,
        playable=False,
    )
