"""Who may come in: the token, the cookie it is exchanged for, and how often one may guess.

The cookie is not the token: browsers send a cookie to every port of a host, so another program on
this machine may see it. It is `issued.nonce.signature`, signed with a key made from the token, so
nothing is stored and a new token ends every login.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from omnilive.errors import ConfigError

LOGIN_S = 30 * 24 * 3600
_SHORTEST = 16
_MOST_GUESSERS = 1024


def make_token(given: str = "") -> str:
    """Return the token of this start: the user's own, or 256 random bits.

    Raises:
        ConfigError: the user's own is too short to be one.
    """
    if not given:
        return secrets.token_urlsafe(32)
    if len(given) < _SHORTEST or not given.isascii() or not given.isprintable() or " " in given:
        raise ConfigError(
            f"OMNILIVE_TOKEN must be at least {_SHORTEST} printable ASCII characters without "
            "blanks; leave it unset and one is made."
        )
    return given


class Tokens:
    """Checks tokens and cookies in constant time.

    Args:
        token: what lets in.
        now: UTC in seconds.
    """

    def __init__(self, token: str, now: Callable[[], float] = time.time) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"omnilive login", hashlib.sha256)
        self._now = now

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(given.encode(errors="replace"), self._token)

    def make_cookie(self) -> str:
        """Return the value of a new login."""
        head = f"{int(self._now())}.{secrets.token_urlsafe(16)}"
        return f"{head}.{self._sign(head)}"

    def is_cookie(self, given: str) -> bool:
        """Whether this is a login that we gave and that still holds."""
        head, _, signature = given.rpartition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._sign(head).encode()):
            return False
        return 0 <= self._now() - int(head.split(".")[0]) + 60 <= LOGIN_S + 60

    def _sign(self, head: str) -> str:
        return hmac.new(self._key, head.encode(errors="replace"), hashlib.sha256).hexdigest()


class Guesses:
    """Counts wrong tokens by address; after too many, even the right one has to wait.

    Args:
        most: how many wrong ones are answered within `window_s`.
        window_s: after this long without another guess the count begins anew.
        now: monotonic seconds.
    """

    def __init__(
        self, most: int = 10, window_s: float = 60.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._window_s, self._now = most, window_s, now
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Return how long this address has to wait before its next guess; 0.0: not at all."""
        with self._lock:
            count, last = self._wrong.get(address, (0, 0.0))
            if count < self._most:
                return 0.0
            return max(0.0, last + self._window_s - self._now())

    def clear(self) -> None:
        """Forget all wrong guesses."""
        with self._lock:
            self._wrong.clear()

    def note_wrong(self, address: str) -> None:
        """Count a wrong guess."""
        with self._lock:
            count, last = self._wrong.pop(address, (0, 0.0))
            if self._now() - last > self._window_s:
                count = 0
            self._wrong[address] = (count + 1, self._now())
            if len(self._wrong) > _MOST_GUESSERS:
                self._wrong.popitem(last=False)
