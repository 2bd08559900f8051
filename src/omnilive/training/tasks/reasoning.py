"""Reasoning: answers from memory tokens, pictures and words (paper, section 3.3).

The memory is frozen; the language model, its projectors for pictures and memory and its picture
branches (PLoRA) learn. Several questions share what stands before them (`prompt_rows.py`), which
makes a step several times cheaper and changes no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.nn.memory_integration import BlockState
from omnilive.nn.memory_network import EncodedClip
from omnilive.training.clip_pool import ClipPool
from omnilive.training.contexts import Context, ContextDraw, ContextSource
from omnilive.training.memory_passes import encode
from omnilive.training.networks import Networks
from omnilive.training.prompt_rows import PromptRows, Shared
from omnilive.training.scale import FULL, Scale
from omnilive.training.streams import Stream, StreamSource
from omnilive.training.task import Losses


class Reasoning:
    """Trains the reasoning module; its tower stays as vision pre-training left it."""

    name = "reasoning"

    def __init__(
        self,
        networks: Networks,
        pools: Mapping[Split, ClipPool],
        batch_size: int,
        *,
        scale: Scale = FULL,
        describing: bool = False,
    ) -> None:
        self._networks, self._pools = networks, pools
        self._rows = PromptRows(networks.reasoning, networks.tokenizers.reasoning)
        self._batches = scale.validated_batches
        longest = 2 if describing else scale.longest + 2
        shortest = 1 if describing else 2
        streams = StreamSource("train", len(pools["train"]), shortest, longest, num_questions=0)
        pictured = tuple(int(each) for each in pools["train"].pictured_ns)
        self.source = ContextSource(
            streams, pictured, batch_size, 1 if describing else 4, describing=describing
        )
        held_out = replace(streams, split="validation", num_clips=len(pools["validation"]))
        pictured = tuple(int(each) for each in pools["validation"].pictured_ns)
        self._validation = ContextSource(
            held_out,
            pictured,
            scale.validated_streams * (8 if describing else 1),
            1 if describing else 4,
            describing=describing,
        )

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the reasoning module but its tower."""
        for name, parameter in self._networks.parameters("reasoning."):
            if ".vit." not in name:
                yield name, parameter

    def loss(self, batch: ContextDraw) -> Losses:
        """Return the loss of all answers."""
        return self._read(batch, self._pools["train"])

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return the share of right answers by what was given and by kind, never seen before."""
        sums: dict[str, list[float]] = {}
        for step in range(self._batches):
            parts = self._read(
                self._validation.draw(0, step), self._pools["validation"], True
            ).parts
            for name, value in parts.items():
                sums.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in sorted(sums.items())}

    def _read(self, batch: ContextDraw, pool: ClipPool, by_kind: bool = False) -> Losses:
        prompts: list[Shared] = []
        contexts: list[Context] = []
        for stream, own in zip(batch.streams, batch.contexts, strict=True):
            clips, overview = self._remember(stream, own, pool)
            for context in own:
                if context.branches:
                    contexts.append(context)
                    prompts.append(_prompt(context, stream, clips, overview, pool))
        loss, right, at = self._rows.loss(prompts)
        groups: dict[str, list[float]] = {"right": right.float().tolist()}
        place = 0
        for number, context in enumerate(contexts):
            own_right = right[at == number].float().tolist()
            groups.setdefault(f"right_{context.what}", []).extend(own_right)
            for kind, hit in zip(context.kinds, own_right, strict=True):
                if by_kind:
                    groups.setdefault(f"{context.what}_{kind}", []).append(hit)
            place += len(own_right)
        parts = {name: sum(values) / len(values) for name, values in groups.items() if values}
        return Losses(loss, {"loss": float(loss.detach()), **parts})

    @torch.no_grad()
    def _remember(
        self, stream: Stream, contexts: Sequence[Context], pool: ClipPool
    ) -> tuple[list[EncodedClip], torch.Tensor]:
        """Return the clips and the long-term memory of a stream; none where nobody is given it."""
        network = self._networks.memory
        if not any(one.related or one.with_overview for one in contexts):
            return [], torch.empty(0, network.config.decoder.width)
        clips = encode(
            network, self._networks.tokenizers.memory, pool, stream.numbers, stream.scenes
        )
        return clips, BlockState().with_clips(network, clips).long_term(network)


def _prompt(
    context: Context,
    stream: Stream,
    clips: Sequence[EncodedClip],
    overview: torch.Tensor,
    pool: ClipPool,
) -> Shared:
    related = [clips[number].short_term for number in context.related]
    pictures = (pool.picture(stream.numbers[context.picture]),) if context.picture >= 0 else ()
    return Shared(
        context.branches,
        overview if context.with_overview else None,
        torch.cat(related) if related else None,
        pictures,
    )
