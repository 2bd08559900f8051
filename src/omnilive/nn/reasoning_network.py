"""The reasoning module as one network: CLIP tower, projectors and InternLM2 with picture branches.

Names are those of the release's `base` and `merge_lora`, so their files load as they are.

    picture -> tower -> vision_proj -.
    memory  -> video_mem_proj -------+-> rows with the picture branch -> InternLM2 -> next token
    text    -> tok_embeddings -------'   rows without it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, CheckpointError
from omnilive.nn.checkpoint import Checkpoint, read_config, save_checkpoint
from omnilive.nn.clip_tower import ClipConfig, ClipTower
from omnilive.nn.internlm2 import InternLM2Config, InternLM2Decoder
from omnilive.nn.picture_encoding import encode_picture, encode_pictures
from omnilive.nn.plora import PictureLoraLinear
from omnilive.nn.rotary import Scaling

_EXTRAS = "tiny_extras"
_TOWER_FOLDER = "IXC2d5_clip_l_560"
_RELEASE_TOWER = ClipConfig(image_size=560)


@dataclass(frozen=True, slots=True)
class ReasoningConfig:
    """Sizes of the whole module.

    Attributes:
        decoder: of the language model.
        tower: of the CLIP tower.
        memory_width: of the memory module's vectors.
        begin, end: ids of the start and the end token.
    """

    decoder: InternLM2Config
    tower: ClipConfig
    memory_width: int = 1536
    begin: int = 1
    end: int = 2

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], tower: ClipConfig | None = None
    ) -> ReasoningConfig:
        """Read the fields of the release's `config.json`.

        Sizes that are constants there (rank 256, memory width 1536) may stand under `tiny_extras`.

        Raises:
            CheckpointError: a size is missing or they do not fit one another.
        """
        try:
            extras = values.get(_EXTRAS, {})
            scaling = values.get("rope_scaling") or {"type": "dynamic", "factor": 0.0}
            if scaling["type"] != "dynamic":
                raise CheckpointError(
                    f"The rotary scaling {scaling['type']!r} is unknown; only 'dynamic' is known."
                )
            heads = int(values["num_attention_heads"])
            decoder = InternLM2Config(
                vocab_size=int(values["vocab_size"]),
                hidden_size=int(values["hidden_size"]),
                intermediate_size=int(values["intermediate_size"]),
                num_hidden_layers=int(values["num_hidden_layers"]),
                num_attention_heads=heads,
                num_key_value_heads=int(values.get("num_key_value_heads") or heads),
                max_position_embeddings=int(values["max_position_embeddings"]),
                rms_norm_eps=float(values["rms_norm_eps"]),
                rope_theta=float(values["rope_theta"]),
                rope_factor=float(scaling["factor"]),
                plora_rank=int(extras.get("plora_rank", 256)),
                plora_alpha=float(extras.get("plora_alpha", 256)),
            )
            memory_width = int(extras.get("memory_dim", 1536))
            begin, end = int(values.get("bos_token_id", 1)), int(values.get("eos_token_id", 2))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"The configuration of the reasoning module has no usable {error}."
            ) from error
        if values.get("bias") or values.get("tie_word_embeddings"):
            raise CheckpointError(
                "This network has no biases and an output of its own, unlike this configuration."
            )
        if (
            decoder.hidden_size % heads
            or heads % decoder.num_key_value_heads
            or decoder.head_width % 2
            or decoder.head_width < 4
        ):
            raise CheckpointError("The sizes of the language model do not fit one another.")
        if "vision_config" in values:
            tower = ClipConfig.from_dict(values["vision_config"])
        return cls(decoder, tower or _RELEASE_TOWER, memory_width, begin, end)

    @classmethod
    def of_folder(cls, folder: Path) -> ReasoningConfig:
        """Read the configuration in `folder`, and the tower's beside it as the release has it.

        Raises:
            CheckpointError: one is missing, or its sizes do not fit.
        """
        values = read_config(folder)
        tower = None
        if "vision_config" not in values and (folder / _TOWER_FOLDER / "config.json").is_file():
            tower = ClipConfig.from_dict(read_config(folder / _TOWER_FOLDER))
        return cls.from_dict(values, tower)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        decoder = asdict(self.decoder)
        factor = decoder.pop("rope_factor")
        extras = {name: decoder.pop(name) for name in ("plora_rank", "plora_alpha")}
        tower = self.tower
        return {
            **decoder,
            "rope_scaling": {"type": "dynamic", "factor": factor},
            "bos_token_id": self.begin,
            "eos_token_id": self.end,
            _EXTRAS: {**extras, "memory_dim": self.memory_width},
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


class _Tower(nn.Module):
    """The checkpoint has one more name around the tower."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.vision_tower = ClipTower(config)


