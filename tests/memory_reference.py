"""Reading the reference vectors of the memory module; nothing about sizes is known here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from omnilive.nn.checkpoint import Checkpoint, read_config
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.memory_rows import ClipInput

MARKER = -200
"""Stands for the pictures in the token ids of a clip."""


def folders(root: Path) -> list[Path]:
    """The configurations of the memory module anywhere under `root`."""
    found = []
    for path in sorted(root.rglob("cases.json")):
        config = path.parent / "config.json"
        if config.is_file() and json.loads(config.read_text()).get("model_type") == "ground_qwen":
            found.append(path.parent)
    return found


@dataclass(frozen=True)
class Folder:
    """One configuration: its network, its tensors, what `cases.json` says."""

    path: Path
    config: MemoryConfig
    network: MemoryNetwork
    tensors: Mapping[str, Tensor]
    said: Mapping[str, Any]

    def tensor(self, case: str, name: str) -> Tensor:
        return self.tensors[f"{case}.{name}"]

    def pixels(self, case: str) -> Tensor:
        """(clips, frames, 3, S, S) of a case."""
        cut = self.said["cases"][case]["pixels"]
        held = self.tensors["pixels"][slice(*cut["slice"]), slice(*cut["frames"])]
        return held.float()

    def clips(self, case: str) -> list[ClipInput]:
        is_still = bool(self.said["cases"][case]["pixels"].get("squeeze"))
        texts = ids(self.tensor(case, "input_ids"), self.tensor(case, "attention_mask"))
        assert all(text[-1] == MARKER and MARKER not in text[:-1] for text in texts)
        return [
            ClipInput(tuple(text[:-1]), self.network.see(pixels), is_still)
            for text, pixels in zip(texts, self.pixels(case), strict=True)
        ]

    def questions(self, case: str) -> list[list[int]]:
        return ids(self.tensor(case, "qs_ids"), self.tensor(case, "qs_mask"))


def ids(rows: Tensor, mask: Tensor) -> list[list[int]]:
    return [row[kept.bool()].tolist() for row, kept in zip(rows, mask, strict=True)]


@cache
def opened(path: Path) -> Folder:
    torch.set_num_threads(1)
    config = MemoryConfig.from_dict(read_config(path))
    weights = Checkpoint.open(path / "weights.safetensors")
    return Folder(
        path,
        config,
        MemoryNetwork.load_weights(weights, config),
        load_file(path / "cases.safetensors"),
        json.loads((path / "cases.json").read_text()),
    )
