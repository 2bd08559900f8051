"""Blocks: what a run of clips, or of blocks, comes to.

One operation serves every level: a child joins the open block above it; a closed block is a child
of the next level, and so on without end. A block of clips (level 1) closes when it is full, when
there was a gap longer than the limit, or when a local day is over. Blocks above it close only when
they are full: they span hours to months, so neither a gap nor a midnight means anything to them.

Digest and vectors of a block come from its children alone, and the children they came from are
written down, so that forgetting a child can make them again (`omnilive.memory.derived`).
"""

from __future__ import annotations

from typing import NamedTuple

from omnilive.memory import derived
from omnilive.memory.database import Database

derive = derived.derive
refresh = derived.refresh


class BlockLimits(NamedTuple):
    """When blocks close, and how many levels of them there are above the clips (0: no limit)."""

    fan_out: int
    gap_ns: int
    levels: int


def block_for(
    database: Database, level: int, stream: int, epoch: int, start_ns: int, limits: BlockLimits
) -> int | None:
    """Return the open block that a new node of `level` belongs to, made if there is none.

    A block that is over is closed first, so call it before the node itself is written.
    """
    if limits.levels and level >= limits.levels:
        return None
    row = database.row(
        "SELECT id, closed, epoch, start_ns, end_ns FROM node WHERE stream = ? AND level = ? "
        "ORDER BY start_ns DESC LIMIT 1",
        (stream, level + 1),
    )
    if row is not None and not row[1]:
        block, _, block_epoch, block_start_ns, block_end_ns = row
        if level or not _is_over(
            database, block_epoch, block_start_ns, block_end_ns, epoch, start_ns, limits
        ):
            return int(block)
        close(database, block, limits)
    name = None if level == 0 else derived.public_id(level + 1, stream, start_ns)
    return database.insert(
        "INSERT INTO node(level, stream, epoch, start_ns, end_ns, name, closed) "
        "VALUES(?,?,?,?,?,?,0)",
        (level + 1, stream, epoch, start_ns, start_ns, name),
    )


def count_in(database: Database, block: int, end_ns: int, limits: BlockLimits) -> None:
    """Count a new child into its block, which closes when it is full."""
    count = database.value(
        "UPDATE node SET end_ns = max(end_ns, ?), num_children = num_children + 1 WHERE id = ? "
        "RETURNING num_children",
        (end_ns, block),
    )
    if count >= limits.fan_out:
        close(database, block, limits)


def extend(database: Database, child: int, end_ns: int) -> None:
    """Let the block of a child that grew reach as far as the child."""
    database.run(
        "UPDATE node SET end_ns = max(end_ns, ?) WHERE id = (SELECT parent FROM node WHERE id = ?)",
        (end_ns, child),
    )


def close(database: Database, block: int, limits: BlockLimits) -> None:
    """Close a block: it gets its digest and vectors, and joins the level above."""
    database.run("UPDATE node SET closed = 1 WHERE id = ?", (block,))
    derived.derive(database, block)
    row = database.row(
        "SELECT level, stream, epoch, start_ns, end_ns FROM node WHERE id = ?", (block,)
    )
    assert row is not None
    level, stream, epoch, start_ns, end_ns = row
    above = block_for(database, level, stream, epoch, start_ns, limits)
    if above is not None:
        database.run("UPDATE node SET parent = ? WHERE id = ?", (above, block))
        count_in(database, above, end_ns, limits)


def _is_over(
    database: Database,
    block_epoch: int,
    block_start_ns: int,
    block_end_ns: int,
    epoch: int,
    start_ns: int,
    limits: BlockLimits,
) -> bool:
    if start_ns - block_end_ns > limits.gap_ns:
        return True
    return database.clock.day(block_epoch, block_start_ns) != database.clock.day(epoch, start_ns)
