"""Sizes of the tiny system: the paper's three networks, small enough to be trained on two cores.

    memory      tower 5 x 96 on 96 x 96 pixels (16 vectors a frame), decoder 4 x 128, P = 4 slots
    reasoning   a tower of the same size, language model 4 x 192, picture branches of rank 16
    audio       encoder 4 x 144 on 80 mel bins (10 s at once), decoder 2 x 128

All together stay below 10 million numbers and 20 MB in 16 bits at the vocabularies they are
trained with (a test counts them).
"""

from __future__ import annotations

from omnilive.nn.audio_encoder import AudioEncoderConfig
from omnilive.nn.audio_translation import AudioMarks, AudioTranslationConfig
from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.internlm2 import InternLM2Config
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.qwen2 import Qwen2Config
from omnilive.nn.reasoning_network import ReasoningConfig

IMAGE_SIZE = 96
MEMORY_WIDTH = 128
TOWER = ClipConfig(
    width=96, ffn_width=384, num_layers=5, num_heads=4, image_size=IMAGE_SIZE, patch_size=12
)
_POSITIONS = 4096
_ROTARY_BASE = 10_000.0
_NORM_EPS = 1e-6
_NUM_MARKS = 5


def tiny_memory(vocab: int) -> MemoryConfig:
    """Return the sizes of the memory module for a tokenizer of `vocab` ids."""
    return MemoryConfig(
        decoder=Qwen2Config(
            vocab_size=vocab,
            width=MEMORY_WIDTH,
            ffn_width=384,
            num_layers=4,
            num_heads=4,
            num_key_value_heads=2,
            rope_theta=_ROTARY_BASE,
            norm_eps=_NORM_EPS,
            max_positions=_POSITIONS,
            tie_embeddings=True,
        ),
        tower=TOWER,
        tower_layer=-2,
        num_merged=(TOWER.grid // 2) ** 2,
        num_slots=4,
        window=_POSITIONS,
    )


def tiny_reasoning(vocab: int, *, memory_width: int = MEMORY_WIDTH) -> ReasoningConfig:
    """Return the sizes of the reasoning module for a tokenizer of `vocab` pieces."""
    return ReasoningConfig(
        decoder=InternLM2Config(
            vocab_size=vocab,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=_POSITIONS,
            rms_norm_eps=_NORM_EPS,
            rope_theta=_ROTARY_BASE,
            rope_factor=2.0,
            plora_rank=16,
            plora_alpha=16.0,
        ),
        tower=TOWER,
        memory_width=memory_width,
    )


def tiny_audio(vocab: int) -> AudioTranslationConfig:
    """Return the sizes of the audio module for a tokenizer of `vocab` ids, then the marks."""
    return AudioTranslationConfig(
        encoder=AudioEncoderConfig(
            num_bins=80, width=144, ffn_width=576, num_layers=4, num_heads=4, max_positions=500
        ),
        decoder=Qwen2Config(
            vocab_size=vocab + _NUM_MARKS,
            width=128,
            ffn_width=384,
            num_layers=2,
            num_heads=4,
            num_key_value_heads=2,
            rope_theta=_ROTARY_BASE,
            norm_eps=_NORM_EPS,
            max_positions=_POSITIONS,
            tie_embeddings=True,
        ),
        marks=AudioMarks(
            text_end=vocab,
            turn_start=vocab + 1,
            turn_end=vocab + 2,
            sound_start=vocab + 3,
            sound_end=vocab + 4,
        ),
    )
