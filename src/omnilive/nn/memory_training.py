"""The training pass of the memory module: learning which clips a question means.

Section 3.2 of arXiv 2412.09596. The release computes H-bar without gradients, then runs a third,
joint pass over clip rows and question rows padded to one batch. Padding and batches change no
number, so here the clip pass runs once, with gradients, integration runs on its detached result,
and the question pass runs with gradients: the same loss, the same gradients, a pass less.

Shapes: Q questions, K clips, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from omnilive.errors import BackendError
from omnilive.nn.memory_config import TEMPERATURE
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_retrieval import cosines
from omnilive.nn.memory_rows import ClipInput, stacked

_SMALL = 1e-4  # keeps the logarithm of a probability finite
_ENTROPY_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class TrainingPass:
    """The loss of one example and what it was computed from; `loss` has a graph.

    Attributes:
        loss: a scalar.
        cosines: (Q, K).
        long_term: H-bar (K, C), a constant.
        clips: as the clip pass gave them, with their graph.
    """

    loss: Tensor
    cosines: Tensor
    long_term: Tensor
    clips: list[EncodedClip]


def training_pass(
    network: MemoryNetwork,
    clips: Sequence[ClipInput],
    questions: Sequence[Sequence[int]],
    targets_QK: Tensor | None,
) -> TrainingPass:
    """Return the loss of questions about one stream.

    Args:
        network: in training; the vision tower gets no gradient.
        clips: of one stream, in order; their features with a graph, so that the projector learns.
        questions: tokens of each question.
        targets_QK: for each question how much each clip is meant, rows adding up to 1; None for an
            example without an answer, whose loss is zero (and still has a graph).

    Raises:
        BackendError: rows beyond the window, or targets of another shape.
    """
    encoded = network.read_clips(stacked(network.clip_rows(clips)))
    constant = [EncodedClip(c.short_term.detach(), c.global_memory.detach()) for c in encoded]
    (long_term,) = network.integrate([constant])
    rows = network.question_rows([long_term] * len(questions), questions)
    questions_QC = network.read_questions(stacked(rows))
    cosines_QK = cosines(questions_QC, torch.stack([clip.global_memory for clip in encoded]))
    if targets_QK is None:
        loss = cosines_QK.sum() * 0.0
    else:
        if targets_QK.shape != cosines_QK.shape:
            raise BackendError(
                f"Targets are {tuple(targets_QK.shape)}, questions and clips "
                f"{tuple(cosines_QK.shape)}."
            )
        loss = grounding_loss(cosines_QK, targets_QK)
    return TrainingPass(loss, cosines_QK, long_term, encoded)


def grounding_loss(cosines_QK: Tensor, targets_QK: Tensor) -> Tensor:
    """Return the cross-entropy of soft targets and 0.01 of the entropy, as the release has it."""
    chances_QK = torch.softmax(cosines_QK / TEMPERATURE, dim=1)
    logs_QK = torch.log(chances_QK + _SMALL)
    cross_entropy = -(targets_QK * logs_QK).sum(dim=1).mean()
    entropy = -(chances_QK * logs_QK).sum(dim=1).mean()
    return cross_entropy + _ENTROPY_SHARE * entropy
