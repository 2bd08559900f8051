"""What vision pre-training asks of every patch: a linear classifier a trait, thrown away after."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.media.synthetic.daily.catalogue import COLOURS, KINDS, PLACES, SIZES, TEXTURES

TRAITS = ("kind", "colour", "texture", "size", "letter", "count")
UNKNOWN = -1
"""Label of what cannot be told, such as the colour of a grey picture."""
_CHOICES = (len(KINDS) + 1, len(COLOURS) + 1, len(TEXTURES) + 1, len(SIZES) + 1, 27, 5)


class PatchHeads(nn.Module):
    """Classifiers on patches of two hidden layers, and of the place on their mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.ModuleList(nn.Linear(width, sum(_CHOICES)) for _ in range(2))
        self.place = nn.ModuleList(nn.Linear(width, len(PLACES)) for _ in range(2))

    def directions(self, layer: int) -> Tensor:
        """Return what one layer's classifiers look for, (answers but "none", width)."""
        patch, place = self.patch[layer], self.place[layer]
        assert isinstance(patch, nn.Linear)
        assert isinstance(place, nn.Linear)
        parts = torch.split(patch.weight.detach(), list(_CHOICES))
        told = [part[1:] - part.mean(dim=0) for part in parts]
        places = place.weight.detach()
        return torch.cat([*told, places - places.mean(dim=0)])

    def loss(
        self, layer: int, patches_BLD: Tensor, labels_BLX: Tensor, places_B: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss on one of the two layers, and the share of right answers by trait.

        Args:
            layer: 0 or 1.
            patches_BLD: states of the tower.
            labels_BLX: 0 for none, `UNKNOWN` for what cannot be told, else a number a trait, in the
                order of `TRAITS`.
            places_B: number of each picture's place.
        """
        scores = self.patch[layer](patches_BLD).split(_CHOICES, dim=-1)
        total = functional.cross_entropy(self.place[layer](patches_BLD.mean(dim=1)), places_B)
        parts = {}
        for number, (trait, score) in enumerate(zip(TRAITS, scores, strict=True)):
            labels = labels_BLX[..., number]
            # Ground is most of a picture: patches with something on them weigh four times.
            weight = (labels != UNKNOWN).float() + 3.0 * (labels > 0).float()
            losses = functional.cross_entropy(
                score.flatten(0, 1), labels.flatten(), reduction="none", ignore_index=UNKNOWN
            )
            total = total + (losses * weight.flatten()).sum() / weight.sum().clamp(min=1)
            with torch.no_grad():
                there = labels > 0
                right = (score.argmax(dim=-1) == labels)[there].float()
                parts[trait] = float(right.mean()) if len(right) else 1.0
        return total, parts
