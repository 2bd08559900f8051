"""The causal decoder of the memory module: Qwen2, with the parameter names of its checkpoints.

Rows start at position 0, always, and padding lies on the right: a causal row never sees what is
behind it, so no mask for padding exists here. Beside whole rows the decoder reads rows that go on
from a kept prefix (`prefix_cache.py`), which is what makes integration cheap.

Shapes: B rows, T new positions, S all positions, C width, H query heads, G key/value heads,
D width of a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.errors import CheckpointError
from omnilive.nn.norms import RootMeanSquareNorm
from omnilive.nn.rotary import Angles, RotarySettings, rotate


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen2Config:
    """Sizes of the decoder; the defaults are those of the release's memory (Qwen2-1.5B)."""

    vocab_size: int = 151_936
    width: int = 1536
    ffn_width: int = 8960
    num_layers: int = 28
    num_heads: int = 12
    num_key_value_heads: int = 2
    rope_theta: float = 1e6
    norm_eps: float = 1e-6
    max_positions: int = 32_768
    tie_embeddings: bool = True

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Qwen2Config:
        """Read the fields of a Hugging Face `config.json`.

        Raises:
            CheckpointError: a size is missing or impossible, or the file asks for what is not here.
        """
        if values.get("use_sliding_window") or values.get("rope_scaling"):
            raise CheckpointError(
                "The decoder's configuration asks for a sliding window or scaled positions, "
                "which the memory module of the paper does not have."
            )
        try:
            config = cls(
                vocab_size=int(values["vocab_size"]),
                width=int(values["hidden_size"]),
                ffn_width=int(values["intermediate_size"]),
                num_layers=int(values["num_hidden_layers"]),
                num_heads=int(values["num_attention_heads"]),
                num_key_value_heads=int(values["num_key_value_heads"]),
                rope_theta=float(values["rope_theta"]),
                norm_eps=float(values["rms_norm_eps"]),
                max_positions=int(values["max_position_embeddings"]),
                tie_embeddings=bool(values.get("tie_word_embeddings", True)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"The decoder's configuration has no usable {error}.") from error
        if config.width % config.num_heads or config.num_heads % config.num_key_value_heads:
            raise CheckpointError("The decoder's numbers of heads do not fit its width.")
        if values.get("hidden_act", "silu") != "silu":
            raise CheckpointError("The decoder's activation is not silu, so it is no Qwen2.")
        return config

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.num_heads

    @property
    def rotary(self) -> RotarySettings:
        """Numbers of the rotary positions."""
        return RotarySettings(
            head_width=self.head_width, theta=self.rope_theta, max_positions=self.max_positions
        )


class Cache(Protocol):
    """Where keys and values go, and where those of earlier rows come from."""

    @property
    def length(self) -> int:
        """Positions before the new rows."""
        ...

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values (B, G, T, D); return all of them (B, G, S, D)."""
        ...


@dataclass(frozen=True, slots=True)
class _Call:
    """What all layers of one forward pass share."""

    cosines: Tensor  # (1, T, D)
    sines: Tensor  # (1, T, D)
    # (query heads of a group * T, S), or so for each of (B, 1); None: rows from position 0
    allowed: Tensor | None
    cache: Cache | None


class _Attention(nn.Module):
    def __init__(self, config: Qwen2Config, layer: int) -> None:
        super().__init__()
        inner = config.num_heads * config.head_width
        grouped = config.num_key_value_heads * config.head_width
        self.layer = layer
        self.num_groups = config.num_key_value_heads
        self.head_width = config.head_width
        self.q_proj = nn.Linear(config.width, inner)
        self.k_proj = nn.Linear(config.width, grouped)
        self.v_proj = nn.Linear(config.width, grouped)
        self.o_proj = nn.Linear(inner, config.width, bias=False)

    def forward(self, x_BTC: Tensor, call: _Call) -> Tensor:
        query_BHTD, key_BGTD, value_BGTD = (
            project(x_BTC).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        query_BHTD = rotate(query_BHTD, call.cosines, call.sines)
        key_BGTD = rotate(key_BGTD, call.cosines, call.sines)
        if call.cache is not None:
            key_BGTD, value_BGTD = call.cache.append(self.layer, key_BGTD, value_BGTD)
        seen = self._look(query_BHTD, key_BGTD, value_BGTD, call.allowed)
        return self.o_proj(seen.transpose(1, 2).flatten(2))

    def _look(
        self, query_BHTD: Tensor, key_BGSD: Tensor, value_BGSD: Tensor, allowed: Tensor | None
    ) -> Tensor:
        shared = query_BHTD.shape[1] // self.num_groups
        if allowed is not None:
            # The queries of a group become rows of one head: a long prefix is read as it lies.
            grouped = query_BHTD.reshape(len(query_BHTD), self.num_groups, -1, self.head_width)
            seen = functional.scaled_dot_product_attention(
                grouped, key_BGSD, value_BGSD, attn_mask=allowed
            )
            return seen.view_as(query_BHTD)
        if shared > 1:
            key_BGSD = key_BGSD.repeat_interleave(shared, dim=1)
            value_BGSD = value_BGSD.repeat_interleave(shared, dim=1)
        return functional.scaled_dot_product_attention(
            query_BHTD, key_BGSD, value_BGSD, is_causal=True
        )


class _FeedForward(nn.Module):
    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.down_proj = nn.Linear(config.ffn_width, config.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x_BTC)) * self.up_proj(x_BTC))


class _Layer(nn.Module):
    def __init__(self, config: Qwen2Config, layer: int) -> None:
        super().__init__()
        self.self_attn = _Attention(config, layer)
        self.mlp = _FeedForward(config)
        self.input_layernorm = RootMeanSquareNorm(config.width, config.norm_eps)
        self.post_attention_layernorm = RootMeanSquareNorm(config.width, config.norm_eps)

    def forward(self, x_BTC: Tensor, call: _Call) -> Tensor:
        x_BTC = x_BTC + self.self_attn(self.input_layernorm(x_BTC), call)
        return x_BTC + self.mlp(self.post_attention_layernorm(x_BTC))


class Qwen2Decoder(nn.Module):
    """Embeddings, layers and the final norm."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList(_Layer(config, number) for number in range(config.num_layers))
        self.norm = RootMeanSquareNorm(config.width, config.norm_eps)
        self._angles = Angles(config.rotary)

    @property
    def dtype(self) -> torch.dtype:
        """The precision it works in."""
        return self.embed_tokens.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where it works."""
        return self.embed_tokens.weight.device

    def forward(
        self,
        x_BTC: Tensor,
        cache: Cache | None = None,
        *,
        positions: Tensor | None = None,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Return the states behind the final norm, (B, T, C).

        Args:
            x_BTC: embedded rows; padding, if any, on the right.
            cache: a prefix that the rows go on from, one for all B; their positions follow it.
            positions: (B or 1, T) integers, where the rows stand in their text, for texts that are
                packed into one (`packing.py`); None: one after the other.
            allowed: (B or 1, 1, T, S) bool, True where a row may look; every row must see
                something. None: each row sees itself and what is before it.
        """
        num_new, num_before = x_BTC.shape[1], 0 if cache is None else cache.length
        positions_1T = torch.arange(num_before, num_before + num_new, device=x_BTC.device)[None]
        length = num_before + num_new
        at = positions_1T if positions is None else positions
        # Of packed texts the longest counts, not all of them together.
        reach = length if positions is None else int(positions.max()) + 1
        cosines, sines = self._angles.at(at, length=reach, meant=reach)
        if allowed is None and num_before:
            allowed = positions_1T[0, :, None] >= torch.arange(length, device=x_BTC.device)
        if allowed is not None:
            shared = self.config.num_heads // self.config.num_key_value_heads
            allowed = torch.cat([allowed] * shared, dim=-2)
        call = _Call(cosines, sines, allowed, cache)
        for layer in self.layers:
            x_BTC = layer(x_BTC, call)
        return self.norm(x_BTC)

    def logits(self, states_BTC: Tensor, head_VC: Tensor | None = None) -> Tensor:
        """Return the scores of all tokens, (B, T, V); by the embeddings where the head is tied."""
        return functional.linear(
            states_BTC, self.embed_tokens.weight if head_VC is None else head_VC
        )
