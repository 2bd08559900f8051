"""Weights of a linear layer in 8 bits: one scale for every output row, inputs untouched.

    W[o, :]  ~  scale[o] * Q[o, :]      scale[o] = max |W[o, :]| / 127,  Q in -127..127

so y = (x Q^T) * scale. The largest error of a weight is half a step of its row. A layer takes a
quarter of its float32 size, half of its bf16 size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class EightBitWeight(nn.Module):
    """A weight matrix (out, in) in 8 bits, and the product with it.

    Attributes:
        rows: (out, in) int8.
        scale: (out,) float32.
    """

    rows: Tensor
    scale: Tensor

    def __init__(self, rows: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale)

    @classmethod
    def of(cls, weight: Tensor) -> EightBitWeight:
        """Quantise `weight` (out, in), row by row; a row of zeros stays zeros."""
        exact = weight.detach().float()
        scale = exact.abs().amax(dim=1) / 127.0
        step = torch.where(scale > 0, scale, torch.ones_like(scale))
        rows = torch.round(exact / step.unsqueeze(1)).clamp_(-127, 127).to(torch.int8)
        return cls(rows, step)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        # A change of dtype is for the activations: the scale of a row stays float32.
        scale = self.scale
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.scale.dtype is not torch.float32:
            self.scale = scale.to(self.rows.device)
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `inputs` (..., in) times the transposed weight, (..., out) in the inputs' type."""
        # -127..127 is exact in bfloat16 and float16, so the product sees the stored integers.
        product = functional.linear(inputs, self.rows.to(inputs.dtype))
        return (product.float() * self.scale).to(inputs.dtype)

    def dequantised(self) -> Tensor:
        """Return the weight that this stands for, (out, in) float32."""
        return self.rows.float() * self.scale.unsqueeze(1)
