"""The paper's memory network, as memory's parts use it: pictures, texts and arrays in and out.

torch is only imported when a network is loaded. Values of the network (features, states) are passed
around by memory's parts without being looked into.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import BackendError
from omnilive.events import Pixels, Tokens
from omnilive.memory.clip_tokens import ChildTokens
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.nn.places import need_packages, place_of

if TYPE_CHECKING:
    from torch import Tensor

    from omnilive.nn.memory_integration import OpenBlock
    from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
    from omnilive.nn.pool_projector import FrameFeatures
    from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer

_TOLD_APART_BY = "model.norm.weight"
_MOST_QUESTION_TOKENS = 512


class Compressed(NamedTuple):
    """H (rows, width) and H-hat (width,) of a clip, on the CPU."""

    short_term: Tokens
    global_memory: NDArray[np.float32]


class LearnedMemory:
    """One network with its tokenizer, shared by all streams and by the threads of two stages.

    Attributes:
        network: the network; it keeps nothing between two calls.
        model: a name that two networks of other weights do not share.
        width: numbers in a vector.
        window: positions that integration and question may take together.
    """

    def __init__(
        self, network: MemoryNetwork, tokenizer: Qwen2Tokenizer, model: str, pixels: str
    ) -> None:
        self.network = network
        self.model = model
        self.width = network.config.decoder.width
        self.window = network.config.window
        self._tokenizer = tokenizer
        self._pixels = pixels

    @classmethod
    def load(cls, config: CompressorConfig) -> LearnedMemory:
        """Load the network that a configuration names.

        Raises:
            BackendError: a package is missing.
            ConfigError: the device is not there.
            CheckpointError: weights or tokenizer are missing, damaged or of another network.
        """
        need_packages()
        from omnilive.nn.memory_network import MemoryNetwork
        from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer

        folder = Path(config.weights).expanduser()
        tokenizer = Qwen2Tokenizer.load(
            Path(config.tokenizer).expanduser() if config.tokenizer else folder
        )
        place = place_of(config.place, "memory.compressor.place")
        network = MemoryNetwork.load(folder, dtype=place.torch_dtype(), device=place.device)
        return cls(network, tokenizer, _name(folder, network), config.pixels)

    # --- clips --------------------------------------------------------------------------

    def see(self, pixels: Pixels) -> FrameFeatures:
        """Return what the tower and the projector make of one frame.

        Raises:
            BackendError: the frame is no picture that anything can be seen on.
        """
        import torch

        from omnilive.nn.clip_pixels import PixelPath, tower_pixels

        path = {
            "squash": PixelPath.LIVE_SQUASH,
            "crop": PixelPath.OFFLINE_CROP,
            "whole": PixelPath.WHOLE,
        }[self._pixels]
        size = self.network.config.tower.image_size
        with torch.no_grad():
            return self.network.see(
                tower_pixels([pixels], path, size=size).to(self.network.model.dtype)
            )

    def compress(
        self, frames: Sequence[FrameFeatures], start_ns: int, end_ns: int, origin: tuple[str, int]
    ) -> Compressed:
        """Return the memories of a clip; `origin` is what its seconds count from."""
        from omnilive.nn.clip_text import TimeOrigin, clip_text
        from omnilive.nn.memory_rows import ClipInput
        from omnilive.nn.pool_projector import FrameFeatures

        text = clip_text(start_ns, end_ns, TimeOrigin(*origin))
        ids = tuple(self._tokenizer.encode(text))
        clip = self.network.compress_clip(ClipInput(ids, FrameFeatures.joined(list(frames))))
        short_term = clip.short_term.float().cpu().numpy()
        if not np.isfinite(short_term).all() or np.abs(short_term).max() > np.finfo(np.float16).max:
            raise BackendError(
                "The compressor made numbers that do not fit into 16 bits; "
                "check the weights, or set another memory.compressor.place.dtype."
            )
        return Compressed(short_term.astype(np.float16), clip.global_memory.float().cpu().numpy())

    # --- integration --------------------------------------------------------------------

    def empty_block(self) -> OpenBlock:
        """Return a block without children."""
        from omnilive.nn.memory_integration import OpenBlock

        return OpenBlock()

    def grown(self, block: OpenBlock, tokens: Sequence[ChildTokens]) -> OpenBlock:
        """Return the block with more children.

        Raises:
            BackendError: the block would not fit the network's window.
        """
        return block.grown(self.network, [self._encoded(each) for each in tokens])

    def long_term(self, block: OpenBlock) -> Tensor:
        """Return H-bar of a block, (children, width)."""
        return block.long_term(self.network)

    def rows(self, long_term: Tensor) -> Tokens:
        """Return H-bar as it is stored."""
        return long_term.float().cpu().numpy().astype(np.float16)

    def as_array(self, long_term: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return several H-bars one after the other, (rows, width)."""
        parts = [each.float().cpu().numpy() for each in long_term]
        return np.concatenate([np.zeros((0, self.width), dtype=np.float32), *parts])

    # --- questions ----------------------------------------------------------------------

    def question(self, long_term: Sequence[Sequence[Tensor]], text: str) -> NDArray[np.float32]:
        """Return the question's vector behind each memory, as unit rows (memories, width).

        Args:
            long_term: the parts of each memory.
            text: the question.

        Raises:
            BackendError: the question has no words, or its vector no direction.
        """
        import torch

        # Words beyond any question that was trained on add nothing but time.
        ids = self._tokenizer.encode(text)[:_MOST_QUESTION_TOKENS]
        found: Any = self.network.question_vectors(
            [torch.cat(list(parts)) for parts in long_term], [ids] * len(long_term)
        )
        vectors = torch.nn.functional.normalize(found.float(), dim=-1).cpu().numpy()
        if not np.isfinite(vectors).all():
            raise BackendError("The question's vector is no number; check the memory's weights.")
        return np.asarray(vectors, dtype=np.float32)

    def _encoded(self, tokens: ChildTokens) -> EncodedClip:
        import torch

        from omnilive.nn.memory_network import EncodedClip

        model = self.network.model
        both = [torch.from_numpy(each.copy()).to(model.device, model.dtype) for each in tokens]
        return EncodedClip(both[0], both[1])


def load_learned_memory(config: CompressorConfig) -> LearnedMemory | None:
    """Return the network that a configuration names; None if it names none."""
    return LearnedMemory.load(config) if config.weights else None


def _name(folder: Path, network: MemoryNetwork) -> str:
    """Return a name from sizes and some of the numbers as they lie in the file."""
    import torch

    from omnilive.nn.checkpoint import Checkpoint

    ((_, norm),) = Checkpoint.open(folder).read([_TOLD_APART_BY])
    digest = hashlib.sha256(norm.to(torch.float32).numpy().tobytes()).hexdigest()[:12]
    decoder = network.config.decoder
    return f"ixc-memory-{decoder.num_layers}x{decoder.width}-{digest}"
