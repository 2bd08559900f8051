"""Integration of a growing stream: long-term memory that costs the same at every clip.

Integration reads [H of all clips; H-hat of all clips] and takes H-bar at the last positions
(section 3.2). Under causal attention the H part is a prefix that only ever grows at its end, so
its keys and values are kept (`OpenBlock`): a new clip costs its own rows of H. H-bar costs one row
per H-hat behind that prefix, gives the numbers of a full pass, and is computed when it is asked
for: by a question, or when a block closes.

- `ExactState` is one such block over all clips, up to the decoder's window.
- `BlockState` goes on for ever. A block of 32 that is full closes when the next clip comes, and
  acts one level above as one clip: H is its H-bar (32 rows), H-hat its last H-bar vector, the one
  that has seen the whole block. Levels above close as soon as they are full. Up to 32 clips this
  is `exact`. What a question and a prompt receive is the frontier: H-bar of the open block of each
  level, the coarsest first; at most 31 rows a level above the clips.

States are values: what a question sees stays as it was while the stream goes on.

Shapes: K children of a block, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from omnilive.errors import BackendError
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.prefix_cache import Growing, Prefix, Reading

FAN_OUT = 32
"""Children of a full block (`docs/architecture.md`, levels)."""


class IntegrationState(Protocol):
    """What is kept of a stream between clips."""

    @property
    def num_clips(self) -> int:
        """Clips integrated so far."""
        ...

    @property
    def num_bytes(self) -> int:
        """Bytes held."""
        ...

    def long_term(self, network: MemoryNetwork) -> Tensor:
        """Return what question pass and prompt receive: H-bar, or the frontier instead of it."""
        ...

    def with_clip(self, network: MemoryNetwork, clip: EncodedClip) -> IntegrationState:
        """Return the state after one more clip."""
        ...

    def with_clips(self, network: MemoryNetwork, clips: Sequence[EncodedClip]) -> IntegrationState:
        """Return the state after more clips."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OpenBlock:
    """Clips that are integrated together, and how far that has come.

    Attributes:
        prefix: keys and values of all H so far.
        globals: H-hat of the children, (K, C).
    """

    prefix: Prefix = field(default_factory=Prefix)
    globals: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    _integrated: list[Tensor] = field(default_factory=list, repr=False)  # H-bar, once asked for

    def __len__(self) -> int:
        return self.globals.shape[0]

    @property
    def num_bytes(self) -> int:
        """Bytes held."""
        held = sum(each.nbytes for each in self._integrated)
        return self.prefix.num_bytes + self.globals.nbytes + held

    @torch.no_grad()
    def long_term(self, network: MemoryNetwork) -> Tensor:
        """Return H-bar, (K, C); computed the first time, and kept."""
        if not len(self):
            return torch.empty(
                0,
                network.config.decoder.width,
                dtype=network.model.dtype,
                device=network.model.device,
            )
        if not self._integrated:
            states = network.model(self.globals[None], Reading(self.prefix))
            self._integrated.append(states[0])
        return self._integrated[0]

    def as_clip(self, network: MemoryNetwork) -> EncodedClip:
        """Return what stands for this block one level above: H-bar, and its last vector."""
        long_term = self.long_term(network)
        return EncodedClip(long_term, long_term[-1])

    @torch.no_grad()
    def grown(self, network: MemoryNetwork, clips: Sequence[EncodedClip]) -> OpenBlock:
        """Return the block with more children.

        Raises:
            BackendError: the block would not fit the decoder's window.
        """
        if not clips:
            return self
        short_term = torch.cat([clip.short_term for clip in clips])
        new = torch.stack([clip.global_memory for clip in clips])
        held = torch.cat([self.globals, new]) if len(self) else new
        length = self.prefix.length + len(short_term) + len(held)
        if length > network.config.window:
            raise BackendError(
                f"{len(held)} clips take {length} positions, and the memory's window has "
                f"{network.config.window}; integrate in blocks, which has no end."
            )
        growing = Growing(self.prefix)
        network.model(short_term[None], growing)
        return OpenBlock(growing.grown(), held)


