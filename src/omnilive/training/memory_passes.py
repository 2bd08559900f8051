"""Passes of the memory's decoder that only training makes.

Words are written behind memory alone: rows of H, H-hat or H-bar first, then a line end, then the
words. The release's code shows a mask that lets words look at the memory's positions only, inside
one pass; here memory goes in again as vectors, as everything that reads it later gets it, so what
is not in the final vectors cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_rows import ClipInput, Row, stacked
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.training.clip_pool import ClipPool
from omnilive.training.streams import text_of

_NOTHING = -100  # where nothing is told


@dataclass(frozen=True, slots=True)
class Told:
    """Words to be written behind memory: rows (n, C), then the text."""

    memory: Tensor
    text: str


def clip_inputs(
    network: MemoryNetwork,
    tokenizer: Qwen2Tokenizer,
    pool: ClipPool,
    numbers: Sequence[int],
    scenes: Sequence[DailyScene],
) -> list[ClipInput]:
    """Return the pool's clips as the decoder reads them; the projector has a graph."""
    frames = [pool.clip(number) for number in numbers]
    device = network.model.device
    features = network.model.mm_projector(torch.cat(frames).to(device))
    inputs, at = [], 0
    for scene, own in zip(scenes, frames, strict=True):
        ids = tuple(tokenizer.encode(text_of(scene)))
        inputs.append(ClipInput(ids, features.frames(at, at + len(own))))
        at += len(own)
    return inputs


def encode(
    network: MemoryNetwork,
    tokenizer: Qwen2Tokenizer,
    pool: ClipPool,
    numbers: Sequence[int],
    scenes: Sequence[DailyScene],
) -> list[EncodedClip]:
    """Return H and H-hat of the pool's clips; gradients flow where they are enabled."""
    inputs = clip_inputs(network, tokenizer, pool, numbers, scenes)
    return network.read_clips(stacked(network.clip_rows(inputs)))


def num_positions(clips: Sequence[EncodedClip], num_merged: int, num_slots: int) -> int:
    """Return about how many positions the decoder has read to encode clips (without their text)."""
    rows = sum(len(clip.short_term) for clip in clips)
    return rows + rows // num_slots * num_merged + len(clips)


def telling_loss(
    network: MemoryNetwork, tokenizer: Qwen2Tokenizer, told_rows: Sequence[Told]
) -> tuple[Tensor, float]:
    """Return the mean cross-entropy of words behind memory, and the share of right tokens."""
    embed = network.model.embed_tokens
    line_end = tokenizer.encode("\n")
    rows: list[Row] = []
    for one in told_rows:
        ids = tokenizer.encode(one.text)
        read = torch.tensor([*line_end, *ids[:-1]], device=network.model.device)
        vectors = torch.cat([one.memory, embed(read)])
        # What is told stands where roles stand: both go through `stacked` with their rows.
        told_ids = torch.full((len(vectors),), _NOTHING, dtype=torch.long)
        told_ids[len(one.memory) + len(line_end) - 1 :] = torch.tensor(ids)
        rows.append(Row(vectors, told_ids.to(vectors.device)))
    stack = stacked(rows)
    # Padding is 0, which is a token: what lies behind a row is no target.
    targets = torch.where(stack.mask, stack.roles, torch.full_like(stack.roles, _NOTHING))
    states = network.model(stack.vectors)
    at = targets != _NOTHING
    scores = network.model.logits(states[at])
    wanted = targets[at]
    right = float((scores.argmax(dim=-1) == wanted).float().mean())
    return functional.cross_entropy(scores, wanted), right
