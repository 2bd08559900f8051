"""Several texts that begin alike, read in one pass: the beginning once, each ending behind it.

    rows       prefix prefix prefix | a a | b b b      positions  0 1 2 | 3 4 | 3 4 5
    allowed    an ending sees the prefix and itself, causally; never another ending

so every row gets what it would get if its text were read alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Packing(NamedTuple):
    """What a decoder is told of packed rows.

    Attributes:
        positions: (1, length) integers.
        allowed: (1, 1, length, length) bool.
    """

    positions: Tensor
    allowed: Tensor


def packed(prefix: int, endings: Sequence[int], *, device: torch.device | str = "cpu") -> Packing:
    """Return positions and mask of a prefix and the endings behind it.

    Args:
        prefix: rows that all texts share; 0 packs texts that share nothing.
        endings: rows of each ending, in their order.
        device: where the decoder works.
    """
    parts = [torch.arange(prefix, device=device)]
    texts = [torch.full((prefix,), -1, device=device)]
    for number, rows in enumerate(endings):
        parts.append(torch.arange(prefix, prefix + rows, device=device))
        texts.append(torch.full((rows,), number, device=device))
    positions, text = torch.cat(parts), torch.cat(texts)
    related = (text[:, None] == text[None, :]) | (text[None, :] == -1)
    allowed = related & (positions[:, None] >= positions[None, :])
    return Packing(positions[None], allowed[None, None])
