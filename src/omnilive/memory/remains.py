"""What is left of a stretch whose clips the budget has dropped: the finest digests over it.

Blocks of about five minutes outlive their clips, hours outlive blocks, days outlive hours. Only
rows that say they have faded are taken, so a stretch that is still there is told by its clips.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnilive.events import NS_PER_S, Moment, Span
from omnilive.memory.database import Database
from omnilive.memory.derived import DAY, HOUR, MONTH, public_id
from omnilive.memory.eviction import MOMENTS, horizon
from omnilive.memory.row_ranges import joined, windows_of
from omnilive.memory.timeline import Timeline
from omnilive.memory.vector_zones import Window
from omnilive.memory.view import View

_FINEST_FIRST = (1, HOUR, 2, DAY, 3, MONTH)
_LONGEST_NS = 32 * 86_400 * NS_PER_S  # no row of these levels is longer than a month


def remains(
    database: Database, view: View, spans: Sequence[Span], limit: int
) -> tuple[Moment, ...]:
    """Return at most `limit` digests over the parts of the spans that have lost their clips."""
    found: list[Moment] = []
    for window in joined(windows_of(view, spans)):
        # One look-up says that nothing has been dropped there, which is the rule.
        dropped_ns = horizon(database, window.stream, MOMENTS)
        if window.start_ns < dropped_ns and len(found) < limit:
            part = window._replace(end_ns=min(window.end_ns, dropped_ns))
            found += _finest(database, view, part, limit - len(found))
    return tuple(found)


def _finest(database: Database, view: View, window: Window, limit: int) -> list[Moment]:
    line = view.lines[window.stream]
    for level in _FINEST_FIRST:
        rows = database.rows(
            "SELECT start_ns, end_ns, digest FROM node WHERE stream = ? AND level = ? "
            "AND start_ns > ? AND start_ns < ? AND end_ns > ? AND faded > 0 AND digest != '' "
            "ORDER BY start_ns LIMIT ?",
            (window.stream, level, window.start_ns - _LONGEST_NS, window.end_ns, window.start_ns)
            + (limit,),
        )
        if rows:
            return [
                Moment(
                    id=public_id(level, window.stream, start_ns),
                    clip=public_id(level, window.stream, start_ns),
                    stream=window.stream,
                    stream_name=line.name,
                    kind="digest",
                    start_ns=start_ns,
                    end_ns=end_ns,
                    at=line.local_at(start_ns),
                    text=_inside(digest, line, window) if level in (1, HOUR) else digest,
                    playable=False,
                )
                for start_ns, end_ns, digest in rows
            ]
    return []


def _inside(digest: str, line: Timeline, window: Window) -> str:
    """Return the lines of a digest that lie in the stretch; all of them if none does."""
    # Blocks and hours end at local midnight, so the clock that a line begins with tells its order.
    first, last = (line.local_at(at_ns)[:19] for at_ns in (window.start_ns, window.end_ns - 1))
    if first[:10] != last[:10]:
        return digest
    lines = digest.splitlines()
    inside = [each for each in lines if first[11:] <= each[:8] <= last[11:]]
    return "\n".join(inside or lines)
