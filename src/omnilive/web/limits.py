"""How much one client may ask for: token buckets by class of request."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

RequestClass: TypeAlias = Literal["read", "ask", "session", "change"]
_MOST_CLIENTS = 1024


class Rate(NamedTuple):
    """So many a second on average, and so many at once."""

    per_s: float
    burst: int


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What is refused with 413 or 429.

    Attributes:
        body_bytes: the longest body of a request.
        read: everything that only looks; a page of the memory may ask for hundreds of pictures.
        ask: questions.
        session: new conversations and offers.
        change: pins and forgetting.
    """

    body_bytes: int = 64 * 1024
    read: Rate = Rate(100.0, 600)
    ask: Rate = Rate(2.0, 20)
    session: Rate = Rate(2.0, 40)
    change: Rate = Rate(10.0, 100)

    def rates(self) -> Mapping[RequestClass, Rate]:
        """Return the rates by class."""
        return {
            "read": self.read,
            "ask": self.ask,
            "session": self.session,
            "change": self.change,
        }


class Buckets:
    """One bucket for every client and class of request; any thread may draw.

    Args:
        rates: how fast they fill and how much they hold.
        now: monotonic seconds.
    """

    def __init__(
        self, rates: Mapping[RequestClass, Rate], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rates, self._now = rates, now
        self._held: OrderedDict[tuple[str, RequestClass], tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def draw(self, client: str, wanted: RequestClass) -> float:
        """Take one request; returns 0.0, or in how many seconds the client may try again."""
        rate = self._rates[wanted]
        with self._lock:
            now = self._now()
            held, at = self._held.pop((client, wanted), (float(rate.burst), now))
            held = min(float(rate.burst), held + (now - at) * rate.per_s)
            allowed = held >= 1.0
            self._held[client, wanted] = (held - 1.0 if allowed else held, now)
            if len(self._held) > _MOST_CLIENTS:
                self._held.popitem(last=False)
            return 0.0 if allowed else (1.0 - held) / rate.per_s


def class_of(method: str, path: str) -> RequestClass:
    """Return the class of a request."""
    if path.rstrip("/") == "/v1/ask":
        return "ask"
    if path.startswith("/v1/sessions") and method == "POST":
        return "session"
    return "read" if method in ("GET", "HEAD") else "change"
