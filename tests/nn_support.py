"""Tiny random networks for tests of `omnilive.nn`; nothing here needs a file."""

from __future__ import annotations

import torch
from torch import Tensor

from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_rows import ClipInput
from omnilive.nn.qwen2 import Qwen2Config

SIZE = 8  # pixels along a side

MEMORY = MemoryConfig(
    decoder=Qwen2Config(
        vocab_size=50,
        width=16,
        ffn_width=24,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=2,
        max_positions=4096,
    ),
    tower=ClipConfig(
        width=8, ffn_width=12, num_layers=2, num_heads=2, image_size=SIZE, patch_size=2
    ),
    num_merged=4,
    num_slots=4,
    window=4096,
)


def memory_network(config: MemoryConfig = MEMORY, seed: int = 7) -> MemoryNetwork:
    """A network in which every parameter matters."""
    torch.set_num_threads(1)
    network = MemoryNetwork(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.ndim > 1 and "embed" not in name:
                parameter.copy_(noise * 1.3 / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(noise * (1.0 if "embed" in name else 0.2))
    return network.eval()


def frames(count: int, seed: int = 1) -> Tensor:
    """Normalised frames, (count, 3, SIZE, SIZE)."""
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def clip_input(network: MemoryNetwork, num_frames: int, seed: int = 1) -> ClipInput:
    text = tuple((seed * 7 + position) % 50 for position in range(3 + seed % 4))
    with torch.no_grad():
        return ClipInput(text, network.see(frames(num_frames, seed)))


def encoded_clips(
    count: int, *, rows: int = 8, seed: int = 3, width: int = 16
) -> list[EncodedClip]:
    """Memories of clips, without having seen any."""
    generator = torch.Generator().manual_seed(seed)
    return [
        EncodedClip(
            torch.randn(rows, width, generator=generator), torch.randn(width, generator=generator)
        )
        for _ in range(count)
    ]
