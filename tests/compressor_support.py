"""A tiny random-weight memory network on disk, and the settings that use it. Needs torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nn_support import MEMORY, memory_network
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.memory.learned import LearnedMemory
from omnilive.nn.ixc_config import PlaceConfig
from omnilive.nn.memory_config import MemoryConfig as NetworkConfig
from omnilive.nn.memory_network import MemoryNetwork

WIDTH = MEMORY.decoder.width
CONFIG: NetworkConfig = replace(MEMORY, decoder=replace(MEMORY.decoder, vocab_size=256))


def network(seed: int = 7, window: int = CONFIG.window) -> MemoryNetwork:
    return memory_network(replace(CONFIG, window=window), seed)


def weights(folder: Path, seed: int = 7, window: int = CONFIG.window) -> Path:
    """Write a checkpoint whose tokenizer knows single bytes only; returns its folder."""
    network(seed, window).save(folder)
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return folder


def settings(folder: Path, **changes: object) -> CompressorConfig:
    """Settings of that checkpoint; every cosine is selected unless `changes` say otherwise."""
    place = PlaceConfig(device="cpu", dtype="float32")
    chosen = {"weights": str(folder), "place": place, "min_cosine": -1.0} | changes
    return CompressorConfig(**chosen)  # type: ignore[arg-type]


def learned(folder: Path, **changes: object) -> LearnedMemory:
    return LearnedMemory.load(settings(weights(folder), **changes))
