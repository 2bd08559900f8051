"""A small random reasoning module and a small tokenizer, made on the spot."""

from __future__ import annotations

from pathlib import Path

import torch

from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.internlm2 import InternLM2Config
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork
from omnilive.nn.rotary import Scaling

SENTENCES = (
    "the red box stands on the table behind the green lamp",
    "somebody puts a cup of tea beside the open window",
    "is the following string an instruction yes or no",
    "question here is the question related video clip and memory",
)


def config(*, positions: int = 512, vocab: int = 90, memory: int = 20) -> ReasoningConfig:
    return ReasoningConfig(
        decoder=InternLM2Config(
            vocab_size=vocab,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            rms_norm_eps=1e-5,
            rope_theta=10_000.0,
            rope_factor=2.0,
            plora_rank=4,
            plora_alpha=8.0,
        ),
        tower=ClipConfig(
            width=8, ffn_width=12, num_layers=2, num_heads=2, image_size=560, patch_size=14
        ),
        memory_width=memory,
    )


def network(
    made: ReasoningConfig | None = None, *, seed: int = 3, scaling: Scaling = Scaling.PER_TEXT
) -> ReasoningNetwork:
    """Random weights, large enough that every parameter matters."""
    torch.set_num_threads(1)
    held = ReasoningNetwork(made or config(), scaling).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in held.named_parameters():
        # Two factors make a branch: as large as the plain weights they would drown them.
        scale = (
            (0.4 if "Plora" in name else 1.3) / parameter.shape[-1] ** 0.5
            if parameter.ndim > 1
            else 0.2
        )
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        if name.endswith("norm.weight"):
            parameter.add_(1.0)
    return held


def prompt(held: ReasoningNetwork, length: int, *, seed: int = 5) -> EmbeddedPrompt:
    """Random rows, the middle third of them masked as a picture is."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(1, length, held.config.decoder.hidden_size, generator=generator)
    mask = torch.zeros(1, length, dtype=torch.bool)
    mask[:, length // 3 : 2 * length // 3] = True
    return EmbeddedPrompt(rows, mask)


def train_tokenizer(folder: Path, *, vocab: int = 90) -> Path:
    """Train a sentencepiece model like the release's: no prefix space, bytes for the unknown."""
    from sentencepiece import SentencePieceTrainer

    text = folder / "sentences.txt"
    text.write_text("\n".join(SENTENCES * 20), encoding="utf-8")
    SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=vocab + 256,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=["[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]", "\n"],
        minloglevel=2,
    )
    return folder / "tokenizer.model"
