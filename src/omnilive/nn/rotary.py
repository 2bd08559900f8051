"""Rotary positions with dynamic scaling of the base, as the language model of IXC2.5-OL has them.

Up to `max_positions` (m) the plain angles hold. For a text of L > m tokens the base becomes

    base * (factor * L / m - (factor - 1)) ** (d / (d - 2))        d = width of a head

The release rebuilds its one table inside the call that is the longest so far. Two things follow:
the table stays changed for every later short text, and while tokens are generated past m the
stored keys keep older angles, so that generating with a cache is another computation than
without. `Scaling.PER_TEXT` (the default) gives every text one base, chosen once from the length
it is meant to have, and keeps nothing between texts; `Scaling.RELEASE` repeats the release to the
number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


class Scaling(Enum):
    """Which length decides the base of a text longer than the model's positions."""

    PER_TEXT = "per text"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class RotarySettings:
    """Numbers of the rotary positions.

    Attributes:
        head_width: d, width of one attention head; even.
        theta: the plain base.
        max_positions: m, positions that need no scaling.
        factor: of the dynamic scaling; 0 where the checkpoint has none.
    """

    head_width: int
    theta: float
    max_positions: int
    factor: float = 0.0

    def base_for(self, length: int) -> float:
        """Return the base for a text of `length` tokens."""
        if self.factor == 0.0 or length <= self.max_positions:
            return self.theta
        stretch = self.factor * length / self.max_positions - (self.factor - 1)
        return float(self.theta * stretch ** (self.head_width / (self.head_width - 2)))


class Angles:
    """Cosines and sines by position: one table and, for `RELEASE`, the longest text so far."""

    def __init__(self, settings: RotarySettings, scaling: Scaling = Scaling.PER_TEXT) -> None:
        self.settings = settings
        self.scaling = scaling
        self._longest = settings.max_positions
        self._base = 0.0
        self._cosines = torch.empty(0, settings.head_width, device="cpu")
        self._sines = torch.empty(0, settings.head_width, device="cpu")

    def forget(self) -> None:
        """Return to the state of a model that has read nothing yet."""
        self._longest = self.settings.max_positions

    def base_of(self, *, length: int, meant: int) -> float:
        """Return the base that a call gets which brings a text to `length` tokens."""
        if self.scaling is Scaling.RELEASE:
            return self.settings.base_for(max(self._longest, length))
        return self.settings.base_for(meant)

    def at(self, positions: Tensor, *, length: int, meant: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of `positions`, each (..., d) in float32.

        Args:
            positions: (...) integers, all below `max(length, meant)`.
            length: tokens of the text up to the end of this call, cached ones included.
            meant: length that the whole text is meant to have; decides the base in `PER_TEXT`.
        """
        base = self.base_of(length=length, meant=meant)
        if self.scaling is Scaling.RELEASE:
            self._longest = max(self._longest, length)
        # Some rows ahead, so that generating does not make a new table at every token.
        self._fill(base, max(-(-length // 256) * 256, meant), positions.device)
        return self._cosines[positions], self._sines[positions]

    def _fill(self, base: float, rows: int, device: torch.device) -> None:
        if base == self._base and rows <= len(self._cosines) and device == self._cosines.device:
            return
        width = self.settings.head_width
        # On the CPU, whatever the device: the same angles everywhere.
        powers = torch.arange(0, width, 2, dtype=torch.float32) / width
        angles = torch.outer(torch.arange(rows, dtype=torch.float32), 1.0 / (base**powers))
        both = torch.cat((angles, angles), dim=-1)
        self._cosines, self._sines = both.cos().to(device), both.sin().to(device)
        self._base = base


def rotate(rows: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn `rows` (batch, heads, length, d) by angles (batch or 1, length, d), halves paired."""
    first, second = rows.float().chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    cosines, sines = cosines.unsqueeze(1), sines.unsqueeze(1)
    return (rows.float() * cosines + turned * sines).to(rows.dtype)
