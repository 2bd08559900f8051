"""Clocks: the real one, and one that tests move by hand. Only serving and evaluation read them."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time for pacing, wall time for epochs and anchors."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds of UTC since the Unix epoch; may step when the machine's clock is set."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait at most `seconds`, or until `stop` is set (then True)."""
        ...


class RealClock:
    """The machine's clocks."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds of UTC since the Unix epoch."""
        return time.time_ns()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait at most `seconds`, or until `stop` is set (then True)."""
        return stop.wait(max(0.0, seconds))


class VirtualClock:
    """A clock that only moves when told to, or when somebody waits on it."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000) -> None:
        self._ns = 0
        self._wall_start_ns = wall_ns
        self._lock = threading.Lock()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        with self._lock:
            return self._ns

    def wall_ns(self) -> int:
        """The wall time it was made with, plus what has passed, plus every step."""
        with self._lock:
            return self._wall_start_ns + self._ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._ns += int(seconds * 1e9)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock, as an administrator would; monotonic time stands."""
        with self._lock:
            self._wall_start_ns += int(seconds * 1e9)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Pass the time at once."""
        if not stop.is_set():
            self.advance(max(0.0, seconds))
        return stop.is_set()


def local_zone() -> str:
    """Return the IANA name of this machine's time zone; "UTC" where it cannot be told."""
    import tzlocal

    try:
        return tzlocal.get_localzone_name() or "UTC"
    except (LookupError, ValueError, OSError):
        return "UTC"
