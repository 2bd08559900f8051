"""The decoder of the reasoning module: InternLM2 with picture branches in every linear layer.

Paper section 3.3 (reasoning module); sizes of the release: 32 layers of width 4096, 32 query and 8
key/value heads, feed-forward width 14336, 92,544 tokens. Names are the checkpoint's.

    h = h + wo(attention(rotary(wqkv(norm(h)))))
    h = h + w2(silu(w1(norm(h))) * w3(norm(h)))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.norms import RootMeanSquareNorm
from omnilive.nn.plora import PictureLoraLinear
from omnilive.nn.rotary import Angles, RotarySettings, Scaling, rotate


@dataclass(frozen=True, slots=True)
class InternLM2Config:
    """Sizes of the decoder, named as in `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    rope_factor: float
    plora_rank: int
    plora_alpha: float

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def rotary(self) -> RotarySettings:
        """Numbers of the rotary positions."""
        return RotarySettings(
            head_width=self.head_width,
            theta=self.rope_theta,
            max_positions=self.max_position_embeddings,
            factor=self.rope_factor,
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """What all layers of one forward pass share."""

    cosines: Tensor
    sines: Tensor
    picture: Tensor | None
    allowed: Tensor | None  # (batch or 1, 1, new rows, all rows), True where a row may look
    causal: bool  # `allowed` is None and rows see only what is before them
    cache: KeyValueCache | None


class Attention(nn.Module):
    """Grouped-query attention; rows of `wqkv` lie per key/value head: its queries, key, value."""

    def __init__(self, config: InternLM2Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.groups = config.num_key_value_heads
        self.queries = config.num_attention_heads // config.num_key_value_heads
        self.head_width = config.head_width
        fused = (config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_width
        inner = config.num_attention_heads * config.head_width
        self.wqkv = _linear(config, config.hidden_size, fused)
        self.wo = _linear(config, inner, config.hidden_size)

    def forward(self, rows: Tensor, call: _Call) -> Tensor:
        """Return what the rows (batch, length, width) gather from the rows they may look at."""
        batch, length, _ = rows.shape
        fused = self.wqkv(rows, call.picture).view(
            batch, length, self.groups, self.queries + 2, self.head_width
        )
        # Queries and key of a group lie side by side, so they are turned together.
        turned = fused[:, :, :, :-1].reshape(batch, length, -1, self.head_width).transpose(1, 2)
        turned = rotate(turned, call.cosines, call.sines)
        turned = turned.view(batch, self.groups, self.queries + 1, length, self.head_width)
        query, key = turned[:, :, :-1].flatten(1, 2), turned[:, :, -1]
        value = fused[:, :, :, -1].transpose(1, 2)
        if call.cache is not None:
            key, value = call.cache.append(self.layer, key, value)
        gathered = self._gather(query, key, value, call)
        return self.wo(gathered.transpose(1, 2).reshape(batch, length, -1), call.picture)

    def _gather(self, query: Tensor, key: Tensor, value: Tensor, call: _Call) -> Tensor:
        batch, heads, length, width = query.shape
        if length == 1:
            # One new row sees everything: the queries of a group become rows of one head, so the
            # cache is read as it lies instead of being copied once per query head.
            grouped = query.view(batch, self.groups, self.queries, width)
            out = functional.scaled_dot_product_attention(
                grouped, key, value, attn_mask=call.allowed
            )
            return out.view(batch, heads, 1, width)
        if self.queries > 1:
            key = key.repeat_interleave(self.queries, dim=1)
            value = value.repeat_interleave(self.queries, dim=1)
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=call.allowed, is_causal=call.causal
        )


class FeedForward(nn.Module):
    """w2(silu(w1 x) * w3 x)."""

    def __init__(self, config: InternLM2Config) -> None:
        super().__init__()
        self.w1 = _linear(config, config.hidden_size, config.intermediate_size)
        self.w3 = _linear(config, config.hidden_size, config.intermediate_size)
        self.w2 = _linear(config, config.intermediate_size, config.hidden_size)

    def forward(self, rows: Tensor, picture: Tensor | None) -> Tensor:
        """Map rows (batch, length, width) one by one."""
        gate = functional.silu(self.w1(rows, picture))
        return self.w2(gate * self.w3(rows, picture), picture)


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each after a norm and added to its input."""

    def __init__(self, config: InternLM2Config, layer: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer)
        self.feed_forward = FeedForward(config)
        self.attention_norm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)
        self.ffn_norm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, rows: Tensor, call: _Call) -> Tensor:
        """Map rows (batch, length, width)."""
        rows = rows + self.attention(self.attention_norm(rows), call)
        return rows + self.feed_forward(self.ffn_norm(rows), call.picture)


class InternLM2Decoder(nn.Module):
    """Embeddings, layers and the final norm (`model.*` of the checkpoint)."""

    def __init__(self, config: InternLM2Config, scaling: Scaling = Scaling.PER_TEXT) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(config, layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)
        self.angles = Angles(config.rotary, scaling)

    def new_cache(self, meant_length: int) -> KeyValueCache:
        """Return an empty cache for a text that is meant to have `meant_length` tokens."""
        return KeyValueCache(layers=self.config.num_hidden_layers, meant_length=meant_length)

    def forward(
        self,
        embeddings: Tensor,
        picture_mask: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        meant_length: int | None = None,
        positions: Tensor | None = None,
        allowed: Tensor | None = None,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Read embedded rows; return their final normed states (batch, length, width).

        Args:
            embeddings: (batch, length, width).
            picture_mask: (batch, length), True where the picture branch works; None for text.
            attention_mask: (batch, all rows), False for padding, cached rows included; None if
                there is none. Positions count real tokens only when the padding is on the left.
            cache: what was read before; the new rows are added to it.
            meant_length: length the whole text is meant to have (`rotary.Scaling.PER_TEXT`);
                with a cache it is the cache's.
            positions: (batch or 1, length) integers, where the rows stand in their text, for texts
                that are packed into one (`packing.py`); None: one after the other.
            allowed: (batch or 1, 1, length, all rows) bool, True where a row may look; every row
                must see something. None: each row sees itself and what is before it.
            watch: called with the index of each layer and the states after it.

        Raises:
            ValueError: both `attention_mask` and `allowed` say who may look at whom.
        """
        batch, length, _ = embeddings.shape
        before = cache.length if cache is not None else 0
        total = before + length
        if positions is None:
            positions = _positions(attention_mask, before, length, embeddings.device)
        else:
            # Of packed texts the longest counts, not all of them together.
            total = int(positions.max()) + 1
        meant = cache.meant_length if cache is not None else (meant_length or total)
        cosines, sines = self.angles.at(positions, length=total, meant=max(meant, 1))
        if allowed is None:
            allowed = _allowed(attention_mask, before, length, embeddings.device)
        elif attention_mask is not None:
            raise ValueError("attention_mask and allowed exclude each other.")
        call = _Call(
            cosines=cosines,
            sines=sines,
            picture=_rows_of(picture_mask),
            allowed=allowed,
            causal=allowed is None and length > 1,
            cache=cache,
        )
        rows = embeddings
        for index, layer in enumerate(self.layers):
            rows = layer(rows, call)
            if watch is not None:
                watch(index, rows)
        if cache is not None:
            cache.advance(length)
        return self.norm(rows)


def _linear(config: InternLM2Config, inputs: int, outputs: int) -> PictureLoraLinear:
    return PictureLoraLinear(inputs, outputs, rank=config.plora_rank, alpha=config.plora_alpha)


def _rows_of(picture_mask: Tensor | None) -> Tensor | None:
    if picture_mask is None:
        return None
    rows = picture_mask.reshape(-1).nonzero().squeeze(1)
    return rows if len(rows) else None


def _positions(
    attention_mask: Tensor | None, before: int, length: int, device: torch.device
) -> Tensor:
    """Positions of the new rows, (batch or 1, length)."""
    plain = torch.arange(before, before + length, device=device).unsqueeze(0)
    if attention_mask is None or bool(attention_mask[:, 0].all()):
        return plain
    real = attention_mask.long().cumsum(dim=1) - 1
    return real.clamp(min=0)[:, before:]


def _allowed(
    attention_mask: Tensor | None, before: int, length: int, device: torch.device
) -> Tensor | None:
    """Who may look at whom; None where plain causal attention, or one row, needs no mask."""
    if attention_mask is None:
        if before == 0 or length == 1:
            return None
        reach = torch.ones(length, before + length, dtype=torch.bool, device=device)
        return reach.tril(diagonal=before)[None, None]
    reach = torch.ones(length, before + length, dtype=torch.bool, device=device)
    allowed = reach.tril(diagonal=before)[None, None] & attention_mask.bool()[:, None, None, :]
    # A row of padding before the first token would look at nothing: it looks at itself.
    own = torch.eye(before + length, dtype=torch.bool, device=device)[before:]
    return allowed | (own[None, None] & ~allowed.any(dim=-1, keepdim=True))
