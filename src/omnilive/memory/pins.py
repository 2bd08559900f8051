"""What a pin protects: the clip, all that lies below a pinned block, and what it takes to play it.

A recording can only be played from a key frame, so a pinned clip may need fragments of clips
before it that nobody pinned.
"""

from __future__ import annotations

from omnilive.events import NS_PER_S
from omnilive.memory.database import Database
from omnilive.memory.playback import MAX_LEAD_FRAGMENTS

_LONGEST_FRAGMENT_NS = 3_600 * NS_PER_S


def is_pinned(database: Database, node: int) -> bool:
    """Return whether a node, or a block above it, is pinned."""
    return bool(
        database.value(
            "WITH RECURSIVE up(parent, pinned) AS (SELECT parent, pinned FROM node WHERE id = ? "
            "UNION ALL SELECT n.parent, n.pinned FROM node n JOIN up ON n.id = up.parent) "
            "SELECT max(pinned) FROM up",
            (node,),
        )
    )


def needed_fragments(database: Database, stream: int, start_ns: int, end_ns: int) -> set[int]:
    """Return the fragments that start within a stretch and that something pinned is played from.

    Args:
        database: where.
        stream: which stream.
        start_ns: start of the first fragment that is asked about.
        end_ns: start of the last one.
    """
    needed: set[int] = set()
    for first_ns, last_ns in _pinned_spans(database, stream, start_ns, end_ns):
        needed.update(
            row[0]
            for row in database.rows(
                "SELECT id FROM fragment WHERE stream = ? AND start_ns BETWEEN ? AND ? "
                "AND end_ns > ? AND start_ns < ?",
                (stream, start_ns, end_ns, first_ns, last_ns),
            )
        )
        needed.update(_lead(database, stream, first_ns, last_ns))
    return needed


def _pinned_spans(
    database: Database, stream: int, start_ns: int, end_ns: int
) -> list[tuple[int, int]]:
    return database.rows(
        "SELECT start_ns, max(end_ns, start_ns + 1, coalesce((SELECT max(m.end_ns) FROM moment m "
        "WHERE m.node = node.id AND m.pinned), 0)) AS last_ns FROM node "
        "WHERE stream = ? AND pinned AND start_ns < ? AND last_ns > ?",
        (stream, end_ns + _LONGEST_FRAGMENT_NS, start_ns),
    )


def _lead(database: Database, stream: int, first_ns: int, last_ns: int) -> list[int]:
    """Return the fragments before a span that hold the key frame it is decoded from."""
    first = database.row(
        "SELECT start_ns, starts_with_key FROM fragment WHERE stream = ? AND start_ns > ? "
        "AND start_ns < ? AND end_ns > ? ORDER BY start_ns LIMIT 1",
        (stream, first_ns - _LONGEST_FRAGMENT_NS, last_ns, first_ns),
    )
    if first is None or first[1]:
        return []
    before = database.rows(
        "SELECT id, starts_with_key OR key_ns IS NOT NULL FROM fragment "
        "WHERE stream = ? AND start_ns < ? ORDER BY start_ns DESC LIMIT ?",
        (stream, first[0], MAX_LEAD_FRAGMENTS),
    )
    reach = next((place for place, row in enumerate(before) if row[1]), None)
    return [] if reach is None else [row[0] for row in before[: reach + 1]]
