"""Clip compression by prefix captioning: what a clip shows is told from its memory alone.

Paper, section 3.2, after VideoStreaming (arXiv 2405.16009): a caption is written behind the
short-term memory H of a clip, and nothing of the frames can be looked at. A third of the captions
are written behind the one vector of the global memory H-hat, so that it too holds what a question
can find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.captions import caption
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.training.clip_pool import ClipPool, moved, pool_scene
from omnilive.training.memory_passes import Told, encode, num_positions, telling_loss
from omnilive.training.networks import Networks
from omnilive.training.scale import FULL, Scale
from omnilive.training.slot_heads import windows_of
from omnilive.training.streams import LATEST_S
from omnilive.training.task import TOKENS, Losses

_GLOBAL_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class ClipDraw:
    """Clips of the pool, where in a stream they start (s), and which memory is told from."""

    numbers: list[int]
    starts_s: list[int]
    from_global: list[bool]


@dataclass(frozen=True, slots=True)
class ClipSource:
    """Draws clips of a pool of `num_clips`."""

    num_clips: int
    batch_size: int

    def draw(self, seed: int, step: int) -> ClipDraw:
        """Return one batch."""
        rng = Random(f"clips {seed} {step}")
        return ClipDraw(
            [rng.randrange(self.num_clips) for _ in range(self.batch_size)],
            [rng.randrange(LATEST_S) for _ in range(self.batch_size)],
            [rng.random() < _GLOBAL_SHARE for _ in range(self.batch_size)],
        )


class ClipCompression:
    """Trains projector and decoder of the memory; the tower stays as it is."""

    name = "clip_compression"

    def __init__(
        self,
        networks: Networks,
        pools: Mapping[Split, ClipPool],
        batch_size: int,
        *,
        scale: Scale = FULL,
    ) -> None:
        self._networks, self._pools = networks, pools
        self._side = round(networks.memory.config.num_slots**0.5)
        self._batches = scale.validated_batches
        self.source = ClipSource(len(pools["train"]), batch_size)
        self._validation = ClipSource(len(pools["validation"]), scale.validated_clips)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the memory but its tower, and the heads."""
        yield from memory_parameters(self._networks)
        yield from self._networks.parameters("heads.slots")

    def loss(self, batch: ClipDraw) -> Losses:
        """Return the loss of the captions and of what the heads tell."""
        return self._tell(batch, self._pools["train"])

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return loss and share of right tokens on combinations never seen."""
        rows = [
            self._tell(self._validation.draw(0, step), self._pools["validation"]).parts
            for step in range(self._batches)
        ]
        names = [name for name in rows[0] if all(name in row for row in rows)]
        return {name: sum(row[name] for row in rows) / len(rows) for name in names}

    def _tell(self, batch: ClipDraw, pool: ClipPool) -> Losses:
        network, tokenizer = self._networks.memory, self._networks.tokenizers.memory
        scenes = [
            moved(pool_scene(pool.split, number), start_s * NS_PER_S)
            for number, start_s in zip(batch.numbers, batch.starts_s, strict=True)
        ]
        encoded = encode(network, tokenizer, pool, batch.numbers, scenes)
        texts = [
            caption(scene, start_s=start_s)
            for scene, start_s in zip(scenes, batch.starts_s, strict=True)
        ]
        labelled, heads = self._networks.slot_heads.loss(
            [clip.short_term for clip in encoded],
            torch.stack([clip.global_memory for clip in encoded]),
            [windows_of(pool.labels_of(number), self._side) for number in batch.numbers],
            scenes,
            batch.starts_s,
        )
        told = [Told(clip.short_term, text) for clip, text in zip(encoded, texts, strict=True)]
        few = [
            Told(clip.global_memory[None], text)
            for clip, text, is_global in zip(encoded, texts, batch.from_global, strict=True)
            if is_global
        ]
        loss, right = telling_loss(network, tokenizer, told)
        parts = {"caption": float(loss.detach()), "right": right, **heads}
        parts[TOKENS] = num_positions(encoded, network.config.num_merged, network.config.num_slots)
        total = loss + 0.5 * labelled
        if few:
            loss_global, right_global = telling_loss(network, tokenizer, few)
            total = total + 0.5 * loss_global
            parts["right_global"] = right_global
        return Losses(total, {"loss": float(total.detach()), **parts})


def memory_parameters(networks: Networks) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield what is trained of the memory: all but the tower."""
    for name, parameter in networks.parameters("memory."):
        if "vision_tower" not in name:
            yield name, parameter