class ReasoningNetwork(nn.Module):
    """The reasoning module of IXC2.5-OL.

    Attributes:
        config: its sizes.
        window: the longest text it takes, prompt and answer together; four times the positions of
            the checkpoint (the reach that dynamic scaling was published with) unless set.
    """

    def __init__(self, config: ReasoningConfig, scaling: Scaling = Scaling.PER_TEXT) -> None:
        super().__init__()
        self.config = config
        self.window = 4 * config.decoder.max_position_embeddings
        width, joined = config.decoder.hidden_size, 4 * config.tower.width
        self.plora_glb_GN = nn.Parameter(torch.zeros(1, 1, joined))
        self.plora_sub_GN = nn.Parameter(torch.zeros(1, 1, 1, joined))
        self.model = InternLM2Decoder(config.decoder, scaling)
        self.output = nn.Linear(width, config.decoder.vocab_size, bias=False)
        self.vit = _Tower(config.tower)
        self.vision_proj = _projector(joined, width)
        self.video_mem_proj = _projector(config.memory_width, width)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the activations."""
        return self.model.tok_embeddings.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.model.tok_embeddings.weight.device

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings of token ids, (..., width).

        Raises:
            BackendError: an id outside the vocabulary.
        """
        if (
            ids.numel()
            and not 0 <= int(ids.min()) <= int(ids.max()) < self.config.decoder.vocab_size
        ):
            raise BackendError("A token is outside the vocabulary; is it of another tokenizer?")
        return self.model.tok_embeddings(ids.to(self.device))

    def encode_picture(self, picture: Tensor, cancel: Cancel | None = None) -> Tensor:
        """Return the rows of one normalised picture (3, tile h, tile w); see `picture_encoding`."""
        return encode_picture(
            picture,
            tower=self.vit.vision_tower,
            line_end=self.plora_sub_GN,
            separator=self.plora_glb_GN,
            projector=self.vision_proj,
            cancel=cancel,
        )

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Return the rows (B, n, width) of normalised pictures of one size (B, 3, ...)."""
        return encode_pictures(
            pictures,
            tower=self.vit.vision_tower,
            line_end=self.plora_sub_GN,
            separator=self.plora_glb_GN,
            projector=self.vision_proj,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        """Map vectors of the memory module (n, memory width) to rows of the language model.

        Raises:
            BackendError: vectors of another width, or numbers that are none.
        """
        if memory.ndim != 2 or memory.shape[1] != self.config.memory_width:
            raise BackendError(
                f"Memory must be (n, {self.config.memory_width}) numbers, not "
                f"{tuple(memory.shape)}; is it of another memory module?"
            )
        if not bool(torch.isfinite(memory).all()):
            raise BackendError(
                "Memory holds values that are no numbers; rebuild it from its clips."
            )
        return self.video_mem_proj(memory.to(device=self.device, dtype=self.dtype))

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of the next token for final states (..., width), in float32."""
        return self.output(states).float()

    def loss(
        self,
        embeddings: Tensor,
        picture_mask: Tensor | None,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        *,
        positions: Tensor | None = None,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of each next token; labels of -100 do not count.

        Args:
            embeddings: (batch, length, width).
            picture_mask: (batch, length) or None.
            labels: (batch, length), aligned with the inputs (the shift is made here).
            attention_mask: (batch, length), False for padding.
            positions: of packed texts; see `InternLM2Decoder.forward`.
            allowed: of packed texts; see `InternLM2Decoder.forward`.
        """
        states = self.model(
            embeddings,
            picture_mask,
            attention_mask=attention_mask,
            positions=positions,
            allowed=allowed,
        )
        scores = self.logits(states[:, :-1])
        return functional.cross_entropy(
            scores.flatten(0, 1), labels[:, 1:].flatten().long(), ignore_index=-100
        )

    def to_eight_bit(self) -> ReasoningNetwork:
        """Hold the decoder's plain weights in 8 bits (embeddings, output and tower stay)."""
        for module in self.model.modules():
            if isinstance(module, PictureLoraLinear):
                module.to_eight_bit()
        return self

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        scaling: Scaling = Scaling.PER_TEXT,
    ) -> ReasoningNetwork:
        """Load the release's files or our own format from `folder`, ready for use (no gradients).

        Raises:
            CheckpointError: configuration or weights are missing, damaged or do not fit.
        """
        config = ReasoningConfig.of_folder(folder)
        with torch.device("meta"):
            network = cls(config, scaling)
        Checkpoint.open(folder).load_into(network, dtype=dtype, device=device)
        return network.eval().requires_grad_(False)

    def save(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Write our own format (one safetensors file and a configuration); not in 8 bits.

        Args:
            folder: is made if missing.
            dtype: precision in the file; the network's own if None.

        Raises:
            CheckpointError: the folder cannot be written, or the weights are in 8 bits or still
                carry an adapter.
        """
        for module in self.model.modules():
            if isinstance(module, PictureLoraLinear) and (module.weight is None or module.adapter):
                raise CheckpointError(
                    "Only plain weights are saved: merge the adapter, and save before 8 bits."
                )
        save_checkpoint(folder, self.state_dict(), self.config.as_dict(), dtype=dtype)


def _projector(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.GELU(), nn.Linear(outputs, outputs))
