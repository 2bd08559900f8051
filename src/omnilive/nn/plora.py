"""Linear layers with a branch that works on picture and memory positions only (PLoRA).

    y = W x                          text
    y = W x + (alpha / rank) B A x   where the mask is set

The branch is computed for the masked rows alone. An adapter (LoRA in PEFT's layout, `adapter.py`)
may lie on top: it works on all rows, so it belongs to W and not to the branch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.nn.eight_bit import EightBitWeight


class LowRank(nn.Module):
    """factor * B A x: what a LoRA adapter adds to a layer."""

    def __init__(self, down: Tensor, up: Tensor, factor: float) -> None:
        super().__init__()
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(up)
        self.factor = factor

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what is added to the layer's output; `inputs` (..., in)."""
        return functional.linear(functional.linear(inputs, self.down), self.up) * self.factor

    def as_weight(self) -> Tensor:
        """Return factor * B A, (out, in) float32."""
        return (self.up.detach().float() @ self.down.detach().float()) * self.factor


class PictureLoraLinear(nn.Module):
    """One layer W without bias, its picture branch, and an adapter if one is attached.

    The names of the parameters are the checkpoint's: `weight`, `Plora_A.weight`, `Plora_B.weight`.
    """

    def __init__(self, inputs: int, outputs: int, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight: nn.Parameter | None = nn.Parameter(torch.empty(outputs, inputs))
        self.Plora_A = nn.Linear(inputs, rank, bias=False)
        self.Plora_B = nn.Linear(rank, outputs, bias=False)
        self.branch_factor = alpha / rank
        self.branch_dropout = nn.Dropout(0.05)
        self.adapter: LowRank | None = None
        self.eight_bit: EightBitWeight | None = None
        nn.init.normal_(self.weight, std=0.02)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the weight, whatever holds it."""
        held = self.weight if self.weight is not None else self._eight_bit().rows
        return held.shape[0], held.shape[1]

    def to_eight_bit(self) -> None:
        """Hold the plain weight in 8 bits from now on; the branch and the adapter stay."""
        if self.weight is not None:
            self.eight_bit = EightBitWeight.of(self.weight)
            self.weight = None

    def forward(self, inputs: Tensor, picture: Tensor | None) -> Tensor:
        """Return the layer's output.

        Args:
            inputs: (batch, length, in).
            picture: positions of pictures and memory among the batch * length rows, or None.
        """
        if self.weight is not None:
            outputs = functional.linear(inputs, self.weight)
        else:
            outputs = self._eight_bit()(inputs)
        if self.adapter is not None:
            outputs = outputs + self.adapter(inputs)
        if picture is None:
            return outputs
        rows = inputs.reshape(-1, inputs.shape[-1])[picture]
        added = self.Plora_B(self.Plora_A(self.branch_dropout(rows)))
        if self.branch_factor != 1.0:
            added = added * self.branch_factor
        flat = outputs.reshape(-1, outputs.shape[-1]).index_add(0, picture, added)
        return flat.reshape(outputs.shape)

    def _eight_bit(self) -> EightBitWeight:
        assert self.eight_bit is not None, "a layer holds its weight in one of two forms"
        return self.eight_bit
