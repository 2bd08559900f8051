"""Keys and values of an append-only row, as a value that can be kept while the row grows on.

A `Prefix` never changes: a snapshot of a memory is the `Prefix` it had. Appending is still in
place, because all prefixes of one row share buffers and each looks only at its own length; going
on from a prefix that is no longer the newest copies first. One thread at a time appends to a row;
reading needs no care.

Shapes: G key/value heads, D width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_STEP = 256  # capacities are multiples of this many positions


@dataclass(slots=True)
class _Buffers:
    """Room for one row in every layer: (1, G, capacity, D) each; the first `used` are taken."""

    keys: list[Tensor]
    values: list[Tensor]
    used: int

    @property
    def capacity(self) -> int:
        return self.keys[0].shape[2] if self.keys else 0

    @property
    def num_bytes(self) -> int:
        return sum(each.nbytes for each in (*self.keys, *self.values))


class Prefix:
    """What a decoder knows of the first `length` positions of a row."""

    __slots__ = ("_buffers", "length")

    def __init__(self) -> None:
        self.length = 0
        self._buffers = _Buffers([], [], 0)

    @property
    def num_bytes(self) -> int:
        """Bytes held, with the room kept for what comes."""
        return self._buffers.num_bytes

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return keys and values of all layers as copies, each (layers, G, length, D)."""
        if not self.length:
            return torch.empty(0), torch.empty(0)
        held = (self._buffers.keys, self._buffers.values)
        keys, values = (torch.cat([t[:, :, : self.length] for t in each]) for each in held)
        return keys, values

    @classmethod
    def of_tensors(cls, keys: Tensor, values: Tensor) -> Prefix:
        """Return the prefix whose `tensors` these are."""
        prefix = cls()
        if keys.numel():
            prefix.length = keys.shape[2]
            prefix._buffers = _Buffers(
                [each[None].clone() for each in keys],
                [each[None].clone() for each in values],
                prefix.length,
            )
        return prefix


class Growing:
    """One forward pass whose rows become part of the row: the decoder's `Cache`."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix
        self._buffers = prefix._buffers
        self._num_new = 0

    @property
    def length(self) -> int:
        """Positions before the new rows."""
        return self._prefix.length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new rows (1, G, T, D) behind the prefix; return all up to their end."""
        start, end = self.length, self.length + keys.shape[2]
        if layer == 0:
            self._num_new = keys.shape[2]
            self._make_room(keys, end)
        if layer == len(self._buffers.keys):
            self._buffers.keys.append(self._room_like(keys, end))
            self._buffers.values.append(self._room_like(values, end))
        held = self._buffers.keys[layer], self._buffers.values[layer]
        for buffer, new in zip(held, (keys, values), strict=True):
            buffer[:, :, start:end] = new
        return held[0][:, :, :end], held[1][:, :, :end]

    def grown(self) -> Prefix:
        """Return the prefix with the new rows, after the pass."""
        prefix = Prefix()
        prefix.length = self.length + self._num_new
        prefix._buffers = self._buffers
        self._buffers.used = prefix.length
        return prefix

    def _make_room(self, like: Tensor, end: int) -> None:
        mine, start = self._buffers, self.length
        if mine.used == start and (end <= mine.capacity or not mine.keys):
            return
        # Somebody went on from here before, or there is no room: leave those buffers to them.
        grown = _Buffers([], [], start)
        for held, copies in ((mine.keys, grown.keys), (mine.values, grown.values)):
            for buffer in held:
                room = self._room_like(like, end)
                room[:, :, :start] = buffer[:, :, :start]
                copies.append(room)
        self._buffers = grown

    @staticmethod
    def _room_like(like: Tensor, end: int) -> Tensor:
        # An eighth more than needed: a growing row is copied a few times, not at every clip.
        rows = -(-(end + end // 8) // _STEP) * _STEP
        return like.new_empty(like.shape[0], like.shape[1], rows, like.shape[3])


class Reading:
    """One forward pass behind a prefix that leaves no trace: the decoder's `Cache`."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    @property
    def length(self) -> int:
        """Positions before the new rows."""
        return self._prefix.length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return all keys and values up to the end of the new rows (1, G, T, D)."""
        if not self.length:
            return keys, values
        held, end = self._prefix._buffers, self.length
        return (
            torch.cat([held.keys[layer][:, :, :end], keys], dim=2),
            torch.cat([held.values[layer][:, :, :end], values], dim=2),
        )
