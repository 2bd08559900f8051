"""Calendar digests: what a local hour, day and month of a stream came to.

They are derived rows beside the tree, not a part of it: an hour is made from its clips, a day from
its hours, a month from its days. A row is written when the first clip after it comes, so nothing
is kept open, and what belongs to the hour that still runs is read from the clips themselves.

An hour that the clock shows twice (clocks put back) is two rows, because its offset differs; a
clock that was set back by hand makes rows anew from there on.
"""

from __future__ import annotations

from omnilive.memory import derived
from omnilive.memory.database import Database
from omnilive.memory.derived import CALENDAR_LETTERS, DAY, HOUR, MONTH

LETTERS = CALENDAR_LETTERS
_EVER = -(1 << 62)


def close_past(
    database: Database, stream: int, last: tuple[int, int], epoch: int, start_ns: int
) -> None:
    """Write the rows of what is over when a clip starts; call it before the clip is written.

    Args:
        database: where.
        stream: of the clip.
        last: epoch and start of the clip before it.
        epoch: of the clip.
        start_ns: where the clip starts.
    """
    before = database.clock.hour(*last)
    after = database.clock.hour(epoch, start_ns)
    if before == after:
        return
    _close(database, HOUR, stream, start_ns)
    # "2026-05-04T13+02:00": a day is told by 10 characters, a month by 7.
    if before[:10] != after[:10]:
        _close(database, DAY, stream, start_ns)
    if before[:7] != after[:7]:
        _close(database, MONTH, stream, start_ns)


def _close(database: Database, level: int, stream: int, end_ns: int) -> None:
    newest = database.row(
        "SELECT end_ns FROM node WHERE stream = ? AND level = ? ORDER BY start_ns DESC LIMIT 1",
        (stream, level),
    )
    row = database.row(
        "SELECT epoch, min(start_ns), max(end_ns) FROM node WHERE stream = ? AND level = ? "
        "AND start_ns >= ? AND start_ns < ?",
        (stream, 0 if level == HOUR else level + 1, newest[0] if newest else _EVER, end_ns),
    )
    if row is None or row[1] is None:
        return
    epoch, start_ns, end_ns = row
    made = derived.compute_span(database, level, stream, start_ns, end_ns)
    node = database.insert(
        "INSERT INTO node(level, stream, epoch, start_ns, end_ns) VALUES(?,?,?,?,?)",
        (level, stream, epoch, start_ns, end_ns),
    )
    derived.write(database, node, made)
