"""Reads a network source or a camera through a child process that can be killed.

A thread takes messages from the child's pipe into a short queue; whoever iterates `events`
waits on the queue with the stall timer. A full queue stops the thread, hence the child, hence
the source: nothing is dropped here.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

import omnilive
from omnilive.errors import MediaError
from omnilive.events import StreamEnded, StreamGap, Tick
from omnilive.media.container_reader import moved
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.source import Source, scrub
from omnilive.media.wire import Failed, Message, Order, read_message

_QUEUED = 32
_START_S = 15.0  # for the interpreter of the child to start, on a busy machine
_LEAVE_S = 5.0
_LOOK_S = 0.1  # how soon a stop is noticed while the source opens


class RemoteReader:
    """A `MediaReader` whose work is done in a child process."""

    def __init__(
        self, source: Source, options: ReadOptions, stop: threading.Event | None = None
    ) -> None:
        """Start the child and wait until it has opened the source, or `stop` is set.

        Raises:
            MediaError: it could not be opened in time; the sentence says why.
        """
        self._source = source
        self._options = options
        self._closed = threading.Event()
        self._queue: queue.Queue[Message | None] = queue.Queue(_QUEUED)
        self._child = _spawn(source, options)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()
        try:
            self._info = self._opened(stop or self._closed)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self._info

    def close(self) -> None:
        """Kill the child; an iterator that is waiting ends."""
        self._closed.set()
        self._child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_LEAVE_S)
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        self._unblock()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE_S)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield the source's media in order of time (see `MediaReader`).

        A network source is always read from its beginning: `from_ns` only drops what lies before.
        """
        last_ns = 0
        error = ""
        try:
            while True:
                message = self._next(self._options.stall_timeout_s)
                if isinstance(message, str):
                    error = message
                    break
                if isinstance(message, SourceInfo | Failed):
                    continue
                last_ns = max(last_ns, _time_of(message))
                if _time_of(message) < from_ns and not isinstance(message, StreamEnded):
                    continue
                yield self._placed(message, stream, at_ns, wall_ns)
                if isinstance(message, StreamEnded):
                    return
            yield StreamEnded(stream=stream, at_ns=at_ns + max(last_ns, from_ns), error=error)
        finally:
            self.close()

    def _placed(self, event: MediaEvent, stream: int, at_ns: int, wall_ns: int) -> MediaEvent:
        event = replace(moved(event, at_ns), stream=stream)
        if isinstance(event, Tick) and not self._info.live:
            event = replace(event, wall_ns=event.wall_ns + wall_ns)
        if isinstance(event, StreamEnded) and event.error:
            event = replace(event, error=scrub(event.error, self._source))
        return event

    def _opened(self, stop: threading.Event) -> SourceInfo:
        left_s = self._options.open_timeout_s + _START_S
        message: Message | str | None = None
        while message is None and left_s > 0:
            if stop.is_set():
                raise MediaError("Watching was stopped.")
            with contextlib.suppress(queue.Empty):
                message = self._queue.get(timeout=_LOOK_S) or ""
            left_s -= _LOOK_S
        if isinstance(message, SourceInfo):
            return message
        if isinstance(message, Failed):
            raise MediaError(scrub(message.error, self._source))
        raise MediaError(
            f"{self._source.shown} did not answer in time; "
            "check that it is switched on and sending."
        )

    def _next(self, seconds: float) -> Message | str:
        """Return the next message, or a sentence saying why there is none."""
        shown = self._source.shown
        if self._closed.is_set():
            return "Watching was stopped."
        try:
            message = self._queue.get(timeout=seconds)
        except queue.Empty:
            return f"{shown} stalled: nothing came from it for {seconds:g} s."
        if self._closed.is_set():
            return "Watching was stopped."
        if message is None:
            return f"The process that reads {shown} ended by itself."
        return message

    def _receive(self) -> None:
        """Take messages from the pipe until it ends (in the reader's own thread)."""
        pipe = self._child.stdout
        assert pipe is not None
        try:
            with pipe:
                while not self._closed.is_set():
                    message = read_message(pipe)
                    if message is None:
                        break
                    self._put(message)
        except (OSError, ValueError, TypeError, msgspec.MsgspecError):
            pass  # the pipe was torn while a message was under way
        self._put(None)

    def _put(self, message: Message | None) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(message, timeout=0.2)
                return

    def _unblock(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()


def _spawn(source: Source, options: ReadOptions) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    package_root = str(Path(omnilive.__path__[0]).parent)
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (package_root, environment.get("PYTHONPATH", "")) if part
    )
    child = subprocess.Popen(
        # -P: a file named av.py in the user's folder is not what the child should import.
        [sys.executable, "-P", "-m", "omnilive.media.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # FFmpeg writes addresses, passwords included, to stderr.
        stderr=subprocess.DEVNULL,
        env=environment,
        # An interrupt on the terminal is for the parent, which then ends the child in order.
        start_new_session=True,
    )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(msgspec.json.encode(Order.of(source, options)) + b"\n")
        child.stdin.flush()
    return child


def _time_of(event: MediaEvent) -> int:
    return event.end_ns if isinstance(event, StreamGap) else event.at_ns
