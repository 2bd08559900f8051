"""A stream's integration on disk: the same state after a restart, to the bit.

One safetensors file: keys, values and H-hat of each open block, and in the header what kind of
state it is. Nothing in it is code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omnilive.errors import CheckpointError
from omnilive.nn.checkpoint import Checkpoint
from omnilive.nn.memory_integration import BlockState, ExactState, OpenBlock
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.prefix_cache import Prefix

_FORMAT = 1
_PARTS = ("keys", "values", "globals")


def save_state(path: Path, state: ExactState | BlockState) -> None:
    """Write the state to `path`, replacing what is there as a whole.

    Raises:
        CheckpointError: the file cannot be written.
    """
    from safetensors.torch import save_file

    blocks = (state.block,) if isinstance(state, ExactState) else state.levels
    said = {
        "format": _FORMAT,
        "kind": "exact" if isinstance(state, ExactState) else "blocks",
        "levels": len(blocks),
        "num_clips": state.num_clips,
        "fan_out": 0 if isinstance(state, ExactState) else state.fan_out,
    }
    tensors: dict[str, Tensor] = {}
    for level, block in enumerate(blocks):
        if len(block):
            held = (*block.prefix.tensors(), block.globals)
            for part, tensor in zip(_PARTS, held, strict=True):
                tensors[f"{level}.{part}"] = tensor.detach().cpu().contiguous().clone()
    unfinished = path.with_name(path.name + ".part")
    try:
        save_file(tensors, unfinished, metadata={"omnilive": json.dumps(said)})
        os.replace(unfinished, path)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be written ({error.strerror}); choose another place."
        ) from error


def load_state(path: Path, network: MemoryNetwork) -> ExactState | BlockState:
    """Read a state that `network` can go on from.

    Raises:
        CheckpointError: the file is damaged, of another version, or of a network of other sizes.
    """
    said = _header(path)
    weights = Checkpoint.open(path)
    config, device = network.config.decoder, network.model.device
    groups, width = config.num_key_value_heads, config.head_width
    blocks = []
    tensors = dict(weights.read())
    for level in range(said["levels"]):
        held = [tensors.pop(f"{level}.{part}", None) for part in _PARTS]
        if all(each is None for each in held):
            blocks.append(OpenBlock())
            continue
        keys, values, globals_KC = (_whole(path, each) for each in held)
        fits = (
            keys.shape == values.shape
            and keys.shape == (config.num_layers, groups, keys.shape[-2], width)
            and globals_KC.shape == (len(globals_KC), config.width)
            and keys.dtype == globals_KC.dtype == network.model.dtype
        )
        if not fits:
            raise CheckpointError(
                f"{path} belongs to a memory of other sizes or another precision; "
                "integrate the stream's clips again."
            )
        prefix = Prefix.of_tensors(keys.to(device), values.to(device))
        blocks.append(OpenBlock(prefix, globals_KC.to(device)))
    if tensors:
        raise CheckpointError(f"{path} holds more than its header says; delete it.")
    if said["kind"] == "exact":
        return ExactState(blocks[0])
    return BlockState(tuple(blocks), said["num_clips"], said["fan_out"])


def _header(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            said = json.loads((opened.metadata() or {}).get("omnilive", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged; delete it.") from error
    counts = ("levels", "num_clips", "fan_out")
    usable = (
        isinstance(said, dict)
        and said.get("format") == _FORMAT
        and said.get("kind") in ("exact", "blocks")
        and all(isinstance(said.get(each), int) for each in counts)
        and said["levels"] >= 1
    )
    if not usable:
        raise CheckpointError(f"{path} is no integration state of this version; delete it.")
    return said


def _whole(path: Path, tensor: Tensor | None) -> Tensor:
    if tensor is None or tensor.ndim < 2 or not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(f"{path} is damaged; integrate the stream's clips again.")
    return tensor
