"""Checks of memory tokens: whole rows of their model, of clips and blocks as they are now."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omnilive.memory.clip_tokens import NUMBER_BYTES
from omnilive.memory.verify_support import Checking, Cure, Finding, pages


def check_tokens(checking: Checking) -> Iterator[Finding]:
    """H and H-hat have the width of their model; H-bar was made of what is under its block."""
    dimensions = dict(checking.database.rows("SELECT id, dimension FROM model"))
    data = "NULL" if checking.quick else "t.data"
    for rows in pages(
        checking.database,
        "SELECT t.id, t.node, t.model, length(t.data), t.bytes, t.inputs, n.level, n.closed, "
        f"n.inputs, g.id, {data} FROM clip_token t JOIN node n ON n.id = t.node "
        "LEFT JOIN global_memory g ON g.node = t.node AND g.model = t.model",
        "t.id",
    ):
        for (
            row,
            node,
            model,
            length,
            num_bytes,
            made_of,
            level,
            closed,
            under,
            beside,
            held,
        ) in rows:
            width = NUMBER_BYTES * dimensions.get(model, 0)
            if not width or not length or length % width or not _is_number(held):
                what = f"The memory tokens of row {node} are no rows of their model."
                yield Finding("tokens", what, Cure.DROP, "clip_token", row)
            elif level < 0 or (level == 0 and (made_of or beside is None)):
                what = f"The memory tokens of row {node} are not those of a clip or a block."
                yield Finding("tokens", what, Cure.DROP, "clip_token", row)
            elif level > 0 and not (closed and _is_part(made_of, under)):
                what = f"The memory tokens of block row {node} tell of what is not under it."
                yield Finding("tokens", what, Cure.DROP, "clip_token", row)
            elif num_bytes != length + len(made_of):
                what = f"Row {row} of clip_token tells a wrong size."
                yield Finding("size", what, Cure.COUNT, "clip_token", row)
    for rows in pages(
        checking.database,
        "SELECT g.id, g.node, g.model, g.bytes, g.data, n.level FROM global_memory g "
        "JOIN node n ON n.id = g.node",
        "g.id",
    ):
        for row, node, model, num_bytes, held, level in rows:
            is_whole = len(held) == NUMBER_BYTES * dimensions.get(model, 0) and any(held)
            if not is_whole or level != 0 or not _is_number(held):
                what = f"The global memory of clip row {node} is no vector of its model."
                yield Finding("tokens", what, Cure.DROP, "global_memory", row)
            elif num_bytes != len(held):
                what = f"Row {row} of global_memory tells a wrong size."
                yield Finding("size", what, Cure.COUNT, "global_memory", row)


def _is_number(held: bytes | None) -> bool:
    if held is None:
        return True  # not looked at
    return len(held) % NUMBER_BYTES == 0 and bool(np.isfinite(np.frombuffer(held, "<f2")).all())


def _is_part(made_of: bytes, under: bytes | None) -> bool:
    """Whether all that went into H-bar went into the digest as well."""
    if not made_of or len(made_of) % 8 or not under or len(under) % 8:
        return False
    ids = [set(np.frombuffer(each, dtype="<i8").tolist()) for each in (made_of, under)]
    return ids[0] <= ids[1]
