"""What failed, counted; and which failure is worth telling again."""

from __future__ import annotations

import threading
import time
from collections import Counter

_SAME_ERROR_S = 10.0  # a stage that fails on and on says so this often


class Complaints:
    """A full disk fails every packet: one sentence now and then says it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._told: dict[str, tuple[str, float]] = {}

    def count(self, name: str) -> None:
        """Count a failure of the stage `name`."""
        with self._lock:
            self.counts[name.split()[0]] += 1

    def is_news(self, name: str, error: str) -> bool:
        """Count a failure; whether it is another one than was told a moment ago."""
        self.count(name)
        with self._lock:
            now_s = time.monotonic()
            told, told_s = self._told.get(name, ("", 0.0))
            if told == error and now_s - told_s < _SAME_ERROR_S:
                return False
            self._told[name] = (error, now_s)
            return True
