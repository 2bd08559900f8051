"""Cuts as the release makes them: where SigLIP sees another picture than in the frame before.

The network is stock (`google/siglip-so400m-patch14-384` in the release) and comes from a folder on
disk. One network serves all streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import BackendError, CheckpointError
from omnilive.events import Pixels
from omnilive.nn.ixc_config import PlaceConfig
from omnilive.nn.places import Place, need_packages, place_of

if TYPE_CHECKING:
    from transformers import SiglipVisionModel


@dataclass(frozen=True, kw_only=True)
class SiglipConfig:
    """Which network, and what counts as another picture.

    Attributes:
        weights: folder of a SigLIP checkpoint, with its `config.json`.
        place: where it works, in which precision.
        cosine: two frames of at most this are two scenes.
    """

    weights: str = ""
    place: PlaceConfig = field(default_factory=PlaceConfig)
    cosine: float = 0.9

    def __post_init__(self) -> None:
        if not -1 <= self.cosine <= 1:
            raise ValueError("cosine must be between -1 and 1.")


class FrameEmbedder(Protocol):
    """Turns a frame into a vector whose cosine says how alike two frames are."""

    def embed(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return a unit vector."""
        ...


class SiglipEmbedder:
    """The pooled feature of SigLIP's vision tower."""

    def __init__(self, network: SiglipVisionModel, place: Place) -> None:
        self._network = network
        self._place = place
        self._size = int(cast(int, network.config.image_size))

    @classmethod
    def load(cls, config: SiglipConfig) -> SiglipEmbedder:
        """Load the network that a configuration names.

        Raises:
            BackendError: a package is missing, or no folder is named.
            ConfigError: the device is not there.
            CheckpointError: the folder holds no SigLIP, or only part of one.
        """
        if not config.weights:
            raise BackendError(
                'seeing.clips.cuts = "siglip" needs the folder of a SigLIP checkpoint: '
                'set seeing.clips.siglip.weights, or use "adaptive".'
            )
        need_packages()
        try:
            from transformers import SiglipVisionModel
        except ImportError as error:
            raise BackendError(
                'SigLIP needs transformers: run `pip install "omnilive[nn]"`, '
                'or set seeing.clips.cuts = "adaptive".'
            ) from error
        place = place_of(config.place, "seeing.clips.siglip.place")
        folder = Path(config.weights).expanduser()
        try:
            loaded = SiglipVisionModel.from_pretrained(
                str(folder),
                local_files_only=True,
                output_loading_info=True,
                dtype=place.torch_dtype(),
            )
        except Exception as error:  # the library raises whatever a damaged folder leads to
            raise CheckpointError(
                f"{folder} holds no SigLIP checkpoint that can be read; fetch it again."
            ) from error
        network, report = cast("tuple[Any, dict[str, object]]", loaded)
        if report["missing_keys"] or report.get("mismatched_keys"):
            raise CheckpointError(
                f"The SigLIP checkpoint in {folder} is not whole; fetch it again."
            )
        return cls(network.to(place.device).eval().requires_grad_(False), place)

    def embed(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the pooled feature of a frame as a unit vector."""
        import torch
        from PIL import Image

        size = (self._size, self._size)
        picture = Image.fromarray(np.ascontiguousarray(pixels)).resize(
            size, Image.Resampling.BICUBIC
        )
        # To -1..1, as the checkpoint's own processor does.
        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        values = values.to(self._place.device, self._place.torch_dtype())
        with torch.no_grad():
            pooled = self._network(pixel_values=values).pooler_output[0].float()
        vector = torch.nn.functional.normalize(pooled, dim=0).cpu().numpy()
        return np.asarray(vector, dtype=np.float32)


class SiglipCuts:
    """Decides for one stream whether a frame begins something else."""

    def __init__(self, embedder: FrameEmbedder, cosine: float) -> None:
        self._embedder = embedder
        self._cosine = cosine
        self._before: NDArray[np.float32] | None = None

    def push(self, pixels: Pixels) -> bool:
        """Take the next frame; True if it is not like the one before."""
        vector = self._embedder.embed(pixels)
        before, self._before = self._before, vector
        return before is not None and float(before @ vector) <= self._cosine
