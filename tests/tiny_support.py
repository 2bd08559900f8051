"""A checkpoint of the preset tiny, made on the spot: its layout and sizes, random weights."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import torch

from ixc_support import random_state
from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tiny_config import tiny_audio, tiny_memory, tiny_reasoning
from omnilive.training.tokenizers import write_internlm2_tokenizer, write_qwen2_tokenizer

_TEXTS = (
    "This contains a clip sampled in 4 to 16 seconds",
    "Question: What colour was the umbrella in the kitchen?",
    "Is the following string an instruction? Yes No",
    "a small striped cup moves left in the garden and a bell is heard",
)


def tiny_tree(into: Path) -> Path:
    """Write `reasoning/ memory/ audio/` into `into`, a folder of its own; returns it."""
    shutil.copytree(_made(), into, dirs_exist_ok=True)
    return into


@cache
def _made() -> Path:
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="omnilive-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    texts = _TEXTS * 20
    words = {name: write_qwen2_tokenizer(folder / name, texts, 280) for name in ("memory", "audio")}
    pieces = write_internlm2_tokenizer(folder / "reasoning", texts, 330)
    networks = {
        "memory": MemoryNetwork(tiny_memory(words["memory"])),
        "reasoning": ReasoningNetwork(tiny_reasoning(pieces)),
        "audio": AudioTranslationNetwork(tiny_audio(words["audio"])),
    }
    for number, (name, network) in enumerate(networks.items()):
        network.load_state_dict(random_state(network, seed=number))
        network.save(folder / name, dtype=torch.float16)
    return folder
