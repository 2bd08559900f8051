"""Memory tokens in the store: H and H-hat of clips, H-bar of closed blocks.

They lie as numbers of 16 bits, little-endian, row by row. H goes by the budget before H-hat does; a
block keeps only H-bar, whose last row is what stands for the whole block (`docs/networks.md`). A
row's id is never used again, so whoever computed something from it can tell whether it still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import BackendError
from omnilive.events import ClipTokens, Tokens
from omnilive.memory.database import Database
from omnilive.memory.vector_cache import VectorSource
from omnilive.memory.vectors import unit_rows

NUMBER_BYTES = 2


class Child(NamedTuple):
    """What is integrated as one clip: a clip, or a closed block a level higher."""

    row: int
    node: int
    start_ns: int


class ChildTokens(NamedTuple):
    """H (rows, width) and H-hat (width,) of a clip; of a block H-bar and its last row."""

    short_term: Tokens
    global_memory: NDArray[np.float16]


def check(tokens: ClipTokens) -> None:
    """See that tokens can be kept.

    Raises:
        BackendError: the shapes do not fit, or numbers do not fit into 16 bits.
    """
    rows, width = tokens.short_term.shape if tokens.short_term.ndim == 2 else (0, 0)
    fits = rows and width and tokens.global_memory.shape == (width,)
    finite = np.isfinite(tokens.short_term).all() and (np.abs(tokens.global_memory) < 65_504).all()
    if not fits or not finite or not tokens.global_memory.any():
        raise BackendError(
            "The compressor made memory tokens that cannot be kept; "
            "check the weights, or set another memory.compressor.place.dtype."
        )


def insert_clip(database: Database, node: int, model: int, tokens: ClipTokens) -> None:
    """Keep H and H-hat of a clip, in the caller's transaction."""
    insert_rows(
        database,
        node,
        model,
        tokens.short_term,
        num_frames=tokens.num_frames,
        origin=(tokens.origin, tokens.origin_ns),
    )
    data = tokens.global_memory.astype("<f2").tobytes()
    database.run(
        "INSERT INTO global_memory(node, model, end_ns, data, bytes) VALUES(?, ?, ?, ?, ?)",
        (node, model, tokens.end_ns, data, len(data)),
    )


def insert_rows(
    database: Database,
    node: int,
    model: int,
    rows: Tokens,
    *,
    num_frames: int = 0,
    origin: tuple[str, int] = ("", 0),
    inputs: Sequence[int] = (),
) -> int:
    """Keep H of a clip or H-bar of a block, in the caller's transaction; returns the row's id."""
    data = rows.astype("<f2").tobytes()
    made_of = np.array(inputs, dtype="<i8").tobytes()
    return database.insert(
        "INSERT INTO clip_token(node, model, num_frames, origin, origin_ns, inputs, data, bytes) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        (node, model, num_frames, *origin, made_of, data, len(data) + len(made_of)),
    )


def delete(database: Database, nodes: Iterable[int]) -> None:
    """Take the tokens of clips or blocks."""
    for node in nodes:
        database.run("DELETE FROM clip_token WHERE node = ?", (node,))
        database.run("DELETE FROM global_memory WHERE node = ?", (node,))


def model_of(database: Database, name: str) -> int | None:
    """Return the number of a model; None if nothing was ever kept of it."""
    found = database.value("SELECT id FROM model WHERE name = ?", (name,))
    return None if found is None else int(found)


def children(
    database: Database, parent: int, model: int, level: int, before_ns: int
) -> list[Child]:
    """Return the children of a block that have tokens, in order of time."""
    return [
        Child(*row)
        for row in database.rows(
            "SELECT t.id, n.id, n.start_ns FROM node n JOIN clip_token t ON t.node = n.id "
            "WHERE n.parent = ? AND n.level = ? AND n.start_ns < ? AND t.model = ? "
            "ORDER BY n.start_ns, n.id",
            (parent, level, before_ns, model),
        )
    ]


def read(database: Database, child: Child, level: int, width: int) -> ChildTokens | None:
    """Return the tokens of a child; None if they went meanwhile."""
    data = database.value("SELECT data FROM clip_token WHERE id = ?", (child.row,))
    if data is None:
        return None
    rows = np.frombuffer(data, dtype="<f2").reshape(-1, width)
    if level:
        return ChildTokens(rows, rows[-1])
    found = database.value("SELECT data FROM global_memory WHERE node = ?", (child.node,))
    return None if found is None else ChildTokens(rows, np.frombuffer(found, dtype="<f2"))


def unpack(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """Return H-hats as unit rows (count, dimension)."""
    packed = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), dimension)
    return unit_rows(packed.astype(np.float32))


GLOBALS = VectorSource("global_memory", "node", "v.end_ns", unpack)
"""H-hat of clips, to be searched like text vectors."""
