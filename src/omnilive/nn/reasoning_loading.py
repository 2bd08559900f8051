"""The reasoning module from its files, ready to answer: adapter, precision and device in one call.

The order matters. An adapter is checked before anything changes and goes into the float weights
before they are rounded to 8 bits; rounding happens in main memory, so that a card which only the
8-bit weights fit is never asked for more.
"""

from __future__ import annotations

from pathlib import Path

import torch

from omnilive.nn.adapter import Adapter
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling


def load_reasoning(
    folder: Path,
    *,
    adapter: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    eight_bit: bool = False,
    scaling: Scaling = Scaling.PER_TEXT,
) -> ReasoningNetwork:
    """Load the release's `base` (with or without its `adapter`), `merge_lora`, or our own format.

    Args:
        folder: configuration and weights.
        adapter: a LoRA adapter in PEFT's layout, merged while loading.
        device: where the network works.
        dtype: of the activations and of all weights that are not in 8 bits; the file's if None.
        eight_bit: hold the decoder's plain weights in 8 bits.
        scaling: what happens past the plain rotary positions.

    Raises:
        CheckpointError: something is missing, damaged or does not fit.
    """
    opened = None if adapter is None else Adapter.open(adapter)
    in_memory = eight_bit or opened is not None
    network = ReasoningNetwork.load(
        folder, device="cpu" if in_memory else device, dtype=dtype, scaling=scaling
    )
    if opened is not None:
        opened.merge_into(network)
    if eight_bit:
        network.to_eight_bit()
    return network.to(device)
