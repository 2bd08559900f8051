"""From patches of frames to what the memory's decoder reads of a clip (paper, section 3.2).

Patches are merged two by two (top left, top right, bottom left, bottom right, on the channels),
which leaves N vectors a frame. A clip of T frames gives T N of them, then P slots a frame (means
over the windows of its merged map), then one mean over everything; pooling comes before the MLP,
and the MLP works on each vector alone. So a frame's part depends on that frame only, and a clip
can be put together while its frames arrive.

Shapes: T frames, L patches and N merged patches a frame, P slots a frame, E channels of a merged
patch, C width of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from omnilive.errors import BackendError, CheckpointError


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What the frames of a clip give, in order: what the decoder reads, and what the mean needs.

    Attributes:
        patches: (T, N, C), projected.
        slots: (T, P, C), projected.
        means: (T, E), the mean of each frame's merged patches, not yet projected.
    """

    patches: Tensor
    slots: Tensor
    means: Tensor

    @property
    def num_frames(self) -> int:
        """T."""
        return self.patches.shape[0]

    @staticmethod
    def joined(parts: list[FrameFeatures]) -> FrameFeatures:
        """Return the features of all parts, one after the other."""
        return FrameFeatures(
            torch.cat([part.patches for part in parts]),
            torch.cat([part.slots for part in parts]),
            torch.cat([part.means for part in parts]),
        )

    def frames(self, start: int, end: int) -> FrameFeatures:
        """Return the features of some of the frames."""
        return FrameFeatures(self.patches[start:end], self.slots[start:end], self.means[start:end])


def merge_patches(patches_TLD: Tensor) -> Tensor:
    """Concatenate each 2 x 2 neighbouring patches on their channels; (T, N, E) with E = 4 D.

    Raises:
        BackendError: the patches are no square map of an even side.
    """
    num_frames, num_patches, width = patches_TLD.shape
    side = round(num_patches**0.5)
    if side * side != num_patches or side % 2:
        raise BackendError(f"{num_patches} patches are no square map of an even side.")
    half = side // 2
    squares = patches_TLD.view(num_frames, half, 2, half, 2, width)
    # (row in the square, column in the square, channel) becomes the new channel axis.
    return squares.permute(0, 1, 3, 2, 4, 5).reshape(num_frames, half * half, 4 * width)


class PoolProjector(nn.Module):
    """Pools merged patches, then brings everything to the memory's width: linear, GELU, linear."""

    def __init__(self, *, merged_width: int, width: int, num_merged: int, num_slots: int) -> None:
        super().__init__()
        self.side = round(num_merged**0.5)
        self.slot_side = round(num_slots**0.5)
        if self.side**2 != num_merged or self.slot_side**2 != num_slots:
            raise CheckpointError(
                f"{num_merged} vectors and {num_slots} slots a frame are no square maps."
            )
        if self.side % self.slot_side:
            raise CheckpointError(
                f"A map of {self.side} x {self.side} cannot be cut into {num_slots} equal windows."
            )
        self.mlp = nn.Sequential(nn.Linear(merged_width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, merged_TNE: Tensor) -> FrameFeatures:
        """Return what frames give, each by itself."""
        num_frames, num_merged, width = merged_TNE.shape
        if num_merged != self.side**2:
            raise BackendError(
                f"The projector takes {self.side**2} vectors a frame, not {num_merged}."
            )
        window = self.side // self.slot_side
        windows = merged_TNE.view(num_frames, self.slot_side, window, self.slot_side, window, width)
        slots_TPE = windows.mean(dim=(2, 4)).flatten(1, 2)
        both = self.mlp(torch.cat([merged_TNE, slots_TPE], dim=1))
        return FrameFeatures(both[:, :num_merged], both[:, num_merged:], merged_TNE.mean(dim=1))

    def whole_clip(self, features: FrameFeatures) -> Tensor:
        """Return the vector of the mean over all patches of all frames, (1, C)."""
        # Frames have equally many patches, so the mean of their means is the mean of all.
        return self.mlp(features.means.mean(dim=0, keepdim=True))
