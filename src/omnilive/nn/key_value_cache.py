"""Keys and values of what a decoder has read, so that nothing is read twice.

One growing buffer per layer, (batch, key/value heads, capacity, head width); `length` rows of it
are valid. Cutting the tail off (a turn's pictures and memory, after the turn) also gives its room
back.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEP = 256  # capacities are multiples of this many rows


class KeyValueCache:
    """The cache of one text, or of several texts of equal length.

    Attributes:
        length: rows that are valid in every layer.
        meant_length: length the whole text is meant to have; fixes its rotary base.
    """

    def __init__(self, *, layers: int, meant_length: int) -> None:
        self.length = 0
        self.meant_length = meant_length
        self._keys: list[Tensor | None] = [None] * layers
        self._values: list[Tensor | None] = [None] * layers

    @property
    def num_bytes(self) -> int:
        """Bytes held, valid or not."""
        held = [t for t in (*self._keys, *self._values) if t is not None]
        return sum(t.numel() * t.element_size() for t in held)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write behind the valid rows; return all keys and values up to the end of the new ones.

        Args:
            layer: index of the layer.
            keys: (batch, key/value heads, new rows, head width), already rotated.
            values: of the same shape.
        """
        end = self.length + keys.shape[2]
        all_keys = _with_room(self._keys[layer], keys, self.length, end)
        all_values = _with_room(self._values[layer], values, self.length, end)
        all_keys[:, :, self.length : end] = keys
        all_values[:, :, self.length : end] = values
        self._keys[layer], self._values[layer] = all_keys, all_values
        return all_keys[:, :, :end], all_values[:, :, :end]

    def advance(self, rows: int) -> None:
        """Declare the rows that every layer appended valid."""
        self.length += rows

    def cut(self, length: int) -> None:
        """Keep the first `length` rows and give back the memory behind them."""
        if not 0 <= length <= self.length:
            raise ValueError(f"A cache of {self.length} rows cannot be cut to {length}.")
        self.length = length
        capacity = _rounded(length)
        for held in (self._keys, self._values):
            for layer, buffer in enumerate(held):
                if buffer is None or length == 0:
                    held[layer] = None
                elif buffer.shape[2] > capacity:
                    held[layer] = buffer[:, :, :capacity].clone()

    def take(self, rows: Tensor) -> None:
        """Keep the texts with the indices `rows`, in that order (a text may be taken twice)."""
        for held in (self._keys, self._values):
            for layer, buffer in enumerate(held):
                if buffer is not None:
                    held[layer] = buffer.index_select(0, rows)


def _rounded(rows: int) -> int:
    return -(-rows // _STEP) * _STEP


def _with_room(buffer: Tensor | None, like: Tensor, valid: int, end: int) -> Tensor:
    if buffer is not None and buffer.shape[2] >= end:
        return buffer
    batch, heads, _, width = like.shape
    # An eighth more than needed: a long generation copies its cache a few times, not every 256
    # tokens.
    grown = torch.empty(
        batch, heads, _rounded(end + end // 8), width, dtype=like.dtype, device=like.device
    )
    if buffer is not None:
        grown[:, :, :valid] = buffer[:, :, :valid]
    return grown
