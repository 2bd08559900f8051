"""Where the recording of a moment lies: what media needs to export or show it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from omnilive.memory.database import Database
from omnilive.memory.moments import file_is_unchanged, find

MAX_LEAD_FRAGMENTS = 16


class FragmentPart(NamedTuple):
    """A byte range that opens by itself; times are stream time."""

    path: Path
    offset: int
    num_bytes: int
    start_ns: int
    end_ns: int
    starts_with_key: bool
    sha256: bytes


class PlayParts(NamedTuple):
    """A moment's span and what it can be played from.

    Either `file` is a user's own file, with the span in that file's time, or `fragments` lie one
    after the other, the first one holding a key frame where there is one near enough; both
    are empty when nothing is left to play.
    """

    stream: int
    start_ns: int
    end_ns: int
    file: Path | None
    file_start_ns: int
    file_end_ns: int
    fragments: tuple[FragmentPart, ...]


def play_parts(database: Database, segments: Path, public_id: str) -> PlayParts:
    """Return what the moment, clip or block with this id is played from.

    Raises:
        UnknownMoment: nothing has this id.
    """
    found = find(database, public_id)
    table, number = ("node", found.node) if found.node is not None else ("moment", found.moment)
    row = database.row(f"SELECT stream, start_ns, end_ns FROM {table} WHERE id = ?", (number,))
    assert row is not None
    stream, start_ns, end_ns = row
    end_ns = max(end_ns, start_ns + 1)
    epoch = database.row(
        "SELECT e.id, e.start_ns, e.file_start_ns, f.path FROM epoch e "
        "LEFT JOIN source_file f ON f.id = e.file WHERE e.stream = ? AND e.start_ns <= ? "
        "ORDER BY e.start_ns DESC, e.id DESC LIMIT 1",
        (stream, start_ns),
    )
    file, shift = None, 0
    if epoch is not None and epoch[3] and file_is_unchanged(database, epoch[0]):
        file, shift = Path(epoch[3]), epoch[2] - epoch[1]
    return PlayParts(
        stream=stream,
        start_ns=start_ns,
        end_ns=end_ns,
        file=file,
        file_start_ns=start_ns + shift,
        file_end_ns=end_ns + shift,
        fragments=() if file else _fragments(database, segments, stream, start_ns, end_ns),
    )


def _fragments(
    database: Database, segments: Path, stream: int, start_ns: int, end_ns: int
) -> tuple[FragmentPart, ...]:
    columns = (
        "SELECT s.file, f.offset, f.bytes, f.start_ns, f.end_ns, f.starts_with_key, f.sha256, "
        "f.key_ns FROM fragment f JOIN segment s ON s.id = f.segment WHERE f.stream = ? "
    )
    rows = database.rows(
        columns + "AND f.end_ns > ? AND f.start_ns < ? ORDER BY f.start_ns",
        (stream, start_ns, end_ns),
    )
    if rows and not rows[0][5]:
        before = database.rows(
            columns + "AND f.start_ns < ? ORDER BY f.start_ns DESC LIMIT ?",
            (stream, rows[0][3], MAX_LEAD_FRAGMENTS),
        )
        lead = next((i for i, row in enumerate(before) if row[5] or row[7] is not None), None)
        if lead is not None:
            rows = before[lead::-1] + rows
    return tuple(
        FragmentPart(segments / row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6])
        for row in rows
    )
