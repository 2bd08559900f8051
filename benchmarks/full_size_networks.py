"""Sizes of the paper's networks for `full_size.py`, real ones and toys, and ids without words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.internlm2 import InternLM2Config
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.qwen2 import Qwen2Config
from omnilive.nn.reasoning_network import ReasoningConfig

OVERVIEW, CLIPS, ROWS = 94, 4, 64


@dataclass(frozen=True)
class Sizes:
    """Of the three networks; `canvas` frames of 16:9 are shown, which makes `picture_rows`."""

    reasoning: ReasoningConfig
    memory: MemoryConfig
    audio: dict[str, Any]
    canvas: int
    picture_rows: int

    @property
    def prompt_rows(self) -> int:
        """Of pictures and memory together."""
        return self.picture_rows + OVERVIEW + CLIPS * ROWS


FULL = Sizes(
    ReasoningConfig(
        InternLM2Config(92_544, 4096, 14_336, 32, 32, 8, 24_576, 1e-5, 1e6, 2.0, 256, 256.0),
        ClipConfig(image_size=560),
    ),
    MemoryConfig(),
    {
        "text_config": {
            "vocab_size": 156_032,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 8192,
            "tie_word_embeddings": True,
        }
    },
    canvas=14,
    picture_rows=4201,
)
_SMALL_TOWER = ClipConfig(width=8, ffn_width=8, num_layers=1, num_heads=1, patch_size=56)
TINY = Sizes(
    ReasoningConfig(
        InternLM2Config(400, 32, 48, 2, 4, 2, 24_576, 1e-5, 1e6, 2.0, 4, 4.0),
        replace(_SMALL_TOWER, image_size=560),
        memory_width=16,
    ),
    MemoryConfig(
        decoder=Qwen2Config(
            vocab_size=300, width=16, ffn_width=16, num_layers=1, num_heads=2, num_key_value_heads=1
        ),
        tower=ClipConfig(
            width=8, ffn_width=8, num_layers=2, num_heads=1, image_size=32, patch_size=4
        ),
        num_merged=16,
    ),
    {
        "audio_config": {
            "num_mel_bins": 16,
            "d_model": 16,
            "encoder_ffn_dim": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 1,
        },
        "text_config": FULL.audio["text_config"]
        | {
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
        },
    },
    canvas=2,
    picture_rows=101,
)


class Ids:
    """Stands for the tokenizers: the words do not matter here, their number does."""

    begin, end = 1, -1  # random weights shall not end an answer

    def __init__(self, size: int) -> None:
        self.vocab_size = size

    def __len__(self) -> int:
        return self.vocab_size

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        ids = [3 + len(word) % 90 for word in text.split()]
        return [self.begin, *ids] if begin else ids

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        del skip_special
        return "".join(f"{index} " for index in ids)

    def id_of(self, piece: str) -> int:
        del piece
        return -1
