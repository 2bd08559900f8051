"""Prompts as the language model is taught: what several questions share, and each one behind it.

    shared      <s> user | overview phrase H-bar | related phrase H ... | picture
    branches    records and question, end of turn, assistant | answer, end of turn
                (each looks at what is shared and at itself; positions go on from what is shared)

Rows and words are those of `nn/prompts.release_memory_prompt`; a test holds them against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from omnilive.nn.picture_encoding import in_line
from omnilive.nn.prompts import OVERVIEW_PHRASE, RELATED_PHRASE
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import TURN_END, TURN_START, InternLM2Tokenizer, defused

_IGNORED = -100
_TOGETHER = 4  # prompts of like lengths that are padded together
_MOST_BRANCHES = 1000


@dataclass(frozen=True, slots=True)
class Branch:
    """A question as it is asked (with records before it), and its answer."""

    question: str
    answer: str
    records: str = ""


@dataclass(frozen=True, slots=True)
class Shared:
    """What several questions have in front of them.

    Attributes:
        overview: H-bar (n, memory width), or None.
        related: H of clips (n, memory width), or None.
        pictures: maps of pictures, each (tiles, N, 4 D), thumbnail first.
        branches: the questions.
        bare: no user header: a chat of words only, as instruction prediction asks it.
    """

    branches: tuple[Branch, ...]
    overview: Tensor | None = None
    related: Tensor | None = None
    pictures: tuple[Tensor, ...] = field(default=())
    bare: bool = False


class PromptRows:
    """Turns prompts into embedded rows and computes their loss."""

    def __init__(self, network: ReasoningNetwork, tokenizer: InternLM2Tokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        self._turn_end = tokenizer.id_of(TURN_END)

    def loss(self, prompts: Sequence[Shared]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean loss of all answers' tokens, and of each answer whether all are right.

        Returns:
            The loss; (answers,) bool; (answers,) the number of the prompt of each.
        """
        packed = [self._packed(prompt) for prompt in prompts]
        order = sorted(range(len(packed)), key=lambda number: len(packed[number].rows))
        losses, answers = [], {}
        for start in range(0, len(order), _TOGETHER):
            numbers = order[start : start + _TOGETHER]
            loss, right, at = self._together([packed[number] for number in numbers])
            losses.append(loss)
            for place, number in enumerate(numbers):
                answers[number] = right[at == place]
        counts = [len(answers[number]) for number in range(len(prompts))]
        targets = sum(int((one.labels != _IGNORED).sum()) for one in packed)
        return (
            torch.stack(losses).sum() / targets,
            torch.cat([answers[number] for number in range(len(prompts))]),
            torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor(counts)),
        )

    def _together(self, packed: Sequence[_Packed]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the summed loss of a few prompts of like lengths, and their answers as above."""
        longest = max(len(one.rows) for one in packed)

        def padded(name: str, fill: float) -> Tensor:
            several = [getattr(one, name) for one in packed]
            return torch.stack(
                [functional.pad(each, (0, longest - len(each)), value=fill) for each in several]
            )

        rows = torch.stack(
            [functional.pad(one.rows, (0, 0, 0, longest - len(one.rows))) for one in packed]
        )
        masked, positions = padded("masked", False), padded("positions", 0)
        labels, groups = padded("labels", _IGNORED), padded("groups", -1)
        device = rows.device
        causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
        mine = (groups[:, None, :] == groups[:, :, None]) | (groups[:, None, :] == 0)
        own = torch.eye(longest, dtype=torch.bool, device=device)
        allowed = (causal & mine & (groups[:, None, :] >= 0)) | own
        states = self.network.model(rows, masked, positions=positions, allowed=allowed[:, None])
        batch, at = (labels[:, 1:] != _IGNORED).nonzero(as_tuple=True)
        scores = self.network.logits(states[batch, at])
        wanted = labels[batch, at + 1]
        loss = functional.cross_entropy(scores, wanted, reduction="sum")
        hit = scores.argmax(dim=-1) == wanted
        # Answers by prompt, then by question.
        number = batch * _MOST_BRANCHES + groups[batch, at + 1]
        names, inverse = torch.unique(number, return_inverse=True)
        wrong = torch.zeros(len(names), dtype=torch.long, device=device)
        wrong = wrong.index_add(0, inverse, (~hit).long())
        return loss, wrong == 0, names // _MOST_BRANCHES

    def _packed(self, prompt: Shared) -> _Packed:
        network, encode = self.network, self.tokenizer.encode
        parts: list[Tensor] = []
        masks: list[bool] = []

        def add(rows: Tensor, masked: bool) -> None:
            parts.append(rows)
            masks.extend([masked] * len(rows))

        def words(text: str, *, masked: bool = False) -> None:
            add(network.embed(torch.tensor(encode(text))), masked)

        add(network.embed(torch.tensor([self.tokenizer.begin])), False)
        if not prompt.bare:
            words(f"{TURN_START}user\n")
        if prompt.overview is not None:
            words(OVERVIEW_PHRASE, masked=True)
            add(network.project_memory(prompt.overview), True)
        if prompt.related is not None:
            words(RELATED_PHRASE, masked=True)
            add(network.project_memory(prompt.related), True)
        for maps in prompt.pictures:
            side = round(maps.shape[1] ** 0.5)
            line = in_line(
                maps.to(network.device).view(len(maps), side, side, -1),
                1,
                len(maps) - 1,
                network.plora_sub_GN,
                network.plora_glb_GN,
            )
            add(network.vision_proj(line), True)
        shared = len(masks)
        positions, groups = list(range(shared)), [0] * shared
        labels = [_IGNORED] * shared
        for number, branch in enumerate(prompt.branches, start=1):
            asked = encode(self._asked(prompt, branch))
            answer = [*encode(f" {branch.answer}"), self._turn_end]
            ids = asked + answer
            add(network.embed(torch.tensor(ids)), False)
            positions += range(shared, shared + len(ids))
            groups += [number] * len(ids)
            labels += [_IGNORED] * len(asked) + answer
        device = network.device
        return _Packed(
            torch.cat(parts),
            torch.tensor(masks, device=device),
            torch.tensor(positions, device=device),
            torch.tensor(labels, device=device),
            torch.tensor(groups, device=device),
        )

    def _asked(self, prompt: Shared, branch: Branch) -> str:
        if prompt.bare:
            return f"{TURN_START}user\n{branch.question}{TURN_END}\n{TURN_START}assistant\n"
        asked = f"{defused(branch.records)}{defused(f'Question: {branch.question}')}"
        return f"{asked}{TURN_END}\n{TURN_START}assistant\n"


@dataclass(frozen=True, slots=True)
class _Packed:
    rows: Tensor
    masked: Tensor
    positions: Tensor
    labels: Tensor
    groups: Tensor
