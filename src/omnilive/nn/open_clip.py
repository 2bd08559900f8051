"""A clip whose frames are still coming.

Each frame goes through tower and projector once, when it comes; the clip pass runs once, when the
clip is over, because its text says when that was. The release runs all of it again at every frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from omnilive.errors import BackendError
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_rows import ClipInput
from omnilive.nn.pool_projector import FrameFeatures


class OpenClip:
    """Collects what the frames of one clip give."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._parts: list[FrameFeatures] = []

    @property
    def num_frames(self) -> int:
        """Frames so far."""
        return sum(part.num_frames for part in self._parts)

    def add(self, pixels_TCHW: Tensor) -> None:
        """Take one frame or several; see `MemoryNetwork.see`.

        Raises:
            BackendError: frames of another size, or values that are no numbers; the clip stays as
                it was.
        """
        with torch.no_grad():
            self._parts.append(self._network.see(pixels_TCHW))

    def as_input(self, text_ids: list[int]) -> ClipInput:
        """Return the clip as it is now, to be compressed alone or beside others.

        Raises:
            BackendError: no frame came.
        """
        if not self._parts:
            raise BackendError("A clip needs at least one frame.")
        return ClipInput(tuple(text_ids), FrameFeatures.joined(self._parts))

    def compressed(self, text_ids: list[int]) -> EncodedClip:
        """Return the memories of the clip as it is now; see `as_input`."""
        return self._network.compress_clip(self.as_input(text_ids))
