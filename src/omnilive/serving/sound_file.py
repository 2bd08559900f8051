"""Files that stand for a microphone and a loudspeaker, at the pace of the world.

For talks that can be repeated: a recording is said to the system, what it answers is kept.
"""

from __future__ import annotations

import contextlib
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from omnilive.clock import Clock
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, SAMPLE_RATE, AudioChunk, Samples
from omnilive.media.container_reader import ContainerReader
from omnilive.media.contract import ReadOptions
from omnilive.media.sound_device import OUT_RATE, Heard, Wanted
from omnilive.media.source import Source

PIECE_NS = NS_PER_S // 50
_PIECE = SAMPLE_RATE // 50
_OUT_PIECE = OUT_RATE // 50
_LONGEST_S = 3600
_LEAVE_S = 5.0


class FileMicrophone:
    """Plays a file of sound into the microphone, once; then there is silence.

    Args:
        path: any file with sound that FFmpeg reads, of at most an hour.
        clock: sets the pace.

    Raises:
        MediaError: it cannot be read, or holds no sound.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.name = path.name
        self._sound = read_sound(path)
        self._clock = clock
        self._over = threading.Event()
        self._paced = _Paced(clock, "omnilive microphone file")

    @property
    def is_over(self) -> bool:
        """Whether the file was played to its end."""
        return self._over.is_set()

    def start(self, heard: Heard) -> None:
        """Begin to play the file."""
        start_ns = self._clock.monotonic_ns()

        def give(number: int) -> None:
            piece = self._sound[number * _PIECE : (number + 1) * _PIECE]
            if not piece.size:
                self._over.set()
            heard(start_ns + number * PIECE_NS, np.pad(piece, (0, _PIECE - piece.size)))

        self._paced.start(give)

    def close(self) -> None:
        """Stop."""
        self._paced.close()


class FileLoudspeaker:
    """Writes what is played into a 48 kHz WAV file, silence included.

    Raises:
        MediaError: the file cannot be written.
    """

    output_ms = 0.0

    def __init__(self, path: Path, clock: Clock) -> None:
        self.name = path.name
        self._path = path
        self._paced = _Paced(clock, "omnilive loudspeaker file")
        self._failed = False
        try:
            self._handle = path.open("wb")
        except OSError as problem:
            raise MediaError(
                f"Cannot write {path}: {problem.strerror or 'the system refused'}."
            ) from problem
        self._file: wave.Wave_write | None = wave.open(self._handle, "wb")  # noqa: SIM115
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(OUT_RATE)

    def start(self, wanted: Wanted) -> None:
        """Begin to write."""

        def take(_number: int) -> None:
            samples = wanted(_OUT_PIECE)
            if self._file is None or self._failed:
                return
            try:
                self._file.writeframesraw(samples.astype("<i2").tobytes())
            except OSError:
                self._failed = True  # told at the end; the talk goes on

        self._paced.start(take)

    def close(self) -> None:
        """Finish the file.

        Raises:
            MediaError: the disk refused.
        """
        self._paced.close()
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError:
            self._failed = True
        with contextlib.suppress(OSError):
            self._handle.close()
        if self._failed:
            raise MediaError(f"What was played could not all be written to {self._path}.")


class _Paced:
    """Calls every 20 ms, counting from 0, in a thread of its own; catches up when it was late."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._stop = threading.Event()
        self._work: Callable[[int], None] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, work: Callable[[int], None]) -> None:
        self._work = work
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        assert self._work is not None
        start_ns = self._clock.monotonic_ns()
        number = 0
        while not self._stop.is_set():
            # A piece is there when it has sounded.
            due_ns = start_ns + (number + 1) * PIECE_NS
            wait_ns = due_ns - self._clock.monotonic_ns()
            if wait_ns > 0 and self._clock.wait(self._stop, wait_ns / NS_PER_S):
                return
            self._work(number)
            number += 1


def read_sound(path: Path) -> Samples:
    """Return a file's sound, 16 kHz mono; holes in it are silence.

    Raises:
        MediaError: it cannot be read, holds no sound, or too much.
    """
    source = Source(kind="file", address=str(path.absolute()), shown=str(path))
    reader = ContainerReader(source, ReadOptions())
    try:
        if not reader.info.has_audio:
            raise MediaError(f"{path} holds no sound; give a recording of speech.")
        if (reader.info.duration_ns or 0) > _LONGEST_S * NS_PER_S:
            raise MediaError(f"{path} is longer than an hour; cut it, or watch it: omnilive watch.")
        parts: list[Samples] = []
        end = 0
        for event in reader.events(stream=0, at_ns=0, wall_ns=0):
            if isinstance(event, AudioChunk):
                start = event.at_ns * SAMPLE_RATE // NS_PER_S
                if start > end:
                    parts.append(np.zeros(min(start - end, _LONGEST_S * SAMPLE_RATE), np.float32))
                    end = start
                parts.append(event.samples)
                end += event.samples.size
            if end > _LONGEST_S * SAMPLE_RATE:
                raise MediaError(f"{path} is longer than an hour; cut it.")
    finally:
        reader.close()
    if not parts:
        raise MediaError(f"No sound in {path} could be decoded; give a recording of speech.")
    return np.concatenate(parts)
