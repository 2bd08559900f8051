"""Tokens from the language model, one by one: greedy, sampled, and by beams.

A prompt is read in pieces and every token is a step, and between any two of them the turn can be
cut: the cache then gives back what the turn had put into it, so the next answer starts clean.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling

STOP_IDS = frozenset({2, 92542})
_PIECE = 2048  # rows of a prompt that are read together


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """How to choose tokens.

    Attributes:
        max_new_tokens: at most so many tokens.
        temperature: 0 takes the likeliest token (greedy); else scores are divided by it.
        top_k: only so many of the likeliest tokens; 0 for all.
        top_p: the fewest tokens that together have this probability; 1 for all.
        repetition_penalty: above 1, tokens already generated lose score; the prompt does not count.
        seed: of the sampling.
        stop: ids that end the answer; they are not yielded.
    """

    max_new_tokens: int = 1024
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: frozenset[int] = STOP_IDS

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.top_k < 0:
            raise BackendError("An answer needs at least one token, and top_k may not be below 0.")
        if not (self.temperature >= 0 and 0 < self.top_p <= 1 and self.repetition_penalty > 0):
            raise BackendError(
                "The temperature may not be below 0, top_p lies above 0 and at most at 1, "
                "and the repetition penalty is above 0."
            )


def generate(
    network: ReasoningNetwork,
    prompt: EmbeddedPrompt,
    settings: GenerationSettings,
    cancel: Cancel | None = None,
    cache: KeyValueCache | None = None,
) -> Generator[int]:
    """Yield the tokens of the answer as they are chosen.

    Args:
        network: the reasoning module.
        prompt: what it is told.
        settings: how tokens are chosen.
        cancel: looked at before every token and every piece of the prompt.
        cache: of what was read before the prompt; None for a new text. When the generator ends,
            for whatever reason, it is as long as it was.

    Raises:
        BackendError: the prompt does not fit into the window.
        Cancelled: the turn was cut.
    """
    held = cache.length if cache is not None else 0
    steps = room_for(network, held + prompt.length, settings)
    if cache is None:
        cache = network.model.new_cache(prompt.length + steps)
    generator = torch.Generator().manual_seed(settings.seed)
    said: list[int] = []
    try:
        scores = read(network, prompt, cache, cancel)[0]
        for step in range(steps):
            index = choose(scores, said, settings, generator)
            if index in settings.stop:
                return
            said.append(index)
            yield index
            if step + 1 < steps:
                check(cancel)
                scores = advance(network, torch.tensor([index]), cache)[0]
    finally:
        cache.cut(held)


def beam_search(
    network: ReasoningNetwork,
    prompt: EmbeddedPrompt,
    settings: GenerationSettings,
    *,
    num_beams: int,
    length_penalty: float = 1.0,
    cancel: Cancel | None = None,
) -> list[int]:
    """Return the best of several answers that are followed side by side.

    An answer's worth is the sum of its log-probabilities over its length to the power of
    `length_penalty`. The search ends when no open answer can become better than the worst kept one,
    judged at its present length.

    Raises:
        BackendError: fewer than one beam, or the prompt does not fit into the window.
        Cancelled: the turn was cut.
    """
    if num_beams < 1:
        raise BackendError("A search needs at least one beam.")
    steps = room_for(network, prompt.length, settings)
    cache = network.model.new_cache(prompt.length + steps)
    open_ids: list[list[int]] = [[]]
    open_sums = [0.0]
    finished: list[tuple[float, list[int]]] = []
    scores = read(network, prompt, cache, cancel)
    for step in range(1, steps + 1):
        candidates = _candidates(scores, open_ids, open_sums, settings, 2 * num_beams)
        parents: list[int] = []
        next_ids: list[list[int]] = []
        next_sums: list[float] = []
        for rank, (total, beam, index) in enumerate(candidates):
            if index in settings.stop:
                if rank < num_beams:
                    finished.append((total / step**length_penalty, open_ids[beam]))
            elif len(parents) < num_beams:
                parents.append(beam)
                next_ids.append([*open_ids[beam], index])
                next_sums.append(total)
        finished = sorted(finished, key=lambda each: -each[0])[:num_beams]
        open_ids, open_sums = next_ids, next_sums
        enough = len(finished) == num_beams
        if not parents or (enough and finished[-1][0] >= candidates[0][0] / step**length_penalty):
            break
        if step < steps:
            check(cancel)
            cache.take(torch.tensor(parents, device=network.device))
            scores = advance(network, torch.tensor([ids[-1] for ids in open_ids]), cache)
    else:
        finished += [
            (total / steps**length_penalty, ids)
            for total, ids in zip(open_sums, open_ids, strict=True)
        ]
    return max(finished, key=lambda each: each[0])[1] if finished else []


def room_for(network: ReasoningNetwork, length: int, settings: GenerationSettings) -> int:
    """Return how many tokens may follow a text of `length` rows.

    Raises:
        BackendError: the text leaves no room in the window.
    """
    if length < 1:
        raise BackendError("The language model was given nothing to read.")
    if length >= network.window:
        raise BackendError(
            f"The text has {length} tokens and the window holds {network.window}; "
            "give fewer pictures, less memory or a shorter dialogue."
        )
    return min(settings.max_new_tokens, network.window - length)


@torch.no_grad()
def read(
    network: ReasoningNetwork,
    prompt: EmbeddedPrompt,
    cache: KeyValueCache,
    cancel: Cancel | None = None,
) -> Tensor:
    """Read a prompt into the cache; return the scores of the next token, (1, vocabulary).

    Raises:
        Cancelled: the turn was cut; the cache then holds only whole pieces.
    """
    # The release turns every call's rows by the call's own length, so there a prompt is one call.
    piece = prompt.length if network.model.angles.scaling is Scaling.RELEASE else _PIECE
    states = None
    for start in range(0, prompt.length, piece):
        check(cancel)
        rows = slice(start, start + piece)
        states = network.model(
            prompt.embeddings[:, rows], prompt.picture_mask[:, rows], cache=cache
        )
    assert states is not None, "an empty prompt is refused before"
    return network.logits(states[:, -1])


@torch.no_grad()
def advance(network: ReasoningNetwork, ids: Tensor, cache: KeyValueCache) -> Tensor:
    """Read one token per text; return the scores of the next, (texts, vocabulary).

    Generated tokens never take the picture branch.
    """
    states = network.model(
        network.model.tok_embeddings(ids.to(network.device))[:, None], cache=cache
    )
    return network.logits(states[:, -1])


def choose(
    scores: Tensor, said: list[int], settings: GenerationSettings, generator: torch.Generator
) -> int:
    """Choose one token from `scores` (vocabulary,).

    Raises:
        BackendError: the scores are no numbers.
    """
    scores = _penalised(scores, said, settings.repetition_penalty)
    if settings.temperature == 0:
        index = int(scores.argmax())
        if not bool(torch.isfinite(scores[index])):
            raise _no_numbers()
        return index
    scores = scores.float().cpu() / settings.temperature
    if 0 < settings.top_k < len(scores):
        least = scores.topk(settings.top_k).values[-1]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if settings.top_p < 1:
        ordered, where = scores.sort(descending=True)
        weights = ordered.softmax(dim=0)
        # What lies beyond the wanted probability without itself; the first always stays.
        beyond = weights.cumsum(dim=0) - weights >= settings.top_p
        beyond[0] = False
        scores = scores.masked_fill(torch.zeros_like(beyond).scatter(0, where, beyond), -torch.inf)
    weights = scores.softmax(dim=0)
    if not bool(torch.isfinite(weights).all()):
        raise _no_numbers()
    return int(torch.multinomial(weights, 1, generator=generator))


def check(cancel: Cancel | None) -> None:
    """Raise `Cancelled` if the turn was cut."""
    if cancel is not None:
        cancel.check()


def _penalised(scores: Tensor, said: list[int], penalty: float) -> Tensor:
    if penalty == 1.0 or not said:
        return scores
    at = torch.tensor(sorted(set(said)), device=scores.device)
    held = scores[at]
    return scores.index_copy(0, at, torch.where(held < 0, held * penalty, held / penalty))


def _candidates(
    scores: Tensor,
    open_ids: list[list[int]],
    open_sums: list[float],
    settings: GenerationSettings,
    count: int,
) -> list[tuple[float, int, int]]:
    """The best continuations of all beams: (sum of log-probabilities, beam, token)."""
    logs = scores.float().log_softmax(dim=-1)
    rows = [
        _penalised(row, ids, settings.repetition_penalty) + total
        for row, ids, total in zip(logs, open_ids, open_sums, strict=True)
    ]
    sums = torch.stack(rows)
    best = sums.flatten().topk(min(count, sums.numel()))
    if not bool(torch.isfinite(best.values[0])):
        raise _no_numbers()
    vocabulary = sums.shape[1]
    return [
        (value, where // vocabulary, where % vocabulary)
        for value, where in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def _no_numbers() -> BackendError:
    return BackendError(
        "The language model gave no numbers; check its weights, or run it in a wider precision."
    )
