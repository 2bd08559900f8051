"""Starts a projector so that it sees what the tower was taught to tell.

What a tower says of small things is a small part of its vectors; most of their length says where
the picture was taken. So the first rows of a projector are what the classifiers of vision
pre-training look for, the others see every other direction alike (whitened), and all of them
begin with mean 0 and variance 1. From an ordinary start the decoder behind it needs an hour to find
what is there at once in this way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SMALLEST = 1e-2  # share of the mean variance below which a direction is taken for noise


@torch.no_grad()
def start_projector(projector: nn.Sequential, features_NE: Tensor, told_RD: Tensor) -> None:
    """Set both layers of a projector (linear, GELU, linear).

    Args:
        projector: from E to its width.
        features_NE: typical inputs, many more than E; E is 4 D, four patches one after the other.
        told_RD: directions in one patch that classifiers look for, fewer than the width.
    """
    first, last = projector[0], projector[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    mean = features_NE.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov(features_NE.double().T))
    scales = (values.clamp(min=0) + _SMALLEST * values.mean()).rsqrt()
    whitening = ((vectors * scales) @ vectors.T).to(first.weight.dtype)
    rows = torch.randn(first.out_features, first.in_features) @ whitening
    told = told_RD[: first.out_features].repeat(1, first.in_features // told_RD.shape[1])
    rows[: len(told)] = told
    outputs = (features_NE - mean) @ rows.T
    rows = rows / outputs.std(dim=0)[:, None].clamp(min=1e-6)
    first.weight.copy_(rows)
    first.bias.copy_(-(rows @ mean))
    nn.init.orthogonal_(last.weight)
    nn.init.zeros_(last.bias)
