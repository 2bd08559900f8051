"""Where spoken answers go: a WAV file or the default sound device.

What a reader would not guess: `play` never waits for longer than what is already queued; the
device takes its samples in PortAudio's own thread, so a busy program does not stutter.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import wave
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from omnilive.errors import MediaError
from omnilive.events import AnswerAudio, Samples
from omnilive.media.resampling import resample


class Sink(Protocol):
    """Takes spoken phrases, in order."""

    def play(self, audio: AnswerAudio) -> None:
        """Take a phrase."""
        ...

    def stop(self) -> None:
        """Throw away what was taken and not played yet (somebody interrupted)."""
        ...

    def close(self) -> None:
        """Play or write what is left, then let go. Safe to call twice."""
        ...


class WavSink:
    """Writes phrases one after another into a 16-bit mono WAV file.

    The file has the sample rate of the first phrase. It is made at once, so that a path that
    cannot be written is known before anything is spoken.

    Raises:
        MediaError: when the file cannot be written.
    """

    def __init__(self, path: str | Path, sample_rate: int = 22050) -> None:
        self._path = Path(path)
        self._sample_rate = sample_rate
        try:
            self._handle = self._path.open("wb")
        except OSError as problem:
            raise MediaError(
                f"Cannot write {self._path}: {problem.strerror or 'the system refused'}."
            ) from problem
        self._file: wave.Wave_write | None = wave.open(self._handle, "wb")  # noqa: SIM115
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(sample_rate)

    def play(self, audio: AnswerAudio) -> None:
        """Append a phrase.

        Raises:
            MediaError: when the sink is closed or the disk refuses.
        """
        if self._file is None:
            raise MediaError(f"{self._path} is closed; open a new file to write more speech.")
        samples = resample(audio.samples, audio.sample_rate, self._sample_rate)
        scaled = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
        try:
            self._file.writeframes(scaled.tobytes())
        except OSError as problem:
            raise MediaError(
                f"Cannot write {self._path}: {problem.strerror or 'the system refused'}."
            ) from problem

    def stop(self) -> None:
        """Do nothing: what was written stays written."""

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            try:
                self._file.close()
                self._handle.close()
            except OSError as problem:
                raise MediaError(
                    f"Cannot write {self._path}: {problem.strerror or 'the system refused'}."
                ) from problem
            finally:
                self._file = None


class PlayQueue:
    """Samples waiting for the device; filled by one thread, emptied by another."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: collections.deque[Samples] = collections.deque()
        self._waiting = 0
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many samples are waiting."""
        with self._changed:
            return self._waiting

    def put(self, samples: Samples, timeout_s: float) -> bool:
        """Add samples; wait for room while more than the limit is queued. False: no room came."""
        with self._changed:
            # A phrase longer than the limit is taken as soon as the queue is empty.
            fits = self._changed.wait_for(
                lambda: self._waiting == 0 or self._waiting + samples.size <= self._limit,
                timeout=timeout_s,
            )
            if fits:
                self._pieces.append(samples)
                self._waiting += samples.size
            return fits

    def take(self, out: Samples) -> None:
        """Fill `out` with the next samples, and with silence where there are none."""
        with self._changed:
            filled = 0
            while filled < out.size and self._pieces:
                piece = self._pieces.popleft()
                part = piece[: out.size - filled]
                out[filled : filled + part.size] = part
                filled += part.size
                if part.size < piece.size:
                    self._pieces.appendleft(piece[part.size :])
            out[filled:] = 0.0
            self._waiting -= filled
            self._changed.notify_all()

    def clear(self) -> None:
        """Throw away what is waiting."""
        with self._changed:
            self._pieces.clear()
            self._waiting = 0
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until everything was taken; False if that did not happen in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting == 0, timeout=timeout_s)


class DeviceSink:
    """Plays phrases on the default output device.

    Raises:
        MediaError: PortAudio or a device is missing.
    """

    def __init__(self, sample_rate: int = 22050, queue_s: float = 30.0) -> None:
        try:
            import sounddevice
        except OSError as problem:
            raise MediaError(
                "Cannot play sound: the PortAudio library is missing; install it "
                "(Debian, Ubuntu: apt install libportaudio2), or write the speech to a file."
            ) from problem
        self._sample_rate = sample_rate
        self._queue = PlayQueue(round(queue_s * sample_rate))
        try:
            self._stream: Any = sounddevice.OutputStream(
                samplerate=sample_rate, channels=1, dtype="float32", callback=self._fill
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as problem:
            raise MediaError(
                "Cannot play sound: there is no output device that works; connect one, "
                "or write the speech to a file."
            ) from problem

    def play(self, audio: AnswerAudio) -> None:
        """Queue a phrase; returns at once unless the queue is full.

        Raises:
            MediaError: the sink is closed, or the device stopped taking sound.
        """
        if self._stream is None:
            raise MediaError("The sound device is closed; open it again to play more speech.")
        samples = resample(audio.samples, audio.sample_rate, self._sample_rate)
        if not self._queue.put(samples, self._patience_s()):
            raise MediaError("The sound device stopped playing; check that it is connected.")

    def stop(self) -> None:
        """Fall silent at once."""
        self._queue.clear()

    def close(self) -> None:
        """Play what is queued, then let the device go."""
        if self._stream is None:
            return
        self._queue.wait_until_empty(self._patience_s())
        stream, self._stream = self._stream, None
        # A device that was pulled out must not make the end of the program fail.
        with contextlib.suppress(Exception):
            stream.stop()
            stream.close()

    def _patience_s(self) -> float:
        """Return how long what is queued lasts, with a second for the device's own buffer."""
        return self._queue.waiting / self._sample_rate + 1.0

    def _fill(self, out: Any, frames: int, time: Any, status: Any) -> None:
        self._queue.take(out[:, 0])
