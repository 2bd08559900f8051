"""Messages on their way to a page: in order, bounded, the newest only where that is enough."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict

from omnilive.serving.wire import Json

_MOST_BYTES = 4 << 20
_MOST_MESSAGES = 4000


class Outbox:
    """Holds what was not sent yet. Thread-safe.

    A newer `level`, and a newer `partial` of the same utterance, takes the place of the one that
    still waits. Nothing else is ever left out: when too much waits, the reader is too slow and
    the connection has to end (`is_full`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str | int, str] = OrderedDict()
        self._number = 0
        self._num_characters = 0
        self._full = False
        self.num_replaced = 0

    @property
    def is_full(self) -> bool:
        """Whether more was put in than can be held; from then on nothing is taken in."""
        return self._full

    def put(self, message: Json) -> None:
        """Take in a message; from any thread."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        key: str | int | None = None
        if message.get("event") == "level":
            key = "level"
        elif message.get("event") == "partial":
            key = f"partial {message.get('id')}"
        with self._lock:
            if self._full:
                return
            if key is not None and key in self._waiting:
                self._num_characters -= len(self._waiting[key])
                self.num_replaced += 1
            if key is None:
                key = self._number
                self._number += 1
            self._waiting[key] = text
            self._num_characters += len(text)
            too_long = self._num_characters > _MOST_BYTES
            self._full = too_long or len(self._waiting) > _MOST_MESSAGES

    def take(self) -> str | None:
        """Return the next message as JSON; None if nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            _, text = self._waiting.popitem(last=False)
            self._num_characters -= len(text)
            return text

    def clear(self) -> None:
        """Throw away what waits: there is nobody to send it to."""
        with self._lock:
            self._waiting.clear()
            self._num_characters = 0
