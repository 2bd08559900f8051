"""What the memory network tells of clips, from their H alone, by greedy decoding in batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from omnilive.evaluation.network_subject import Subject
from omnilive.nn.key_value_cache import KeyValueCache

_MOST_TOKENS = 96
_TOGETHER = 48
_END = "."


def captions(subject: Subject, memories: Sequence[Tensor]) -> list[str]:
    """Return a caption of each clip, told behind its H (n, C) as in clip compression."""
    found: list[str] = []
    for start in range(0, len(memories), _TOGETHER):
        found += _told(subject, memories[start : start + _TOGETHER])
    return found


@torch.no_grad()
def _told(subject: Subject, memories: Sequence[Tensor]) -> list[str]:
    model = subject.memory.model
    line_end = model.embed_tokens(torch.tensor(subject.words.encode("\n"), device=model.device))
    begun = [torch.cat([memory, line_end]) for memory in memories]
    # Padded on the left, so that all of them go on at the same place.
    longest = max(map(len, begun))
    rows = torch.stack([functional.pad(each, (0, 0, longest - len(each), 0)) for each in begun])
    real = torch.tensor([[False] * (longest - len(each)) + [True] * len(each) for each in begun])
    positions = (real.long().cumsum(dim=1) - 1).clamp(min=0)
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    own = torch.eye(longest, dtype=torch.bool)
    allowed = ((causal & real[:, None, :]) | own)[:, None]
    cache = KeyValueCache(layers=model.config.num_layers, meant_length=longest + _MOST_TOKENS)
    said: list[list[int]] = [[] for _ in begun]
    texts = [""] * len(said)
    for _ in range(_MOST_TOKENS):
        states = model(rows, cache, positions=positions, allowed=allowed)
        cache.advance(rows.shape[1])
        best = model.logits(states[:, -1]).argmax(dim=-1)
        for number, index in enumerate(best.tolist()):
            if _END not in texts[number]:
                said[number].append(index)
                texts[number] = subject.words.decode(said[number])
        if all(_END in text for text in texts):
            break
        rows = model.embed_tokens(best)[:, None]
        real = functional.pad(real, (0, 1), value=True)
        positions, allowed = positions[:, -1:] + 1, real[:, None, None, :]
    return [f"{text.partition(_END)[0]}{_END}".strip() for text in texts]
