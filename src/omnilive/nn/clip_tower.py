"""The vision tower of CLIP: pictures in, one vector per patch out, from any hidden layer.

The parameters have the names of Hugging Face's `CLIPVisionModel` (so `pre_layrnorm` is spelled
that way), and original files load as they are. Both modules of the paper use it: memory at
224 px and layer -2 (section 3.2 of arXiv 2412.09596), reasoning at 560 px and layer -1. Layers
behind the one that is asked for are kept, because the files have them, and never run.

Shapes: B pictures, C channels, H W pixels, L patches and the class token, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.errors import BackendError, CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    """Sizes of a CLIP vision tower; the defaults are those of `openai/clip-vit-large-patch14`."""

    width: int = 1024
    ffn_width: int = 4096
    num_layers: int = 24
    num_heads: int = 16
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 14
    activation: str = "quick_gelu"
    norm_eps: float = 1e-5

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClipConfig:
        """Read the fields of a Hugging Face `config.json` (or of its `vision_config`).

        Raises:
            CheckpointError: a size is missing or impossible.
        """
        if isinstance(values.get("vision_config"), Mapping):
            values = values["vision_config"]
        try:
            config = cls(
                width=int(values["hidden_size"]),
                ffn_width=int(values["intermediate_size"]),
                num_layers=int(values["num_hidden_layers"]),
                num_heads=int(values["num_attention_heads"]),
                num_channels=int(values.get("num_channels", 3)),
                image_size=int(values["image_size"]),
                patch_size=int(values["patch_size"]),
                activation=str(values.get("hidden_act", "quick_gelu")),
                norm_eps=float(values.get("layer_norm_eps", 1e-5)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The configuration of the vision tower has no usable {error}."
            ) from error
        if config.width % config.num_heads or config.image_size < config.patch_size:
            raise CheckpointError("The sizes of the vision tower do not fit one another.")
        if config.activation not in _ACTIVATIONS:
            raise CheckpointError(
                f"The vision tower's activation {config.activation!r} is unknown; "
                f"known are {', '.join(_ACTIVATIONS)}."
            )
        return config

    @property
    def grid(self) -> int:
        """Patches along one side of a picture."""
        return self.image_size // self.patch_size


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "quick_gelu": _quick_gelu,
    "gelu": functional.gelu,
}


class _Embeddings(nn.Module):
    """Patches, the class token before them, and where each one lies."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(config.width))
        self.patch_embedding = nn.Conv2d(
            config.num_channels,
            config.width,
            kernel_size=config.patch_size,
            stride=config.patch_size,
            bias=False,
        )
        self.position_embedding = nn.Embedding(config.grid**2 + 1, config.width)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        patches_BLD = self.patch_embedding(pixels_BCHW).flatten(2).transpose(1, 2)
        class_B1D = self.class_embedding.expand(len(patches_BLD), 1, -1)
        return torch.cat([class_B1D, patches_BLD], dim=1) + self.position_embedding.weight


class _Attention(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.k_proj = nn.Linear(config.width, config.width)
        self.v_proj = nn.Linear(config.width, config.width)
        self.q_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        heads = [
            project(x_BLD).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        ]
        seen = functional.scaled_dot_product_attention(*heads)
        return self.out_proj(seen.transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[config.activation]
        self.fc1 = nn.Linear(config.width, config.ffn_width)
        self.fc2 = nn.Linear(config.ffn_width, config.width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x_BLD)))


class _Layer(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.layer_norm1 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.mlp = _FeedForward(config)
        self.layer_norm2 = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(self, x_BLD: Tensor) -> Tensor:
        x_BLD = x_BLD + self.self_attn(self.layer_norm1(x_BLD))
        return x_BLD + self.mlp(self.layer_norm2(x_BLD))


class _Encoder(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_layers))


class _VisionModel(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.encoder = _Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.width, eps=config.norm_eps)


class ClipTower(nn.Module):
    """CLIP's picture encoder, read at a hidden layer, without its class token."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = _VisionModel(config)

    @property
    def dtype(self) -> torch.dtype:
        """The precision it works in."""
        return self.vision_model.embeddings.patch_embedding.weight.dtype

    def forward(self, pixels_BCHW: Tensor, layer: int) -> Tensor:
        """Return the patch vectors of a hidden layer.

        Args:
            pixels_BCHW: normalised pictures of the configured size.
            layer: the number of the hidden state: 0 before the first layer, -1 behind the last
                one (the post layer norm is never applied), -2 behind the one before it.

        Returns:
            (B, grid * grid, D), row by row from the top left.

        Raises:
            BackendError: pictures of another size, or a layer that is not there.
        """
        (states,) = self.layers(pixels_BCHW, (layer,))
        return states

    def layers(self, pixels_BCHW: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Return the patch vectors of several hidden layers, by one pass; see `forward`."""
        config = self.config
        size = (config.num_channels, config.image_size, config.image_size)
        if pixels_BCHW.ndim != 4 or tuple(pixels_BCHW.shape[1:]) != size:
            raise BackendError(
                f"The vision tower takes pictures of {size}, not {tuple(pixels_BCHW.shape[1:])}; "
                "bring them to its size first."
            )
        numbers = [each if each >= 0 else config.num_layers + 1 + each for each in layers]
        for layer, number in zip(layers, numbers, strict=True):
            if not 0 <= number <= config.num_layers:
                raise BackendError(
                    f"The vision tower has no hidden layer {layer}; it has {config.num_layers}."
                )
        x_BLD = self.vision_model.embeddings(pixels_BCHW.to(self.dtype))
        x_BLD = self.vision_model.pre_layrnorm(x_BLD)
        found = {0: x_BLD}
        for number in range(1, max(numbers) + 1):
            x_BLD = self.vision_model.encoder.layers[number - 1](x_BLD)
            if number in numbers:
                found[number] = x_BLD
        return [found[number][:, 1:] for number in numbers]
