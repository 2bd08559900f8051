"""What goes out of the loudspeaker, as hearing wants it: 16 kHz, at stream time, at once.

Hearing compares hop by hop, so a piece must be there before the sound of its own time is heard:
pieces are told as they are taken. Where the stream is at that moment is known only to within the
chunks in which sound comes in, and an echo is found by its delay, which must not jitter. So the
track's own count of samples tells where the pieces are, and the stream only where that count
began: by the farthest that it was seen to be in the last seconds, because it can only seem to be
behind, when what came in was not yet taken.
"""

from __future__ import annotations

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, OwnSpeech, Samples
from omnilive.serving.playout import RATE, Taken

_STEP = RATE // SAMPLE_RATE
_TAPS = 48
_CUT_HZ = 7200.0
_JITTER_NS = 5_000_000  # less is not worth a hole
_WINDOW = 3 * RATE  # the clocks of stream and track drift: older positions are forgotten
_MOST_OFF_NS = 2 * NS_PER_S  # farther off, it is another stream, or another epoch


class OwnSound:
    """Turns what was taken of the track into events. For one thread at a time."""

    def __init__(self) -> None:
        at = np.arange(_TAPS) - (_TAPS - 1) / 2
        taps = np.sinc(2 * _CUT_HZ / RATE * at) * np.hamming(_TAPS)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before: Samples = np.zeros(_TAPS - 1, np.float32)
        # Stream time of the track's sample 0: in force, and the farthest of two windows.
        self._begun_ns: int | None = None
        self._farthest_ns = self._farthest_before_ns = 0
        self._window_start = 0

    def take(self, piece: Taken, stream: int, at_ns: int) -> OwnSpeech | None:
        """Take a piece that goes out while the stream is at `at_ns`; None if it is silence."""
        begun_ns = self._place(piece.index, at_ns)
        if not piece.turn_id:
            self._before = np.zeros(_TAPS - 1, np.float32)
            return None
        sound = np.concatenate([self._before, piece.samples.astype(np.float32) / 32768.0])
        self._before = sound[sound.size - _TAPS + 1 :]
        return OwnSpeech(
            stream=stream,
            turn_id=piece.turn_id,
            at_ns=max(0, begun_ns + _time_ns(piece.index)),
            text=piece.text,
            samples=np.convolve(sound, self._taps, mode="valid")[::_STEP].astype(np.float32),
        )

    def _place(self, index: int, at_ns: int) -> int:
        """Return the stream time of the track's sample 0."""
        seen_ns = at_ns - _time_ns(index)
        if self._begun_ns is None or abs(seen_ns - self._begun_ns) > _MOST_OFF_NS:
            self._begun_ns = self._farthest_ns = self._farthest_before_ns = seen_ns
            self._window_start = index
        elif index - self._window_start >= _WINDOW:
            self._farthest_before_ns, self._farthest_ns = self._farthest_ns, seen_ns
            self._window_start = index
        self._farthest_ns = max(self._farthest_ns, seen_ns)
        farthest_ns = max(self._farthest_ns, self._farthest_before_ns)
        if abs(farthest_ns - self._begun_ns) > _JITTER_NS:
            self._begun_ns = farthest_ns
        return self._begun_ns


def _time_ns(index: int) -> int:
    return index * NS_PER_S // RATE
