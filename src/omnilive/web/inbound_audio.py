"""Sound of a page into a reader: placed by its own times, 16 kHz, complete.

aiortc gives sound decoded, 20 ms at 48 kHz each, and holds each piece until four more have come
(80 ms); behind a loss it waits until 16 packets have (320 ms). Its times are those of RTP, so
neither delay moves a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.pushed import PushedReader
from omnilive.web.placing import SoundPlace
from omnilive.web.sound_health import SoundHealth

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.resampler import AudioResampler

    Piece: TypeAlias = AudioFrame | Samples

_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE


class InboundSound:
    """One microphone. Belongs to the loop that receives.

    Args:
        reader: what takes the sound.
        place: where in source time it belongs.
        health: is told what came.
        on_sound: called with each piece as it is given on: its source time and 16 kHz samples.
    """

    def __init__(
        self,
        reader: PushedReader,
        place: SoundPlace,
        health: SoundHealth,
        *,
        on_sound: Callable[[int, Samples], None],
    ) -> None:
        self._reader = reader
        self._place = place
        self._health = health
        self._on_sound = on_sound
        self._held: list[tuple[Piece, int]] = []
        self._resampler: AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._run_ns = 0
        self._out_samples = 0
        self._expected_ns: int | None = None

    def take(self, piece: Piece, sent_ns: int, arrival_ns: int) -> None:
        """Take a piece of sound: decoded, or 16 kHz samples; placed by its sender at `sent_ns`."""
        self._health.sound(sent_ns, _duration_ns(piece), arrival_ns)
        self._held.append((piece, sent_ns))
        if self._place.place(sent_ns, arrival_ns) is None:
            return
        if self._place.slip_ns:
            self._health.slipped(self._place.slip_ns, self._place.silent_ns, arrival_ns)
        for held, held_ns in self._held:
            self._give(held, self._place.at(held_ns), arrival_ns)
        self._held.clear()

    def finish(self) -> None:
        """Give on what is left: no more will come."""
        for held, held_ns in self._held:
            self._give(held, self._place.at(held_ns), 0)
        self._held.clear()
        self._end_run()

    def _give(self, piece: Piece, at_ns: int, now_ns: int) -> None:
        shape = _shape(piece)
        follows = self._expected_ns is not None and abs(at_ns - self._expected_ns) <= _NS_PER_SAMPLE
        if not follows or shape != self._shape:
            self._end_run()
        if self._expected_ns is None:
            self._start_run(at_ns, shape)
        self._expected_ns = at_ns + _duration_ns(piece)
        for samples in self._resampled(piece):
            self._push(samples)
            self._health.heard(samples, now_ns)

    def _start_run(self, at_ns: int, shape: tuple[int, str, str]) -> None:
        from av.audio.resampler import AudioResampler

        self._shape = shape
        self._run_ns = at_ns
        self._out_samples = 0
        plain = shape[1] == "samples"
        self._resampler = None if plain else AudioResampler("s16", "mono", SAMPLE_RATE)

    def _end_run(self) -> None:
        if self._expected_ns is None:
            return
        self._expected_ns = None
        if self._resampler is not None:
            for rest in self._resampler.resample(None):
                self._push(_floats(rest))
            self._resampler = None

    def _resampled(self, piece: Piece) -> list[Samples]:
        if isinstance(piece, np.ndarray):
            return [piece]
        assert self._resampler is not None
        piece.pts = None  # the resampler counts; placing is done here
        return [_floats(part) for part in self._resampler.resample(piece)]

    def _push(self, samples: Samples) -> None:
        if not samples.size:
            return
        at_ns = self._run_ns + self._out_samples * _NS_PER_SAMPLE
        self._out_samples += samples.size
        self._reader.push_audio(at_ns, samples)
        self._on_sound(at_ns, samples)


def _shape(piece: Piece) -> tuple[int, str, str]:
    if isinstance(piece, np.ndarray):
        return SAMPLE_RATE, "samples", "mono"
    return piece.sample_rate, piece.format.name, piece.layout.name


def _duration_ns(piece: Piece) -> int:
    if isinstance(piece, np.ndarray):
        return piece.size * _NS_PER_SAMPLE
    return piece.samples * NS_PER_S // max(1, piece.sample_rate)


def _floats(frame: AudioFrame) -> Samples:
    samples: Samples = frame.to_ndarray().reshape(-1).astype(np.float32)
    samples /= np.float32(32768.0)
    return samples
