"""A camera beside a talk in a terminal: its pictures, placed on this machine's clock.

A camera that goes away is waited for; the talk goes on without it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from omnilive.clock import Clock
from omnilive.errors import MediaError
from omnilive.events import Pixels, StreamEnded, VideoFrame
from omnilive.media.contract import MediaReader, ReadOptions
from omnilive.media.reader import open_source
from omnilive.media.source import Source
from omnilive.serving.arrival import Arrival
from omnilive.serving.worker import places

_log = logging.getLogger(__name__)

CameraState: TypeAlias = Literal["on", "off", "lost"]
Seen: TypeAlias = Callable[[int, Pixels], None]
"""Takes a picture and when it was seen, on the monotonic clock, in ns."""

_AGAIN_S = 5.0
_LEAVE_S = 10.0


class LocalCamera:
    """A camera, read in a thread of its own.

    Args:
        source: a device of this machine or an address.
        options: how often and how large.
        clock: for placing, and for waiting until it comes back.

    Raises:
        MediaError: it cannot be opened, or is a file.
    """

    def __init__(self, source: Source, options: ReadOptions, clock: Clock) -> None:
        if source.kind == "file":
            raise MediaError(
                f"{source.shown} is not a camera; give a device such as /dev/video0, an address, "
                "or none (a file is watched with omnilive watch)."
            )
        self.name = source.shown
        self.state: CameraState = "on"
        self._source = source
        self._options = options
        self._clock = clock
        self._stop = threading.Event()
        self._reader: MediaReader | None = open_source(source, options, self._stop)
        self._thread: threading.Thread | None = None

    def start(self, seen: Seen, lost: Callable[[str], None]) -> None:
        """Begin to watch; `lost` is told in one sentence when the camera goes away."""
        self._thread = threading.Thread(
            target=self._run, args=(seen, lost), name="omnilive camera", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Let go. Safe to call twice."""
        self._stop.set()
        reader = self._reader
        if reader is not None:
            reader.close()
        if self._thread is not None:
            self._thread.join(_LEAVE_S)
        self.state = "off"

    def _run(self, seen: Seen, lost: Callable[[str], None]) -> None:
        while not self._stop.is_set():
            try:
                why = self._watch(seen)
            except MediaError as problem:
                why = str(problem)
            except Exception as problem:  # a defect of ours must not end the talk
                _log.debug("the camera failed: %s at\n%s", type(problem).__name__, places(problem))
                why = f"Reading {self.name} failed ({type(problem).__name__})."
            if self._stop.is_set():
                return
            if self.state != "lost":
                self.state = "lost"
                lost(f"{why} The talk goes on; the camera is tried again.")
            self._clock.wait(self._stop, _AGAIN_S)

    def _watch(self, seen: Seen) -> str:
        """Watch one opening to its end; return why it ended."""
        reader = self._reader or open_source(self._source, self._options, self._stop)
        self._reader = reader
        try:
            arrival = Arrival(self._clock)
            for event in reader.events(stream=0, at_ns=0, wall_ns=0):
                if isinstance(event, StreamEnded):
                    return event.error or f"{self.name} ended."
                if isinstance(event, VideoFrame):
                    self.state = "on"
                    arrival.note(event.at_ns)
                    behind_ns = self._clock.wall_ns() - arrival.wall_at(event.at_ns)
                    seen(self._clock.monotonic_ns() - behind_ns, event.pixels)
                if self._stop.is_set():
                    break
            return f"{self.name} ended."
        finally:
            self._reader = None
            reader.close()