@dataclass(frozen=True, slots=True)
class ExactState:
    """All clips in one block; equals the release's full pass, and ends at the decoder's window."""

    block: OpenBlock = field(default_factory=OpenBlock)

    @property
    def num_clips(self) -> int:
        """Clips integrated so far."""
        return len(self.block)

    @property
    def num_bytes(self) -> int:
        """Bytes held; grow by the keys and values of each clip's H."""
        return self.block.num_bytes

    def long_term(self, network: MemoryNetwork) -> Tensor:
        """Return H-bar, (K, C)."""
        return self.block.long_term(network)

    def with_clip(self, network: MemoryNetwork, clip: EncodedClip) -> ExactState:
        """Return the state after one more clip.

        Raises:
            BackendError: the clips would not fit the decoder's window.
        """
        return self.with_clips(network, [clip])

    def with_clips(self, network: MemoryNetwork, clips: Sequence[EncodedClip]) -> ExactState:
        """Return the state after more clips, by one pass; see `with_clip`."""
        return ExactState(self.block.grown(network, clips))


@dataclass(frozen=True, slots=True)
class BlockState:
    """Clips in blocks, blocks in blocks; the cost of a clip and the bytes held have a bound.

    Attributes:
        levels: the open block of each level, clips first.
        num_clips: clips integrated so far.
        fan_out: children of a full block.
    """

    levels: tuple[OpenBlock, ...] = field(default_factory=lambda: (OpenBlock(),))
    num_clips: int = 0
    fan_out: int = FAN_OUT

    def __post_init__(self) -> None:
        assert self.fan_out >= 2

    @property
    def num_at_level(self) -> tuple[int, ...]:
        """Rows of the frontier that each level gives, clips first."""
        return tuple(len(block) for block in self.levels)

    @property
    def num_bytes(self) -> int:
        """Bytes held: a few blocks, whatever the age of the stream."""
        return sum(block.num_bytes for block in self.levels)

    def long_term(self, network: MemoryNetwork) -> Tensor:
        """Return the frontier: H-bar of each level's open block, the coarsest first."""
        return torch.cat([block.long_term(network) for block in reversed(self.levels)])

    def with_clip(self, network: MemoryNetwork, clip: EncodedClip) -> BlockState:
        """Return the state after one more clip.

        Raises:
            BackendError: a block does not fit the decoder's window, which is then very small.
        """
        return self.with_clips(network, [clip])

    def with_clips(self, network: MemoryNetwork, clips: Sequence[EncodedClip]) -> BlockState:
        """Return the state after more clips, by one pass a block; see `with_clip`."""
        levels, at = list(self.levels), 0
        while at < len(clips):
            if len(levels[0]) == self.fan_out:
                _close(network, levels, 0, self.fan_out)
            room = self.fan_out - len(levels[0])
            levels[0] = levels[0].grown(network, clips[at : at + room])
            at += room
        return BlockState(tuple(levels), self.num_clips + len(clips), self.fan_out)

    def closed(self, network: MemoryNetwork) -> BlockState:
        """Return the state with the open block of clips closed early: at a gap, at midnight."""
        if not len(self.levels[0]):
            return self
        levels = list(self.levels)
        _close(network, levels, 0, self.fan_out)
        return BlockState(tuple(levels), self.num_clips, self.fan_out)


def _close(network: MemoryNetwork, levels: list[OpenBlock], level: int, fan_out: int) -> None:
    """Make the block of `level` one child of the level above, and that one's too if it is full."""
    child = levels[level].as_clip(network)
    levels[level] = OpenBlock()
    if level + 1 == len(levels):
        levels.append(OpenBlock())
    levels[level + 1] = levels[level + 1].grown(network, [child])
    if len(levels[level + 1]) == fan_out:
        _close(network, levels, level + 1, fan_out)
