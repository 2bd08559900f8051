"""The networks that are trained, with what only training needs.

memory      tower, projector, decoder               compresses, integrates, finds
reasoning   tower, projectors, language model       answers, tells instructions from talk
audio       encoder, projector, decoder             hears words and sounds
heads       what is thrown away at the end          labels of patches, alignment of words
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.nn.checkpoint import Checkpoint
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tiny_config import tiny_audio, tiny_memory, tiny_reasoning
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.training.audio_heads import AudioHeads, start_encoder
from omnilive.training.patch_heads import PatchHeads
from omnilive.training.slot_heads import SlotHeads
from omnilive.training.texts import audio_texts, memory_texts, reasoning_texts
from omnilive.training.tokenizers import write_internlm2_tokenizer, write_qwen2_tokenizer

_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.model")


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """The tokenizers of the networks, each in the folder that it was loaded from."""

    folder: Path
    memory: Qwen2Tokenizer
    reasoning: InternLM2Tokenizer
    audio: Qwen2Tokenizer

    @classmethod
    def load(cls, folder: Path) -> Tokenizers:
        """Load `memory/`, `reasoning/` and `audio/` of a folder.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        return cls(
            folder,
            Qwen2Tokenizer.load(folder / "memory"),
            InternLM2Tokenizer(folder / "reasoning" / "tokenizer.model"),
            Qwen2Tokenizer.load(folder / "audio"),
        )


def copy_tokenizers(source: Path, target: Path) -> None:
    """Copy the tokenizers' files of a checkpoint (or of a folder like it)."""
    for name in ("memory", "reasoning", "audio"):
        (target / name).mkdir(parents=True, exist_ok=True)
        for file in _TOKENIZER_FILES:
            held = source / name / file
            if held.is_file():
                shutil.copyfile(held, target / name / file)


def make_tokenizers(folder: Path) -> Tokenizers:
    """Make all tokenizers; the same files every time."""
    write_qwen2_tokenizer(folder / "memory", memory_texts(), 900)
    write_internlm2_tokenizer(folder / "reasoning", reasoning_texts(), 1100)
    write_qwen2_tokenizer(folder / "audio", audio_texts(), 960)
    return Tokenizers.load(folder)


class Networks:
    """All networks of one run; parameters in float32."""

    def __init__(self, tokenizers: Tokenizers, *, seed: int = 0) -> None:
        self.tokenizers = tokenizers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.memory = MemoryNetwork(tiny_memory(len(tokenizers.memory)))
            self.reasoning = ReasoningNetwork(tiny_reasoning(tokenizers.reasoning.vocab_size))
            self.audio = AudioTranslationNetwork(tiny_audio(len(tokenizers.audio)))
            self.patch_heads = PatchHeads(self.memory.config.tower.width)
            self.audio_heads = AudioHeads(self.audio.config)
            self.slot_heads = SlotHeads(self.memory.config.decoder.width)
            self.heads = nn.ModuleDict(
                {"patches": self.patch_heads, "slots": self.slot_heads, "audio": self.audio_heads}
            )
            for network in (self.memory, self.reasoning, self.audio):
                _initialise(network)
            start_encoder(self.audio.audio_tower)
        for each in self.modules().values():
            # Data is made without end, so nothing needs dropout; steps stay the same every time.
            each.eval()

    @classmethod
    def create(cls, seed: int) -> Networks:
        """Return new networks; their tokenizers are made from the daily world's texts."""
        folder = Path(tempfile.mkdtemp(prefix="omnilive-tokenizers-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return cls(make_tokenizers(folder), seed=seed)

    def give(self, checkpoint: Path) -> None:
        """Take over the weights of a checkpoint; the heads, which no checkpoint has, stay new.

        Args:
            checkpoint: reasoning/, memory/ and audio/, as `save` writes them.

        Raises:
            CheckpointError: it is damaged, or of networks of other sizes.
        """
        for name, network in (
            ("memory", self.memory),
            ("reasoning", self.reasoning),
            ("audio", self.audio),
        ):
            Checkpoint.open(checkpoint / name).load_into(network, dtype=torch.float32)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks by name."""
        return {
            "memory": self.memory,
            "reasoning": self.reasoning,
            "audio": self.audio,
            "heads": self.heads,
        }

    def parameters(self, *prefixes: str) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield parameters whose name ("memory.model.norm.weight") starts with one of these."""
        for name, network in self.modules().items():
            for key, parameter in network.named_parameters():
                if f"{name}.{key}".startswith(prefixes):
                    yield f"{name}.{key}", parameter

    def save(self, folder: Path) -> None:
        """Write a checkpoint in fp16 that `--weights` takes: reasoning/, memory/, audio/."""
        for name, network in (
            ("memory", self.memory),
            ("reasoning", self.reasoning),
            ("audio", self.audio),
        ):
            network.save(folder / name, dtype=torch.float16)
        copy_tokenizers(self.tokenizers.folder, folder)


def _initialise(network: nn.Module) -> None:
    """Small normal weights, and parts that add to a sum start near zero."""
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            continue
        if "Plora_B" in name:
            nn.init.zeros_(parameter)
        elif "embed" in name or "plora_" in name or "position" in name:
            nn.init.normal_(parameter, std=0.02)
        elif parameter.ndim == 2:
            ends = (
                "o_proj.weight",
                "down_proj.weight",
                "wo.weight",
                "w2.weight",
                "out_proj.weight",
                "fc2.weight",
            )
            gain = 0.5 if name.endswith(ends) else 1.0
            nn.init.normal_(parameter, std=gain * parameter.shape[1] ** -0.5)
