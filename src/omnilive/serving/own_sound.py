"""What goes out of the loudspeaker, as hearing wants it: 16 kHz, in pieces of 100 ms."""

from __future__ import annotations

import numpy as np

from omnilive.events import SAMPLE_RATE, OwnSpeech, Samples
from omnilive.serving.playout import RATE, Taken

_STEP = RATE // SAMPLE_RATE
_BATCH = RATE // 10
_TAPS = 48
_CUT_HZ = 7200.0


class OwnSound:
    """Gathers what was taken of the track into events. For one thread at a time."""

    def __init__(self) -> None:
        at = np.arange(_TAPS) - (_TAPS - 1) / 2
        taps = np.sinc(2 * _CUT_HZ / RATE * at) * np.hamming(_TAPS)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before: Samples = np.zeros(_TAPS - 1, np.float32)
        self._held: list[Samples] = []
        self._num_held = 0
        self._turn = ""
        self._phrase = -1
        self._text = ""
        self._at_ns = 0

    def take(self, piece: Taken, stream: int, at_ns: int) -> list[OwnSpeech]:
        """Take a piece that goes out at stream time `at_ns`; return what is to be told now."""
        told: list[OwnSpeech] = []
        if self._held and (piece.turn_id, piece.phrase) != (self._turn, self._phrase):
            told += self._tell(stream)
        if not piece.turn_id:
            self._before = np.zeros(_TAPS - 1, np.float32)
            return told
        if not self._held:
            self._turn, self._phrase = piece.turn_id, piece.phrase
            self._text, self._at_ns = piece.text, at_ns
        self._held.append(piece.samples.astype(np.float32) / 32768.0)
        self._num_held += piece.samples.size
        if self._num_held >= _BATCH:
            told += self._tell(stream)
        return told

    def _tell(self, stream: int) -> list[OwnSpeech]:
        sound = np.concatenate([self._before, *self._held])
        self._before = sound[sound.size - _TAPS + 1 :]
        self._held, self._num_held = [], 0
        samples = np.convolve(sound, self._taps, mode="valid")[::_STEP].astype(np.float32)
        return [
            OwnSpeech(
                stream=stream,
                turn_id=self._turn,
                at_ns=self._at_ns,
                text=self._text,
                samples=samples,
            )
        ]
