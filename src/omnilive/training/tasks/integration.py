"""Integration: what happened in a stream is told from its long-term memory H-bar alone.

The release trains integration only through retrieval. Here H-bar has work of its own: behind the K
vectors of a block the decoder tells, clip after clip, where it was and what was there. The same at
the level above, where closed blocks stand for clips (H-bar as H, its last vector as H-hat): behind
one vector a block it tells how each block began and ended. So the levels above are trained by
the operation that uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor, nn

from omnilive.media.synthetic.daily.captions import short_caption
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.nn.memory_network import EncodedClip
from omnilive.nn.memory_rows import Row, stacked
from omnilive.training.clip_pool import ClipPool
from omnilive.training.memory_passes import Told, encode, num_positions, telling_loss
from omnilive.training.networks import Networks
from omnilive.training.scale import FULL, Scale
from omnilive.training.streams import Stream, StreamSource
from omnilive.training.task import TOKENS, Losses
from omnilive.training.tasks.clip_compression import memory_parameters

_BLOCKS = (3, 8)  # clips of a block in training, at least and at most


@dataclass(frozen=True, slots=True)
class IntegrationDraw:
    """Streams, and how many clips make a block in each; 0 for one block of all clips."""

    streams: tuple[Stream, ...]
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class IntegrationSource:
    """Draws batches of streams; half of them are cut into blocks."""

    streams: StreamSource
    batch_size: int

    def draw(self, seed: int, step: int) -> IntegrationDraw:
        """Return one batch."""
        rng = Random(f"integration {seed} {step}")
        return IntegrationDraw(
            tuple(self.streams.stream(rng) for _ in range(self.batch_size)),
            tuple(rng.choice((0, rng.randint(*_BLOCKS))) for _ in range(self.batch_size)),
        )


class Integration:
    """Trains the decoder's integration pass; clips are constants, as in the release."""

    name = "integration"

    def __init__(
        self,
        networks: Networks,
        pools: Mapping[Split, ClipPool],
        batch_size: int,
        *,
        scale: Scale = FULL,
    ) -> None:
        self._networks, self._pools = networks, pools
        self._batches = scale.validated_batches
        streams = StreamSource("train", len(pools["train"]), 4, scale.longest, num_questions=0)
        self.source = IntegrationSource(streams, batch_size)
        held_out = replace(streams, split="validation", num_clips=len(pools["validation"]))
        self._validation = IntegrationSource(held_out, scale.validated_streams)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the memory but its tower."""
        return memory_parameters(self._networks)

    def loss(self, batch: IntegrationDraw) -> Losses:
        """Return the loss of what is told."""
        return self._tell(batch, self._pools["train"])

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return loss and share of right tokens, by level, on combinations never seen."""
        rows = [
            self._tell(self._validation.draw(0, step), self._pools["validation"]).parts
            for step in range(self._batches)
        ]
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _tell(self, batch: IntegrationDraw, pool: ClipPool) -> Losses:
        network, tokenizer = self._networks.memory, self._networks.tokenizers.memory
        numbers = [number for stream in batch.streams for number in stream.numbers]
        scenes = [scene for stream in batch.streams for scene in stream.scenes]
        with torch.no_grad():
            encoded = encode(network, tokenizer, pool, numbers, scenes)
        told: dict[int, list[Told]] = {0: [], 1: []}
        wholes: list[tuple[int, list[EncodedClip], list[str]]] = []
        at = 0
        for stream, size in zip(batch.streams, batch.blocks, strict=True):
            clips = encoded[at : at + len(stream.numbers)]
            at += len(stream.numbers)
            if not size:
                wholes.append((0, clips, [short_caption(scene) for scene in stream.scenes]))
                continue
            parts = range(0, len(clips), size)
            with torch.no_grad():
                blocks = network.integrate([clips[start : start + size] for start in parts])
            children = [EncodedClip(block, block[-1]) for block in blocks]
            wholes.append((1, children, [_ends(stream.scenes[p : p + size]) for p in parts]))
        for (level, _, texts), long_term in zip(
            wholes, self._integrated([clips for _, clips, _ in wholes]), strict=True
        ):
            told[level].append(Told(long_term, "; ".join(texts)))
        total = torch.zeros((), device=network.model.device)
        told_right: dict[str, float] = {}
        for level, rows in told.items():
            if rows:
                loss, right = telling_loss(network, tokenizer, rows)
                total = total + loss * len(rows) / len(batch.streams)
                told_right[f"right_level{level}"] = right
        figures = {
            "loss": float(total.detach()),
            "right_level0": 0.0,
            "right_level1": 0.0,
            **told_right,
        }
        config = network.config
        figures[TOKENS] = num_positions(encoded, config.num_merged, config.num_slots)
        return Losses(total, figures)

    def _integrated(self, streams: Sequence[Sequence[EncodedClip]]) -> list[Tensor]:
        """Return H-bar of each stream, with a graph (`MemoryNetwork.integrate` has none)."""
        rows = []
        for clips in streams:
            vectors = torch.cat(
                [one.short_term for one in clips] + [one.global_memory[None] for one in clips]
            )
            roles = torch.zeros(len(vectors), dtype=torch.long, device=vectors.device)
            rows.append(Row(vectors, roles))
        stack = stacked(rows)
        states = self._networks.memory.model(stack.vectors)
        return [
            own[length - len(clips) : length]
            for own, length, clips in zip(states, stack.lengths, streams, strict=True)
        ]


def _ends(scenes: Sequence[DailyScene]) -> str:
    return f"{short_caption(scenes[0])} to {short_caption(scenes[-1])}"
