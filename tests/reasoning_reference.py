"""Reading the reference vectors of the reasoning module; nothing about sizes is known here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from omnilive.events import Pixels
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling
from omnilive.nn.tiles import normalise


def folders(root: Path) -> list[Path]:
    """The configurations of the reasoning module anywhere under `root`."""
    return [
        path.parent
        for path in sorted(root.rglob("cases.json"))
        if (path.parent / "config.json").is_file()
        and said(path.parent / "config.json").get("model_type") == "internlm2"
    ]


def adapters(root: Path) -> list[Path]:
    """The adapters with cases anywhere under `root`."""
    return [
        path.parent
        for path in sorted(root.rglob("adapter_config.json"))
        if (path.parent / "cases.json").is_file()
    ]


def said(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def formula(height: int, width: int, seed: int) -> Pixels:
    """The made-up picture of the vectors."""
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    planes = []
    for k in range(3):
        value = x * (3 + k) + y * (5 + 2 * k) + (x * y) // (7 + k + seed) + seed * 37 + k * 61
        planes.append(np.minimum(255, np.abs((value // (2 + k)) % 512 - 256)))
    return np.stack(planes, axis=-1).astype(np.uint8)


class FoldedTokenizer:
    """The texts of the cases with their real ids, folded into a tiny vocabulary."""

    def __init__(self, said: Mapping[str, Any], vocab_size: int) -> None:
        self.begin = 1
        self._ids: dict[str, list[int]] = {"": []}
        for case in (*said["chat_layout"], *said["memory_prompt"]):
            for segment in case["segments"]:
                if "text" in segment:
                    skipped = 1 if segment["add_special_tokens"] else 0
                    ids = [index % vocab_size for index in segment["real_ids"][skipped:]]
                    self._ids[segment["text"]] = ids

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        return [self.begin] * begin + self._ids[text]


@dataclass(frozen=True)
class Folder:
    """One configuration: its network, its tensors, what `cases.json` says."""

    path: Path
    network: ReasoningNetwork
    tensors: Mapping[str, Tensor]
    said: Mapping[str, Any]
    tokenizer: FoldedTokenizer

    def fresh(self, scaling: Scaling) -> ReasoningNetwork:
        """The network as if it had read nothing yet; bounded by no window."""
        self.network.model.angles.scaling = scaling
        self.network.model.angles.forget()
        self.network.window = 10**9
        return self.network

    @property
    def images(self) -> list[str]:
        return [name for name in self.said if re.fullmatch(r"image_\d+x\d+", name)]

    def picture(self, name: str) -> Tensor:
        made = self.said[name]
        return normalise(formula(made["height"], made["width"], made["formula_seed"]))

    def mixed(self) -> EmbeddedPrompt:
        return EmbeddedPrompt(
            self.tensors["mixed.inputs_embeds"], self.tensors["mixed.im_mask"] > 0
        )

    def memory(self, case: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Overview and clip memory that a memory prompt uses, from the memory module's vectors."""
        found = re.fullmatch(r"(\w+)\.(\w+) of (memory/\w+)", case["overview"])
        assert found is not None, case["overview"]
        held = load_file(self.path.parent.parent / found[3] / "cases.safetensors")
        overview = held[f"{found[1]}.{found[2]}"]
        if case["clip_memory"] is None:
            return overview, None
        which = re.fullmatch(r"rows of clip (\d+) in (\S+)", case["clip_memory"])
        assert which is not None, case["clip_memory"]
        clips = held[which[2]].unflatten(0, (len(overview), -1))
        return overview, clips[int(which[1])]


@cache
def opened(path: Path) -> Folder:
    torch.set_num_threads(1)
    network = ReasoningNetwork.load(path)
    what = said(path / "cases.json")
    return Folder(
        path,
        network,
        load_file(path / "cases.safetensors"),
        what,
        FoldedTokenizer(what, network.config.decoder.vocab_size),
    )


def runs(mask: Tensor) -> list[list[int]]:
    """A mask as [value, length] of each stretch."""
    values, lengths = torch.unique_consecutive(mask.int(), return_counts=True)
    return [list(pair) for pair in zip(values.tolist(), lengths.tolist(), strict=True)]
