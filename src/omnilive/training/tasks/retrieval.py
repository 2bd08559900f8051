"""Retrieval: which clips a question means (paper, section 3.2; loss in `nn/memory_training.py`).

Soft cross-entropy over clips at temperature 0.1, with the entropy term. A question is read behind
what integration has made of the stream: all of it, none of it yet, or the frontier of blocks with
the levels above, since a question must mean the same clip whatever lies in front of it. Half of the
streams are hard (`streams.py`). Questions about what was never there have no target; their cosines
are pushed below what counts as seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.questions import SEEN_KINDS
from omnilive.media.synthetic.daily.records import DailyQuestionKind
from omnilive.nn.memory_integration import BlockState
from omnilive.nn.memory_network import EncodedClip
from omnilive.nn.memory_retrieval import cosines
from omnilive.nn.memory_rows import stacked
from omnilive.nn.memory_training import grounding_loss
from omnilive.training.clip_pool import ClipPool
from omnilive.training.memory_passes import encode, num_positions
from omnilive.training.networks import Networks
from omnilive.training.scale import FULL, Scale
from omnilive.training.streams import Stream, StreamSource
from omnilive.training.task import TOKENS, Losses
from omnilive.training.tasks.clip_compression import memory_parameters

SEEN_ABOVE = 0.4
"""Cosine above which a clip counts as meant; what was not there shall stay below it."""
_MARGIN = 0.1
_BLOCK = 8  # clips a block in training; what a block is made of does not depend on its length


@dataclass(frozen=True, slots=True)
class RetrievalDraw:
    """Streams, and how each one's memory stands in front of the questions."""

    streams: tuple[Stream, ...]
    frontiers: tuple[str, ...]  # "whole", "blocks" or "nothing"


@dataclass(frozen=True)
class RetrievalSource:
    """Draws batches of streams."""

    streams: StreamSource
    batch_size: int

    @cached_property
    def _named(self) -> StreamSource:
        """Without questions that only point: which clip is the newest, only memory can tell."""
        return replace(self.streams, kinds=SEEN_KINDS)

    def draw(self, seed: int, step: int) -> RetrievalDraw:
        """Return one batch."""
        rng = Random(f"retrieval {seed} {step}")
        frontiers = tuple(
            rng.choice(("whole", "blocks", "blocks", "nothing")) for _ in range(self.batch_size)
        )
        return RetrievalDraw(
            tuple(
                (self._named if frontier == "nothing" else self.streams).stream(rng)
                for frontier in frontiers
            ),
            frontiers,
        )


class Retrieval:
    """Trains question pass and clip pass together; H-bar is a constant, as in the release."""

    name = "retrieval"

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
        kinds: tuple[DailyQuestionKind, ...] = (*SEEN_KINDS, "reference_implicit")
        streams = StreamSource(
            "train", len(pools["train"]), scale.longest // 2, 2 * scale.longest, kinds=kinds
        )
        self.source = RetrievalSource(streams, batch_size)
        held_out = replace(
            streams,
            split="validation",
            num_clips=len(pools["validation"]),
            shortest=scale.longest,
            longest=scale.longest,
        )
        self._validation = RetrievalSource(held_out, scale.validated_streams)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the memory but its tower."""
        return memory_parameters(self._networks)

    def loss(self, batch: RetrievalDraw) -> Losses:
        """Return the loss of all questions."""
        return self._read(batch, self._pools["train"])

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return loss and recall on combinations never seen."""
        rows = [
            self._read(self._validation.draw(0, step), self._pools["validation"]).parts
            for step in range(self._batches)
        ]
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _read(self, batch: RetrievalDraw, pool: ClipPool) -> Losses:
        network, tokenizer = self._networks.memory, self._networks.tokenizers.memory
        numbers = [number for stream in batch.streams for number in stream.numbers]
        scenes = [scene for stream in batch.streams for scene in stream.scenes]
        encoded = encode(network, tokenizer, pool, numbers, scenes)
        long_term: list[Tensor] = []
        questions: list[list[int]] = []
        at = 0
        own: list[Tensor] = []
        for stream, kind in zip(batch.streams, batch.frontiers, strict=True):
            clips = encoded[at : at + len(stream.numbers)]
            at += len(stream.numbers)
            memory = self._memory(clips, kind)
            long_term += [memory] * len(stream.questions)
            questions += [tokenizer.encode(asked.text) for asked in stream.questions]
            own.append(torch.stack([clip.global_memory for clip in clips]))
        vectors = network.read_questions(stacked(network.question_rows(long_term, questions)))
        losses, hits, false_seen = [], [], []
        at = 0
        for stream, globals_KC in zip(batch.streams, own, strict=True):
            found = cosines(vectors[at : at + len(stream.questions)], globals_KC)
            at += len(stream.questions)
            targets = stream.targets().to(found.device)
            seen = targets.sum(dim=1) > 0
            losses.append(grounding_loss(found[seen], targets[seen]))
            losses.append(_floor_loss(found, targets, seen))
            hits += (targets[seen].gather(1, found[seen].argmax(1, keepdim=True)) > 0).tolist()
            false_seen += (found[~seen].amax(dim=1) > SEEN_ABOVE).tolist() if (~seen).any() else []
        total = torch.stack(losses).sum() / len(batch.streams)
        parts = {
            "loss": float(total.detach()),
            "recall": sum(hit for (hit,) in hits) / max(1, len(hits)),
        }
        config = network.config
        parts[TOKENS] = num_positions(encoded, config.num_merged, config.num_slots)
        parts["false_seen"] = sum(false_seen) / max(1, len(false_seen))
        return Losses(total, parts)

    @torch.no_grad()
    def _memory(self, clips: list[EncodedClip], kind: str) -> Tensor:
        network = self._networks.memory
        constant = [
            EncodedClip(one.short_term.detach(), one.global_memory.detach()) for one in clips
        ]
        if kind == "nothing":
            return constant[0].global_memory.new_zeros(0, network.config.decoder.width)
        if kind == "whole":
            return network.integrate([constant])[0]
        return BlockState(fan_out=_BLOCK).with_clips(network, constant).long_term(network)


def _floor_loss(found_QK: Tensor, targets_QK: Tensor, seen_Q: Tensor) -> Tensor:
    """Return how far cosines are on the wrong side of what counts as seen."""
    low, high = SEEN_ABOVE - _MARGIN, SEEN_ABOVE + _MARGIN
    loss = found_QK.sum() * 0.0
    if (~seen_Q).any():
        loss = loss + functional.relu(found_QK[~seen_Q] - low).amax(dim=1).mean()
    if seen_Q.any():
        best = found_QK[seen_Q].masked_fill(targets_QK[seen_Q] == 0, -1.0).amax(dim=1)
        loss = loss + functional.relu(high - best).mean()
        wrong = found_QK[seen_Q].masked_fill(targets_QK[seen_Q] > 0, -1.0).amax(dim=1)
        loss = loss + 0.5 * functional.relu(wrong - high).mean()
    return 4.0 * loss
