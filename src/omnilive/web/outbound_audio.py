"""The answer on its way out: one endless track of 48 kHz mono, 20 ms at a time.

Between answers it is silence, so the track never ends and each of its samples has a number, by
which `Playout` knows what was said there. Whoever paces the sound takes from the playout at that
moment and not before, so that what is held or cut never went out.
"""

from __future__ import annotations

import asyncio
import fractions
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, CodecContext, Packet

from omnilive.serving.playout import PIECE_SAMPLES, RATE, Pcm, Taken
from omnilive.web.beat import Beat

if TYPE_CHECKING:
    from av import AudioCodecContext
    from av.audio.stream import AudioStream

_TIME_BASE = fractions.Fraction(1, RATE)
_OPUS_BITS = 48_000
_SILENCE: Pcm = np.zeros(PIECE_SAMPLES, np.int16)

Take = Callable[[], Taken]


class AnswerTrack(MediaStreamTrack):
    """The track that a page hears, for aiortc; paced by the loop that asks for it.

    It gives Opus, not samples: aiortc would hand each piece to a thread pool to encode it, and in
    a process whose interpreter is busy every such hand-over costs milliseconds.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._beat: Beat | None = None
        self._take: Take | None = None
        self._encoder = _opus_encoder()

    def connect(self, take: Take | None) -> None:
        """Let the pieces come from `take`; None: silence that belongs to nobody."""
        self._take = take

    async def recv(self) -> Packet[AudioStream]:
        """Return the next 20 ms when they are due."""
        loop = asyncio.get_running_loop()
        if self._beat is None:
            self._beat = Beat(loop.time())
        wait_s = self._beat.wait_s(loop.time())
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        number = self._beat.next()
        samples = _SILENCE if self._take is None else self._take().samples
        frame = AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.time_base = _TIME_BASE
        frame.pts = number * PIECE_SAMPLES
        (packet,) = self._encoder.encode(frame)  # one in, one out: the piece is Opus's own size
        packet.time_base = _TIME_BASE
        packet.pts = packet.dts = frame.pts
        return packet


def _opus_encoder() -> AudioCodecContext:
    encoder = CodecContext.create("libopus", "w")
    encoder.sample_rate = RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.bit_rate = _OPUS_BITS
    encoder.time_base = _TIME_BASE
    encoder.options = {"application": "voip", "frame_duration": "20"}
    encoder.open()
    return encoder


class Speaker:
    """Paces the answer in a thread of its own, for a connection whose loop does other work.

    Args:
        take: returns the next piece.
        send: gets the number of the first sample at 24 kHz, and the samples.
    """

    RATE = 24_000

    def __init__(self, take: Take, send: Callable[[int, Pcm], None]) -> None:
        self._take = take
        self._send = send
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="omnilive speaker", daemon=True)

    def start(self) -> None:
        """Begin to speak."""
        self._thread.start()

    def stop(self) -> None:
        """Fall silent; returns when nothing more is taken."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        from av.audio.resampler import AudioResampler

        resampler = AudioResampler("s16", "mono", self.RATE, PIECE_SAMPLES * self.RATE // RATE)
        beat = Beat(time.monotonic())
        first: int | None = None
        sent = 0
        while not self._stop.wait(beat.wait_s(time.monotonic())):
            beat.next()
            piece = self._take()
            if first is None:
                first = piece.index * self.RATE // RATE
            frame = AudioFrame.from_ndarray(piece.samples[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = RATE
            for half in resampler.resample(frame):
                samples: Pcm = half.to_ndarray().reshape(-1).astype(np.int16, copy=False)
                self._send(first + sent, samples)
                sent += samples.size
