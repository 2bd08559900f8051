"""Normalisation layers of the decoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class RootMeanSquareNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) in float32, then the gain."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise the last axis; the result has the type of `rows`."""
        exact = functional.rms_norm(rows.float(), (rows.shape[-1],), eps=self.eps)
        return exact.to(rows.dtype) * self.weight
