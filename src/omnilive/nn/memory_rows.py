"""Rows that the memory's decoder reads, and which of their positions are read out again.

A role says what lies at a position. Roles select; they change nothing in the decoder. Their
numbers are those of the release ("indicators"), so that both can be compared.

Shapes: B rows, T positions, C width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from omnilive.nn.pool_projector import FrameFeatures


class Role(IntEnum):
    """What lies at a position of a row."""

    TEXT = 0  # and padding, and long-term memory in front of a question
    STILL = 1  # patches of a single picture; in question rows the last word
    FRAME = 2  # patches of a clip's frames
    SLOT = 100  # short-term memory is read here
    GLOBAL = 200  # global memory is read here


QUESTION_END = Role.STILL
"""In question rows, the position where the question's vector is read."""


@dataclass(frozen=True, slots=True)
class ClipInput:
    """One clip to be compressed.

    Attributes:
        text_ids: tokens of the clip's text, without a marker for the pictures.
        features: what its frames give.
        is_still: whether it is a single picture rather than a stretch of a stream.
    """

    text_ids: tuple[int, ...]
    features: FrameFeatures
    is_still: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Vectors (T, C) and their roles (T,)."""

    vectors: Tensor
    roles: Tensor

    def __len__(self) -> int:
        return self.vectors.shape[0]


@dataclass(frozen=True, slots=True)
class Stack:
    """Rows in one batch, padded on the right with zeros.

    Attributes:
        vectors: (B, T, C).
        roles: (B, T).
        lengths: of each row without its padding.
    """

    vectors: Tensor
    roles: Tensor
    lengths: tuple[int, ...]

    @property
    def mask(self) -> Tensor:
        """(B, T), True where there is no padding."""
        ends = torch.tensor(self.lengths, device=self.roles.device)
        return torch.arange(self.roles.shape[1], device=self.roles.device) < ends[:, None]


def clip_row(text: Tensor, features: FrameFeatures, whole_clip: Tensor, is_still: bool) -> Row:
    """Return text, patches of all frames, slots of all frames, one vector of the whole clip."""
    parts = [
        (text, Role.TEXT),
        (features.patches.flatten(0, 1), Role.STILL if is_still else Role.FRAME),
        (features.slots.flatten(0, 1), Role.SLOT),
        (whole_clip, Role.GLOBAL),
    ]
    return _row(parts)


def question_row(long_term: Tensor, words: Tensor) -> Row:
    """Return long-term memory and the embedded question behind it."""
    return _row([(long_term, Role.TEXT), (words[:-1], Role.TEXT), (words[-1:], QUESTION_END)])


def stacked(rows: Sequence[Row]) -> Stack:
    """Return the rows as one batch."""
    longest = max(len(row) for row in rows)
    first = rows[0]
    vectors = first.vectors.new_zeros(len(rows), longest, first.vectors.shape[1])
    roles = first.roles.new_zeros(len(rows), longest)
    for number, row in enumerate(rows):
        vectors[number, : len(row)] = row.vectors
        roles[number, : len(row)] = row.roles
    return Stack(vectors, roles, tuple(len(row) for row in rows))


def batches(lengths: Sequence[int], most_positions: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that go together: like lengths, at most so many positions.

    A row longer than that goes alone.
    """
    together: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda each: lengths[each]):
        if together and (len(together) + 1) * lengths[number] > most_positions:
            yield together
            together = []
        together.append(number)
    if together:
        yield together


def _row(parts: Sequence[tuple[Tensor, Role]]) -> Row:
    vectors = torch.cat([part for part, _ in parts])
    roles = [int(role) for part, role in parts for _ in range(part.shape[0])]
    return Row(vectors, torch.tensor(roles, device=vectors.device))
