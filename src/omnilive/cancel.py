"""A thread-safe flag that says: stop working on this turn.

The session sets it from any thread; a backend looks at it once a token, waits on it instead
of sleeping, or registers what aborts its request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from omnilive.errors import Cancelled


class Cancel:
    """Set once, never cleared; callbacks run exactly once, in the thread that sets it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_key = 0

    @property
    def is_set(self) -> bool:
        """Whether the turn was cut."""
        return self._event.is_set()

    def set(self) -> None:
        """Cut the turn and run what was registered to abort its requests."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Register `callback` (run at once if already set); returns what unregisters it."""
        with self._lock:
            if not self._event.is_set():
                key = self._next_key
                self._next_key += 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return lambda: None

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; True as soon as the turn is cut."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `Cancelled` if the turn was cut."""
        if self._event.is_set():
            raise Cancelled("The turn was cut.")

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
