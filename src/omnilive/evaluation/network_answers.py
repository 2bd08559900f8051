"""Which questions a language model answers rightly from what it is given.

An answer is right when greedy decoding gives exactly its words and then the end of the turn. That
is so if, and only if, each of its tokens is the likeliest one behind the right ones before it, so
one pass over prompt and answer decides it, and questions with the same prompt share that pass
(`training/prompt_rows.py`). A test holds this against `nn/generation.py`, token by token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer
from omnilive.training.prompt_rows import Branch, PromptRows, Shared

_MOST_ROWS = 6000  # of a batch, padding included
_MOST_BRANCHES = 10
_BRANCH, _RECORD_LETTERS = 32, 3  # about how many rows a question takes; letters of a row


@dataclass(frozen=True, eq=False)
class Given:
    """What stands in front of questions; the same object is read once for all of them.

    Attributes:
        related: memory of clips (n, width), or None.
        overview: long-term memory (n, width), or None.
        pictures: maps of pictures.
        words: told before the question.
    """

    related: Tensor | None = None
    overview: Tensor | None = None
    pictures: tuple[Tensor, ...] = ()
    words: str = ""

    def shared(self, asked: Sequence[tuple[str, str]]) -> Shared:
        """Return the prompt of questions with their answers."""
        return Shared(
            tuple(Branch(question, answer, self.words) for question, answer in asked),
            self.overview if self.overview is not None and len(self.overview) else None,
            self.related if self.related is not None and len(self.related) else None,
            self.pictures,
        )


NOTHING = Given()


def memory_of(clips: Sequence[Tensor]) -> Tensor | None:
    """Return H of several clips as rows; None of none."""
    return torch.cat(list(clips)) if clips else None


class Answers:
    """A language model that is asked; its weights stay as they are."""

    def __init__(self, network: ReasoningNetwork, tokenizer: InternLM2Tokenizer) -> None:
        self.network = network
        self._rows = PromptRows(network, tokenizer)

    @torch.no_grad()
    def right(self, asked: Sequence[tuple[Given, str, str]]) -> list[bool]:
        """Return of each (given, question, answer) whether the answer comes word for word."""
        groups: dict[int, list[int]] = {}
        for number, (given, _, _) in enumerate(asked):
            groups.setdefault(id(given), []).append(number)
        prompts: list[tuple[int, list[int]]] = []  # about how long, which questions
        for numbers in groups.values():
            for start in range(0, len(numbers), _MOST_BRANCHES):
                few = numbers[start : start + _MOST_BRANCHES]
                prompts.append((_length(asked[few[0]][0], len(few)), few))
        prompts.sort(key=lambda each: each[0])
        right = [False] * len(asked)
        batch: list[list[int]] = []
        for place, (length, numbers) in enumerate(prompts):
            batch.append(numbers)
            is_last = place + 1 == len(prompts)
            longest = length if is_last else prompts[place + 1][0]
            if is_last or (len(batch) + 1) * longest > _MOST_ROWS:
                for number, hit in zip(
                    (number for each in batch for number in each),
                    self._batch(asked, batch),
                    strict=True,
                ):
                    right[number] = hit
                batch = []
        return right

    def _batch(
        self, asked: Sequence[tuple[Given, str, str]], batch: Sequence[Sequence[int]]
    ) -> list[bool]:
        shared = [
            asked[numbers[0]][0].shared([asked[number][1:] for number in numbers])
            for numbers in batch
        ]
        _, right, _ = self._rows.loss(shared)
        found: list[bool] = right.tolist()
        return found


def _length(given: Given, num_questions: int) -> int:
    rows = sum(len(each) for each in (given.overview, given.related) if each is not None)
    rows += sum(each.shape[0] * (each.shape[1] + 4) for each in given.pictures)
    return rows + 16 + num_questions * (_BRANCH + len(given.words) // _RECORD_LETTERS)
