"""What clip compression asks of memory besides captions: linear classifiers, thrown away after.

Captions alone leave a small network on a plateau for hours: it writes well-formed captions of
nothing, because words can only learn to look at memory once memory holds what they need. So every
vector of H says what is in its window of its frame, and H-hat what is in the clip and with which
second it starts. After some hundred steps captions follow.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from omnilive.media.synthetic.daily.catalogue import (
    ACTIONS,
    COLOURS,
    KIND_NAMES,
    PLACES,
    SIGNS,
    SIZES,
    TEXTURES,
)
from omnilive.media.synthetic.daily.records import DailyScene

_SIZES = (len(KIND_NAMES), len(COLOURS), len(TEXTURES), len(SIZES), 4)
_WINDOW = sum(_SIZES)  # presence in one window: kinds, colours, textures, sizes, counts
_COLUMNS = (0, 1, 2, 3, 5)  # of the patch labels; letters stand between
_PAIRS = len(KIND_NAMES) * len(COLOURS)
_DIGITS = 4


class SlotHeads(nn.Module):
    """Classifiers on H and H-hat."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.window = nn.Linear(width, _WINDOW)
        self.sign = nn.Linear(width, 1 + len(SIGNS))
        self.pairs = nn.Linear(width, _PAIRS)
        self.clip_sign = nn.Linear(width, 1 + len(SIGNS))
        self.place = nn.Linear(width, len(PLACES))
        self.actions = nn.Linear(width, len(ACTIONS))
        self.digits = nn.Linear(width, 10 * _DIGITS)

    def loss(
        self,
        short_term: list[Tensor],
        globals_BC: Tensor,
        windows: list[NDArray[np.bool_]],
        scenes: list[DailyScene],
        starts_s: list[int],
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss, and how well kinds are told from H and pairs from H-hat.

        Args:
            short_term: H of each clip.
            globals_BC: H-hat of each clip.
            windows: of each clip (rows of H, `_WINDOW`), what is in each window (`windows_of`).
            scenes: what each clip shows.
            starts_s: with which second each one starts.
        """
        device = globals_BC.device
        rows = torch.cat(short_term)
        present = torch.from_numpy(np.concatenate(windows)).to(device, torch.float32)
        scores = self.window(rows)
        # Most windows hold nothing: what is there weighs more.
        loss = functional.binary_cross_entropy_with_logits(
            scores, present, pos_weight=torch.tensor(4.0, device=device)
        )
        loss = 12 * loss
        signs = torch.tensor([_sign(scene) for scene in scenes], device=device)
        per_row = signs.repeat_interleave(torch.tensor([len(one) for one in short_term]))
        loss = loss + 0.5 * functional.cross_entropy(self.sign(rows), per_row)
        pairs = torch.zeros(len(scenes), _PAIRS, device=device)
        actions = torch.zeros(len(scenes), len(ACTIONS), device=device)
        for number, scene in enumerate(scenes):
            for group in scene.groups:
                pairs[number, _pair(group.kind, group.colour)] = 1
                for action in group.actions:
                    actions[number, ACTIONS.index(action.name)] = 1
        pair_scores = self.pairs(globals_BC)
        loss = loss + 8 * functional.binary_cross_entropy_with_logits(
            pair_scores, pairs, pos_weight=torch.tensor(8.0, device=device)
        )
        loss = loss + functional.binary_cross_entropy_with_logits(self.actions(globals_BC), actions)
        loss = loss + 0.5 * functional.cross_entropy(self.clip_sign(globals_BC), signs)
        places = torch.tensor([PLACES.index(scene.place) for scene in scenes], device=device)
        loss = loss + functional.cross_entropy(self.place(globals_BC), places)
        digits = torch.tensor([[start // 10**k % 10 for k in range(_DIGITS)] for start in starts_s])
        told = self.digits(globals_BC).view(-1, 10)
        loss = loss + functional.cross_entropy(told, digits.flatten().to(device))
        with torch.no_grad():
            kinds = present[:, : len(KIND_NAMES)] > 0
            best = scores[:, : len(KIND_NAMES)].argmax(dim=1)
            there = kinds.any(dim=1)
            right = kinds[there].gather(1, best[there, None]).float().mean()
            best_pair = pairs.gather(1, pair_scores.argmax(dim=1, keepdim=True)).mean()
            seconds = (told.argmax(dim=1) == digits.flatten().to(device)).float().mean()
        return loss, {"kinds": float(right), "pairs": float(best_pair), "digits": float(seconds)}


def windows_of(labels_TGGX: NDArray[np.int8], side: int) -> NDArray[np.bool_]:
    """Return what is in each window of each frame, frame by frame, (T side side, `_WINDOW`).

    Args:
        labels_TGGX: labels of patches (`painting.patch_labels`).
        side: windows along a side of the picture.
    """
    frames, grid = labels_TGGX.shape[:2]
    step = grid // side
    cells = labels_TGGX.reshape(frames, side, step, side, step, -1).transpose(0, 1, 3, 2, 4, 5)
    cells = cells.reshape(frames * side * side, step * step, -1)
    parts = []
    for size, column in zip(_SIZES, _COLUMNS, strict=True):
        numbers = np.arange(1, size + 1)
        parts.append((cells[:, :, column, None] == numbers).any(axis=1))
    return np.concatenate(parts, axis=1)


def _sign(scene: DailyScene) -> int:
    return 1 + SIGNS.index(scene.sign.word) if scene.sign is not None else 0


def _pair(kind: str, colour: str) -> int:
    return KIND_NAMES.index(kind) * len(COLOURS) + tuple(COLOURS).index(colour)
