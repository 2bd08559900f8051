"""Is what the microphone hears the echo of a reference? Compared by band energies, in dB.

An echo is the reference, some time later, weaker in every band by its own amount, and smeared by
the room. So: the delay is where the ups and downs of all bands agree best over the last seconds;
what each band loses is the median of the difference there; and what then stands well above the
prediction was not ours. Nothing is subtracted from the sound, so no phase has to be right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnilive.events import SAMPLE_RATE, Samples

HOP = 256  # 16 ms
HOP_NS = HOP * 1_000_000_000 // SAMPLE_RATE
FRAME = 512
NUM_BANDS = 14
SILENT_DB = -75.0
ACTIVE_DB = -52.0  # the reference is heard at all, all bands together
KEPT_HOPS = 64  # about a second of what was heard can be judged again

_LOWEST_HZ, _HIGHEST_HZ = 150.0, 6800.0
_WINDOW = np.hanning(FRAME).astype(np.float32)
_MEMORY = 0.9935  # a hop: what was heard 2.5 s ago counts a third
_KEPT_GAINS = 125  # 2 s of hops in which the reference sounded
_QUANTILE = 0.4  # below the middle: a person who talks over it makes bands louder, never weaker
_HEARD_DB = 9.0  # a band is heard when it is this far above its noise
_MARGIN_DB = 9.0  # a band is not explained when it is this far above what is expected
_SURE = 0.42  # least agreement at which a delay is believed
_LEAST_BANDS = 3
_NOISE_RISE = np.float32(0.05)  # a hop: 3 dB a second; down it goes at once
_LEAST_NOISE_DB = np.float32(-80.0)
_FOLLOW = np.float32(0.01)  # a hop: what is usual in a band is followed within two seconds
_LEAST_HOPS = 14  # nothing is believed on less than 0.2 s
_ROOM_DECAY_DB = 1.6  # a hop: 60 dB in 0.6 s, a room that is somewhat alive

Bands = NDArray[np.float32]


def _band_matrix() -> NDArray[np.float32]:
    """Return (bins, bands): each bin belongs to one band, bands are equally wide in mel."""

    def mel(hz: float) -> float:
        return 2595.0 * float(np.log10(1.0 + hz / 700.0))

    edges = np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), NUM_BANDS + 1)
    bins = np.array([mel(i * SAMPLE_RATE / FRAME) for i in range(FRAME // 2 + 1)])
    place = np.searchsorted(edges, bins, side="right") - 1
    matrix = np.zeros((FRAME // 2 + 1, NUM_BANDS), np.float32)
    for i, band in enumerate(place):
        if 0 <= band < NUM_BANDS:
            matrix[i, band] = 1.0
    return matrix


_BANDS = _band_matrix()
_SCALE = np.float32(2.0 / (FRAME * float(np.sum(_WINDOW**2))))


def band_levels(frame: Samples) -> Bands:
    """Return the level of each band of 512 samples, dB full scale."""
    spectrum = np.abs(np.fft.rfft(frame * _WINDOW)) ** 2
    power = (spectrum.astype(np.float32) @ _BANDS) * _SCALE
    return (10.0 * np.log10(power + 1e-10)).astype(np.float32)


class EchoMatch:
    """Follows one reference and one microphone, hop by hop.

    Args:
        max_delay_hops: the echo comes at most this late.
    """

    def __init__(self, max_delay_hops: int) -> None:
        self._num_lags = max_delay_hops + 1
        # Newest last; long enough that every kept hop can be set against every delay.
        self._reference = np.full((self._num_lags + KEPT_HOPS, NUM_BANDS), SILENT_DB, np.float32)
        self._heard = np.full((KEPT_HOPS, NUM_BANDS), SILENT_DB, np.float32)
        self._is_heard = np.zeros((KEPT_HOPS, NUM_BANDS), np.bool_)
        self._gains = np.full((_KEPT_GAINS, NUM_BANDS), np.nan, np.float32)
        self._num_gains = 0
        self._noise: Bands | None = None
        self._mean_heard = np.zeros(NUM_BANDS, np.float32)
        self._mean_reference = np.full(NUM_BANDS, SILENT_DB, np.float32)
        self._cross = np.zeros(self._num_lags)
        self._power_reference = np.zeros(self._num_lags)
        self._power_heard = 0.0
        self._num_hops = 0
        self._since_active = 1 << 30
        self._lag = -1  # hops; -1 while no delay is believed

    @property
    def is_idle(self) -> bool:
        """Whether nothing of the reference can still be heard."""
        return self._since_active > self._num_lags + 25

    @property
    def num_known(self) -> int:
        """Hops from which it is known what each band loses."""
        return self._num_gains

    @property
    def delay_ns(self) -> int:
        """How late the echo comes; 0 while that is not known."""
        return max(self._lag, 0) * HOP_NS

    @property
    def agreement(self) -> float:
        """How well the ups and downs of the bands agree at the best delay, -1..1."""
        return float(self._agreements().max())

    def pause(self) -> None:
        """What comes next does not follow on; delay and losses stay as they were."""
        self._reference[:] = SILENT_DB
        self._heard[:] = SILENT_DB
        self._is_heard[:] = False
        self._cross[:] = 0.0
        self._power_reference[:] = 0.0
        self._power_heard = 0.0
        self._num_hops = 0
        self._noise = None

    def push(self, reference: Bands, heard: Bands) -> None:
        """Take one hop of both, of the same time."""
        level_db = 10.0 * float(np.log10(np.sum(10.0 ** (reference / 10.0))))
        self._since_active = 0 if level_db > ACTIVE_DB else self._since_active + 1
        # What sounded a moment ago still sounds in the room.
        smeared = np.maximum(reference, self._reference[-1] - _ROOM_DECAY_DB)
        _append(self._reference, np.maximum(smeared, SILENT_DB))
        noise = heard if self._noise is None else np.minimum(heard, self._noise + _NOISE_RISE)
        self._noise = np.maximum(noise, _LEAST_NOISE_DB)
        _append(self._heard, heard)
        _append(self._is_heard, heard > self._noise + _HEARD_DB)
        self._correlate(np.maximum(heard, self._noise + 3.0))
        if self._num_hops >= _LEAST_HOPS:
            self._find_delay()
        self._note_gains()
        self._num_hops += 1

    def unexplained(self, num_hops: int) -> NDArray[np.float32] | None:
        """Return which share of the newest hops' heard bands the reference does not explain.

        Returns:
            One value a hop, oldest first, NaN where nothing is heard; None while it is not known
            how an echo sounds.
        """
        if self._lag < 0 or self._num_gains < _LEAST_HOPS // 2:
            return None
        num_hops = min(num_hops, KEPT_HOPS, self._num_hops)
        kept = self._gains[~np.isnan(self._gains)]
        usual = float(np.quantile(kept, _QUANTILE))
        losses = np.array(
            [
                np.quantile(band[valid], _QUANTILE) if (valid := ~np.isnan(band)).any() else usual
                for band in self._gains.T
            ],
            np.float32,
        )
        end = len(self._reference) - self._lag
        expected = self._reference[end - num_hops : end] + losses
        is_heard = self._is_heard[-num_hops:]
        excess = is_heard & (self._heard[-num_hops:] > expected + _MARGIN_DB)
        counts = is_heard.sum(axis=1)
        shares = excess.sum(axis=1) / np.maximum(counts, 1)
        return np.where(counts >= _LEAST_BANDS, shares, np.nan).astype(np.float32)

    def _correlate(self, heard: Bands) -> None:
        if self._num_hops == 0:
            self._mean_heard = heard.copy()
        self._mean_heard += _FOLLOW * (heard - self._mean_heard)
        self._mean_reference += _FOLLOW * (self._reference[-1] - self._mean_reference)
        change = heard - self._mean_heard
        rows = self._reference[: -self._num_lags - 1 : -1] - self._mean_reference
        self._cross = self._cross * _MEMORY + rows @ change
        self._power_reference *= _MEMORY
        self._power_reference += np.einsum("ij,ij->i", rows, rows)
        self._power_heard = self._power_heard * _MEMORY + float(change @ change)

    def _agreements(self) -> NDArray[np.float64]:
        scale = np.sqrt(self._power_reference * self._power_heard) + 1e-6
        return np.asarray(self._cross / scale)

    def _find_delay(self) -> None:
        agreements = self._agreements()
        best = int(np.argmax(agreements))
        if agreements[best] <= _SURE:
            return
        if self._lag < 0 or abs(best - self._lag) > 2:
            self._lag = best
            self._gains[:] = np.nan
            self._num_gains = 0
            # What was heard before the delay was known tells the losses too.
            for back in range(min(self._num_hops, KEPT_HOPS - 1), 0, -1):
                self._note_gains(back)
        else:
            self._lag = best

    def _note_gains(self, back: int = 0) -> None:
        """Note what each band lost, in the hop `back` hops before the newest."""
        if self._lag < 0:
            return
        sent = self._reference[-1 - back - self._lag]
        counts = self._is_heard[-1 - back] & (sent > SILENT_DB + 20.0)
        if int(counts.sum()) >= _LEAST_BANDS:
            _append(self._gains, np.where(counts, self._heard[-1 - back] - sent, np.nan))
            self._num_gains = min(self._num_gains + 1, _KEPT_GAINS)


def _append(rows: NDArray[Any], row: NDArray[Any]) -> None:
    rows[:-1] = rows[1:]
    rows[-1] = row
