"""Text in the picture: what a reader is, and the reader of the embedded preset.

RapidOCR holds the interpreter for long stretches, so it runs in a child process: pictures go
in as raw pixels, lines come out as JSON. The child is started at the first picture, started
again once if it dies, and ends when its input does, so a crash of ours leaves none behind.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Protocol

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled
from omnilive.events import Pixels, TextLine
from omnilive.perception.reading_schedule import ReadingConfig

HEADER = struct.Struct("<II")  # height, width; then height * width * 3 bytes of RGB
MIN_SIDE = 16  # pixels; no text is readable in less


class TextReader(Protocol):
    """Reads the text in a picture; may be called from several threads."""

    def read(self, pixels: Pixels, cancel: Cancel) -> tuple[TextLine, ...]:
        """Return the lines of text in an RGB picture, from the top down.

        Raises:
            BackendError: the reader failed.
            Cancelled: the turn was cut, or the reader was closed meanwhile.
        """
        ...

    def close(self) -> None:
        """End the reader. Safe to call twice."""
        ...


class RapidOcrReader:
    """One child process that reads for all streams, one picture after another."""

    def __init__(self, config: ReadingConfig) -> None:
        missing = [name for name in ("rapidocr", "onnxruntime") if find_spec(name) is None]
        if missing:
            raise BackendError(
                f"Reading text in the picture needs the package {missing[0]}: run "
                '`pip install "rapidocr==3.10.0" onnxruntime`, '
                "or set seeing.reading.enabled = false."
            )
        self._config = config
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        # Whoever holds the token may speak to the child: a lock that needs no thread module.
        self._turn: SimpleQueue[None] = SimpleQueue()
        self._turn.put(None)

    def read(self, pixels: Pixels, cancel: Cancel) -> tuple[TextLine, ...]:
        """Return the lines of text in an RGB picture, from the top down."""
        if min(pixels.shape[:2]) < MIN_SIDE:
            return ()
        self._turn.get()
        try:
            reply = self._ask(pixels, cancel)
            if reply is None:
                reply = self._ask(pixels, cancel)  # with a new child
        finally:
            self._turn.put(None)
        if reply is None:
            raise BackendError(
                "The reader of text in the picture stopped twice on one picture; run "
                "`omnilive doctor`, or set seeing.reading.enabled = false."
            )
        if "error" in reply:
            raise BackendError(
                f"Text in the picture could not be read ({reply['error']}): run "
                '`pip install --force-reinstall "rapidocr==3.10.0" onnxruntime`, '
                "or set seeing.reading.enabled = false."
            )
        lines = [TextLine(str(line[0]), *map(float, line[1:])) for line in reply["lines"]]
        return tuple(line for line in lines if self._is_sure(line))

    def _is_sure(self, line: TextLine) -> bool:
        # A window or a wheel is easily read as one letter.
        is_lone = sum(c.isalnum() for c in line.text) <= 1
        return line.confidence >= (0.95 if is_lone else self._config.min_confidence)

    def close(self) -> None:
        """End the child; a reading under way in another thread is given up."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        self._turn.get()
        self._drop_child()
        self._turn.put(None)

    def _ask(self, pixels: Pixels, cancel: Cancel) -> dict[str, Any] | None:
        """Return the child's reply; None if it died."""
        cancel.check()
        if self._closed:
            raise Cancelled("The reader of text in the picture was closed.")
        process = self._process or self._start_child()
        if self._closed:  # closed while the child was being started
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        forget = cancel.on_set(process.kill)
        try:
            process.stdin.write(HEADER.pack(*pixels.shape[:2]))
            process.stdin.write(np.ascontiguousarray(pixels).data)
            process.stdin.flush()
            reply = process.stdout.readline()
        except OSError:
            reply = b""
        finally:
            forget()
        if reply.endswith(b"\n"):
            return json.loads(reply)
        self._drop_child()
        cancel.check()
        if self._closed:
            raise Cancelled("The reader of text in the picture was closed.")
        return None

    def _start_child(self) -> subprocess.Popen[bytes]:
        package = Path(__file__).resolve().parents[2]
        path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH", ""))))
        # -P: whatever lies in the user's current folder is not imported.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "omnilive.perception.reading_child",
                str(self._config.limit_side_len),
                str(self._config.max_reading_s),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self._process

    def _drop_child(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            _close_quietly(pipe)


def _close_quietly(pipe: IO[bytes] | None) -> None:
    if pipe is None:
        return
    try:
        pipe.close()
    except OSError:  # what was not written yet has nobody to go to
        return
