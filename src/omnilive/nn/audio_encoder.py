"""The sound encoder of the audio module: Whisper's, with pairs of its states averaged.

Paper, section 3.1 (audio translation module). Names are those of the release's files.

    log-mel (128, L)  conv k3, GELU, conv k3 stride 2, GELU      a = (L - 1) // 2 + 1 states
    + positions, layers (attention without key bias, GELU)       (a, 1280)
    mean of each two, layer norm (25 states a second)            n = (a - 2) // 2 + 1 states

The release pads every sound to 30 s and masks the padding out of the attention. Nothing behind
the sound reaches its states but the two frames that the convolutions look ahead, so only those
are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LOOK_AHEAD = 3
"""Frames behind a sound that its states see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEncoderConfig:
    """Sizes; the defaults are the release's (Whisper-large-v3's)."""

    num_bins: int = 128
    width: int = 1280
    ffn_width: int = 5120
    num_layers: int = 32
    num_heads: int = 20
    max_positions: int = 1500

    @property
    def most_frames(self) -> int:
        """Mel frames of the longest sound."""
        return 2 * self.max_positions


def num_states(num_frames: int) -> int:
    """Return how many states a sound of so many mel frames makes."""
    return max(0, ((num_frames - 1) // 2 + 1 - 2) // 2 + 1)


def frames_needed(num_frames: int, config: AudioEncoderConfig) -> int:
    """Return how many frames the encoder wants to see of a sound of `num_frames`."""
    return min(num_frames + LOOK_AHEAD, config.most_frames)


class _Attention(nn.Module):
    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.k_proj = nn.Linear(config.width, config.width, bias=False)
        self.v_proj = nn.Linear(config.width, config.width)
        self.q_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x_BTC: Tensor, seen_B11T: Tensor | None = None) -> Tensor:
        query, key, value = (
            project(x_BTC).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen_B11T)
        return self.out_proj(seen.transpose(1, 2).flatten(2))


class _Layer(nn.Module):
    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.ffn_width)
        self.fc2 = nn.Linear(config.ffn_width, config.width)
        self.final_layer_norm = nn.LayerNorm(config.width)

    def forward(self, x_BTC: Tensor, seen_B11T: Tensor | None = None) -> Tensor:
        x_BTC = x_BTC + self.self_attn(self.self_attn_layer_norm(x_BTC), seen_B11T)
        x_BTC = x_BTC + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x_BTC))))
        if x_BTC.dtype is torch.float16:
            # Large states of this network overflow in float16; the release bounds them here.
            most = torch.finfo(torch.float16).max - 1000
            x_BTC = x_BTC.clamp(-most, most)
        return x_BTC


class AudioEncoder(nn.Module):
    """Log-mel frames to 25 states a second."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.num_bins, config.width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.max_positions, config.width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_layers))
        self.layer_norm = nn.LayerNorm(config.width)

    def forward(self, mel: Tensor, num_frames: int) -> Tensor:
        """Return the states of one sound, (`num_states(num_frames)`, width).

        Args:
            mel: (bins, `frames_needed(num_frames)`).
            num_frames: frames that belong to the sound.
        """
        return self.encode(mel.unsqueeze(0), [num_frames])[0]

    def encode(self, mel_BFT: Tensor, num_frames: Sequence[int]) -> Tensor:
        """Return the states of several sounds, (B, most, width); each has its `num_states`.

        Args:
            mel_BFT: (B, bins, T); of every sound at least its `frames_needed`, silence behind it.
            num_frames: frames that belong to each sound.
        """
        x_BCT = functional.gelu(self.conv1(mel_BFT.to(self.conv1.weight.dtype)))
        x_BTC = functional.gelu(self.conv2(x_BCT)).transpose(1, 2)
        lengths = [(count - 1) // 2 + 1 for count in num_frames]
        x_BTC = x_BTC[:, : max(lengths)]
        x_BTC = x_BTC + self.embed_positions.weight[: x_BTC.shape[1]]
        seen_B11T = None
        if min(lengths) < max(lengths):
            at = torch.arange(max(lengths), device=x_BTC.device)
            ends = torch.tensor(lengths, device=x_BTC.device)
            seen_B11T = (at < ends[:, None])[:, None, None]
        for layer in self.layers:
            x_BTC = layer(x_BTC, seen_B11T)
        # A pair is of one sound: what is left over of an odd number goes with the padding.
        pooled = functional.avg_pool1d(x_BTC.transpose(1, 2), 2, 2).transpose(1, 2)
        return self.layer_norm(pooled)
