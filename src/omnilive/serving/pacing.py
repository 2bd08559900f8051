"""Media at the pace of its own timestamps, as a camera would deliver it."""

from __future__ import annotations

import threading

from omnilive.clock import Clock
from omnilive.events import NS_PER_S, Event, VideoFrame

LATE_NS = NS_PER_S  # a frame this far behind its time shows no longer what is there


class Pacer:
    """Holds events back until their time has come; says which frames come too late to matter."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._start: tuple[int, int] | None = None  # (stream time, monotonic time) of the first

    def keep(self, event: Event) -> bool:
        """Wait until `event` is due; False if it is a frame that is late and is to be dropped."""
        at_ns = getattr(event, "at_ns", None)
        if at_ns is None:
            return True
        now_ns = self._clock.monotonic_ns()
        if self._start is None:
            self._start = (at_ns, now_ns)
        due_ns = self._start[1] + at_ns - self._start[0]
        if isinstance(event, VideoFrame) and now_ns - due_ns > LATE_NS:
            return False
        if due_ns > now_ns:
            self._clock.wait(self._stop, (due_ns - now_ns) / NS_PER_S)
        return True
