"""Sound as the audio network sees it: log-mel frames, one every 10 ms, as Whisper makes them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATE = 16_000
HOP = 160  # samples from frame to frame
_WINDOW = 400  # samples that a frame sees
_LEAST = 1e-10
_RANGE = 8.0  # tens of dB below the loudest bin that still count


def log_mel(samples: Tensor, num_bins: int, *, num_frames: int, most_samples: int) -> Tensor:
    """Return (num_bins, frames) of the first `num_frames` frames of silence-padded sound.

    Args:
        samples: (n,) float32 at 16 kHz, -1..1, n at most `most_samples`.
        num_bins: mel bins.
        num_frames: frames wanted; behind the sound they show silence.
        most_samples: length to which the network's training padded every sound.
    """
    wanted = min(most_samples, num_frames * HOP + _WINDOW)
    padded = torch.nn.functional.pad(samples, (0, max(0, wanted - len(samples))))
    window = torch.hann_window(_WINDOW, device=samples.device)
    bins = torch.stft(padded, _WINDOW, HOP, window=window, return_complex=True)
    power = bins[:, :-1].abs() ** 2
    logs = (_filters(num_bins).to(samples.device) @ power).clamp(min=_LEAST).log10()
    logs = torch.maximum(logs, logs.max() - _RANGE)
    return (logs[:, :num_frames] + 4.0) / 4.0


def _filters(num_bins: int) -> Tensor:
    """Triangles of equal area on Slaney's mel scale, (bins, frequencies)."""
    frequencies = torch.linspace(0, RATE / 2, _WINDOW // 2 + 1, dtype=torch.float64)
    corners = _to_hertz(torch.linspace(0, _to_mel(RATE / 2), num_bins + 2, dtype=torch.float64))
    widths = corners.diff()
    slopes = corners[:, None] - frequencies[None, :]
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    areas = 2.0 / (corners[2:] - corners[:-2])
    return (triangles * areas[:, None]).float()


# Slaney's scale: linear to 1 kHz (15 mels), then 27 mels for every factor of 6.4.
def _to_mel(hertz: float) -> float:
    if hertz < 1000.0:
        return 3.0 * hertz / 200.0
    return 15.0 + math.log(hertz / 1000.0) * 27.0 / math.log(6.4)


def _to_hertz(mels: Tensor) -> Tensor:
    above = 1000.0 * torch.exp(math.log(6.4) / 27.0 * (mels - 15.0))
    return torch.where(mels < 15.0, 200.0 * mels / 3.0, above)
