"""How loud what arrives is, four times a second."""

from __future__ import annotations

import math

import numpy as np

from omnilive.events import SAMPLE_RATE, Samples

_WINDOW = SAMPLE_RATE // 4
_SILENT_DB = -100.0


class Loudness:
    """Gathers sound until a quarter of a second is full."""

    def __init__(self) -> None:
        self._power = 0.0
        self._num_samples = 0

    def push(self, samples: Samples) -> float | None:
        """Take sound; returns dB full scale of what has gathered, when it is enough."""
        self._power += float(np.dot(samples, samples))
        self._num_samples += samples.size
        if self._num_samples < _WINDOW:
            return None
        mean = self._power / self._num_samples
        self._power, self._num_samples = 0.0, 0
        return round(10 * math.log10(mean), 1) if mean > 1e-10 else _SILENT_DB
