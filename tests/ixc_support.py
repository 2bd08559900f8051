"""A complete tiny checkpoint in the release's layout, made on the spot: random, but loadable."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from omnilive.nn.audio_translation import AudioTranslationConfig, AudioTranslationNetwork
from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.internlm2 import InternLM2Config
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.qwen2 import Qwen2Config
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork
from omnilive.nn.tokenizer_qwen2 import byte_symbols
from reasoning_networks import train_tokenizer

WIDTH = 16  # of memory
RANK = 3  # of the adapter
VOCABULARY = 346  # of the language model
_TARGETS = (
    "attention.wqkv",
    "attention.wo",
    "feed_forward.w1",
    "feed_forward.w2",
    "feed_forward.w3",
)

REASONING = ReasoningConfig(
    decoder=InternLM2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=24_576,
        rms_norm_eps=1e-5,
        rope_theta=1e6,
        rope_factor=2.0,
        plora_rank=4,
        plora_alpha=4.0,
    ),
    tower=ClipConfig(
        width=8, ffn_width=12, num_layers=1, num_heads=2, image_size=560, patch_size=28
    ),
    memory_width=WIDTH,
)
MEMORY = MemoryConfig(
    decoder=Qwen2Config(
        vocab_size=300,
        width=WIDTH,
        ffn_width=24,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=2,
        max_positions=32_768,
    ),
    tower=ClipConfig(width=8, ffn_width=12, num_layers=2, num_heads=2, image_size=32, patch_size=4),
    num_merged=16,
    num_slots=4,
)
AUDIO: dict[str, Any] = {
    "model_type": "qwen2_audio",
    "audio_config": {
        "num_mel_bins": 16,
        "d_model": 16,
        "encoder_ffn_dim": 24,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
    },
    "text_config": {
        # As wide as the ids of the marks around sound and turns need it.
        "vocab_size": 151_656,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
}


def official_tree(into: Path) -> Path:
    """Write `base/ adapter/ audio/ memory/` into `into`, a folder of its own; returns it."""
    shutil.copytree(_made(), into, dirs_exist_ok=True)
    return into


@cache
def _made() -> Path:
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="omnilive-ixc-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _write_base(folder / "base")
    _write_adapter(folder / "adapter")
    _write_memory(folder / "memory")
    _write_audio(folder / "audio")
    return folder


def _write_base(folder: Path) -> None:
    folder.mkdir()
    train_tokenizer(folder)
    (folder / "sentences.txt").unlink()
    (folder / "tokenizer.vocab").unlink()
    values = REASONING.as_dict()
    tower = values.pop("vision_config")
    values |= {"model_type": "internlm2", "bias": False}
    _write_json(folder / "config.json", values)
    (folder / "IXC2d5_clip_l_560").mkdir()
    _write_json(folder / "IXC2d5_clip_l_560" / "config.json", tower)
    state = random_state(ReasoningNetwork(REASONING), seed=1)
    names = sorted(state)
    shards = {f"pytorch_model-0000{n}-of-00002.bin": names[n - 1 :: 2] for n in (1, 2)}
    for shard, held in shards.items():
        torch.save({name: state[name] for name in held}, folder / shard)
    places = {name: shard for shard, held in shards.items() for name in held}
    _write_json(folder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": places})


def _write_adapter(folder: Path) -> None:
    folder.mkdir()
    _write_json(
        folder / "adapter_config.json",
        {
            "peft_type": "LORA",
            "r": RANK,
            "lora_alpha": 2 * RANK,
            "bias": "none",
            "target_modules": list(_TARGETS),
            "modules_to_save": ["video_mem_proj"],
            "task_type": "CAUSAL_LM",
        },
    )
    generator = torch.Generator().manual_seed(2)
    held: dict[str, Tensor] = {}
    for name, each in ReasoningNetwork(REASONING).state_dict().items():
        if name.endswith(tuple(f"{target}.weight" for target in _TARGETS)):
            stem = "base_model.model." + name.removesuffix(".weight")
            outputs, inputs = each.shape
            held[f"{stem}.lora_A.weight"] = _noise((RANK, inputs), 0.2, generator)
            held[f"{stem}.lora_B.weight"] = _noise((outputs, RANK), 0.2, generator)
        elif name.startswith("video_mem_proj."):
            held[f"base_model.model.{name}"] = _noise(each.shape, 0.3, generator)
    save_file(held, folder / "adapter_model.safetensors")


def _write_memory(folder: Path) -> None:
    folder.mkdir()
    _write_json(folder / "config.json", MEMORY.to_dict())
    save_file(random_state(MemoryNetwork(MEMORY), seed=3), folder / "model.safetensors")
    _write_bytes_tokenizer(folder)


def _write_audio(folder: Path) -> None:
    folder.mkdir()
    _write_json(folder / "config.json", AUDIO)
    network = AudioTranslationNetwork(AudioTranslationConfig.from_dict(AUDIO))
    save_file(random_state(network, seed=4), folder / "model.safetensors")
    _write_bytes_tokenizer(folder)


def _write_bytes_tokenizer(folder: Path) -> None:
    """The 256 bytes and a few merges, in the files that Qwen2 has."""
    merges = [("t", "h"), ("th", "e"), ("i", "n")]
    tokens = [*byte_symbols(), *("".join(pair) for pair in merges)]
    _write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def random_state(network: nn.Module, *, seed: int) -> dict[str, Tensor]:
    """Weights in which every parameter matters, in float32."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, held in network.state_dict().items():
        scale = 1.0 if "embed" in name else 0.2
        if held.ndim > 1 and "embed" not in name:
            scale = (0.4 if "Plora" in name else 1.3) / held[0].numel() ** 0.5
        state[name] = _noise(held.shape, scale, generator)
        if name.endswith("norm.weight") or "layernorm.weight" in name or "_norm.weight" in name:
            state[name] += 1.0
    return state


def _noise(shape: Any, scale: float, generator: torch.Generator) -> Tensor:
    return torch.randn(tuple(shape), generator=generator) * scale


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
