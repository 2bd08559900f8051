"""Sizes of the memory module, as its original `config.json` states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnilive.errors import CheckpointError
from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.qwen2 import Qwen2Config

_KNOWN_TOWER = "clip-vit-large-patch14"
MOST_FRAMES = 16
"""Frames of a full clip (paper, section 3.2)."""
TEMPERATURE = 0.1
"""Of the softmax over cosines, in training and in the release's scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """Sizes of the memory module; the defaults are those of the release.

    Attributes:
        decoder: the causal decoder.
        tower: the vision tower.
        tower_layer: hidden layer of the tower that is read.
        num_merged: N, merged patches a frame (`resolution` in the file).
        num_slots: P, slots a frame (`pool_num` in the file).
        window: positions that the decoder was trained for.
    """

    decoder: Qwen2Config = field(default_factory=Qwen2Config)
    tower: ClipConfig = field(default_factory=ClipConfig)
    tower_layer: int = -2
    num_merged: int = 64
    num_slots: int = 4
    window: int = 32_768

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MemoryConfig:
        """Read an original `config.json`.

        Raises:
            CheckpointError: it is of another network, or sizes are missing or do not fit.
        """
        if values.get("mm_projector_type") != "pool":
            raise CheckpointError(
                "This is no configuration of the memory module: its projector is not 'pool'."
            )
        if values.get("mm_vision_select_feature", "patch") != "patch":
            raise CheckpointError("The memory module reads patches; this one asks for more.")
        decoder = Qwen2Config.from_dict(values)
        try:
            config = cls(
                decoder=decoder,
                tower=_tower(values),
                tower_layer=int(values.get("mm_vision_select_layer", -2)),
                num_merged=int(values["resolution"]),
                num_slots=int(values["pool_num"]),
                window=min(
                    decoder.max_positions,
                    int(values.get("tokenizer_model_max_length") or decoder.max_positions),
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"The memory's configuration has no usable {error}.") from error
        if config.tower.grid % 2 or config.num_merged != (config.tower.grid // 2) ** 2:
            raise CheckpointError(
                f"The vision tower gives {(config.tower.grid // 2) ** 2} vectors a frame, "
                f"the memory's configuration says {config.num_merged}."
            )
        return config

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under their original names; `from_dict` reads them back."""
        decoder, tower = self.decoder, self.tower
        return {
            "architectures": ["GroundQwenForCausalLM"],
            "model_type": "ground_qwen",
            "vocab_size": decoder.vocab_size,
            "hidden_size": decoder.width,
            "intermediate_size": decoder.ffn_width,
            "num_hidden_layers": decoder.num_layers,
            "num_attention_heads": decoder.num_heads,
            "num_key_value_heads": decoder.num_key_value_heads,
            "hidden_act": "silu",
            "rope_theta": decoder.rope_theta,
            "rms_norm_eps": decoder.norm_eps,
            "max_position_embeddings": decoder.max_positions,
            "tie_word_embeddings": decoder.tie_embeddings,
            "mm_projector_type": "pool",
            "mm_hidden_size": tower.width,
            "mm_vision_select_layer": self.tower_layer,
            "mm_vision_select_feature": "patch",
            "resolution": self.num_merged,
            "pool_num": self.num_slots,
            "tokenizer_model_max_length": self.window,
            "vision_config": {
                "hidden_size": tower.width,
                "intermediate_size": tower.ffn_width,
                "num_hidden_layers": tower.num_layers,
                "num_attention_heads": tower.num_heads,
                "num_channels": tower.num_channels,
                "image_size": tower.image_size,
                "patch_size": tower.patch_size,
                "hidden_act": tower.activation,
                "layer_norm_eps": tower.norm_eps,
            },
        }


def _tower(values: Mapping[str, Any]) -> ClipConfig:
    if isinstance(values.get("vision_config"), Mapping):
        return ClipConfig.from_dict(values)
    name = str(values.get("mm_vision_tower", ""))
    if name.rstrip("/").endswith(_KNOWN_TOWER):
        return ClipConfig()
    raise CheckpointError(
        "The memory's configuration does not say how large its vision tower is; "
        "add the tower's own configuration as 'vision_config'."
    )
