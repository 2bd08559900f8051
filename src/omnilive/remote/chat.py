"""Client of any server that speaks the OpenAI-style chat protocol and takes pictures.

Before the first piece of text a failed request is tried again; after it never, because what was
said cannot be taken back. Nothing of what is sent or received appears in logs or errors.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.remote.exchange import ConnectionFailed, Exchange, Head
from omnilive.remote.replies import ReplyCut, ReplyLimits, streamed, whole

_LOG = logging.getLogger(__name__)
_POSITIVE = (
    "max_tokens",
    "connect_timeout_s",
    "first_byte_timeout_s",
    "idle_timeout_s",
    "total_timeout_s",
    "max_wait_s",
    "max_line_bytes",
    "max_reply_bytes",
)
_BUSY = frozenset({408, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, kw_only=True)
class ChatConfig:
    """A chat server: where it is and how patient we are with it.

    Attributes:
        url: its address, with or without "/v1"; "" is none.
        model: the model it shall run.
        key_variable: environment variable that holds its key.
        max_tokens: bound of one answer.
        connect_timeout_s: until it takes the connection.
        first_byte_timeout_s: until it begins to answer.
        idle_timeout_s: the longest silence within an answer.
        total_timeout_s: the longest answer.
        max_retries: further attempts while nothing was said yet.
        backoff_s: wait before the first of them; it doubles.
        max_wait_s: longest wait before one, whatever the server asks for.
        max_line_bytes: longest line of a reply.
        max_reply_bytes: longest reply.
        use_proxy: whether proxies and keys named by the environment are used.
    """

    url: str = ""
    model: str = ""
    key_variable: str = "OMNILIVE_VLM_KEY"
    max_tokens: int = 700
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 90.0
    idle_timeout_s: float = 30.0
    total_timeout_s: float = 300.0
    max_retries: int = 3
    backoff_s: float = 0.5
    max_wait_s: float = 20.0
    max_line_bytes: int = 256_000
    max_reply_bytes: int = 4_000_000
    use_proxy: bool = False

    def __post_init__(self) -> None:
        if self.url:
            endpoint(self.url)
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError(f"vlm.{name} must be more than 0.")
        if self.max_retries < 0 or self.backoff_s < 0:
            raise ConfigError("vlm.max_retries and vlm.backoff_s must not be negative.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: text parts and JPEG parts, in the order in which the model shall see them."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | bytes, ...]


class ChatClient:
    """Asks one model of one server. May be used by several threads at once."""

    def __init__(self, config: ChatConfig) -> None:
        if not config.url or not config.model:
            raise ConfigError("A server needs an address and a model: --vlm URL --vlm-model NAME.")
        import httpx  # slow to import, and needed only by who has a server

        self._config = config
        self._url = endpoint(config.url)
        host = urlsplit(self._url).hostname or ""
        self.server = f"The vision-language server at {host}"
        secure = self._url.startswith("https:") or _is_loopback(host)
        if not secure:
            _LOG.warning(
                "Pictures and transcripts go to %s unencrypted; use https if you can.",
                host,
            )
        key = os.environ.get(config.key_variable, "")
        if not key and secure:
            # A key kept for another server is not shown to the whole network.
            key = os.environ.get("OPENAI_API_KEY", "")
        if not re.fullmatch(r"[\x21-\x7e]*", key):
            raise ConfigError(f"{config.key_variable} holds characters that no key can have.")
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=config.use_proxy,
            timeout=httpx.Timeout(
                connect=config.connect_timeout_s,
                read=max(config.first_byte_timeout_s, config.idle_timeout_s) + 1,
                write=config.first_byte_timeout_s,
                pool=None,
            ),
            # Every request has a connection of its own, which may be shut down under it.
            limits=httpx.Limits(max_keepalive_connections=0, max_connections=None),
        )

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._config.model

    def stream(
        self,
        messages: Sequence[Message],
        cancel: Cancel,
        *,
        max_tokens: int | None = None,
        may_be_cut: bool = False,
    ) -> Iterator[str]:
        """Yield the model's reply, delta by delta.

        Args:
            messages: the dialogue and what it is about.
            cancel: breaks the exchange off within 100 ms.
            max_tokens: bound of this reply, if not the configured one.
            may_be_cut: whether a reply that ends at that bound is good enough.

        Raises:
            BackendError: the server failed; before the first delta after all retries.
            Cancelled: the turn was cut.
        """
        body = self._body(messages, max_tokens or self._config.max_tokens)
        attempt = 0
        while True:
            cancel.check()
            exchange = Exchange(self._client, self._url, body, self._headers, self.server)
            unregister = cancel.on_set(exchange.abort)
            said = False
            try:
                head = self._head(exchange)
                for delta in self._deltas(head, exchange):
                    cancel.check()
                    said = True
                    yield delta
                cancel.check()
                return
            except _TryAgain as problem:
                cancel.check()
                if attempt >= self._config.max_retries:
                    raise BackendError(f"{problem} It was tried {attempt + 1} times.") from problem
                wait_s = self._wait_s(attempt, problem.retry_after)
            except ReplyCut:
                if may_be_cut and said:
                    return
                raise
            finally:
                unregister()
                exchange.abort()
            attempt += 1
            cancel.wait(wait_s)

    def close(self) -> None:
        """Close what is open. Safe to call twice."""
        self._client.close()

    def _body(self, messages: Sequence[Message], max_tokens: int) -> bytes:
        return json.dumps(
            {
                "model": self._config.model,
                "messages": [
                    {"role": message.role, "content": _content(message)} for message in messages
                ],
                "max_tokens": max_tokens,
                "temperature": 0,
                "stream": True,
            }
        ).encode()

    def _head(self, exchange: Exchange) -> Head:
        config = self._config
        try:
            head = exchange.head(config.connect_timeout_s + config.first_byte_timeout_s)
        except ConnectionFailed as problem:
            raise _TryAgain(str(problem)) from problem
        if head.status in _BUSY:
            why = "is asked too often" if head.status == 429 else "is not able to answer now"
            raise _TryAgain(f"{self.server} {why} (status {head.status}).", head.retry_after)
        if head.status != 200:
            raise BackendError(f"{self.server} {_refusal(head.status, config)}")
        if head.content_encoding not in ("", "identity"):
            raise BackendError(f"{self.server} sent a compressed reply that was not asked for.")
        return head

    def _deltas(self, head: Head, exchange: Exchange) -> Iterator[str]:
        config = self._config
        limits = ReplyLimits(
            max_line_bytes=config.max_line_bytes, max_reply_bytes=config.max_reply_bytes
        )
        kind = head.content_type.partition(";")[0].strip().lower()
        chunks = exchange.chunks(config.idle_timeout_s, config.total_timeout_s)
        if kind == "application/json":
            return whole(chunks, limits, self.server)
        if kind in ("text/event-stream", "", "text/plain", "application/octet-stream"):
            return streamed(chunks, limits, self.server)
        raise BackendError(
            f"{self.server} sent a page instead of a chat reply; check the address given as --vlm."
        )

    def _wait_s(self, attempt: int, retry_after: str) -> float:
        config = self._config
        asked = float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d+)?", retry_after.strip()) else 0.0
        return min(max(asked, config.backoff_s * 2**attempt), config.max_wait_s)


class _TryAgain(Exception):
    """Nothing was said yet and the server may do better next time."""

    def __init__(self, message: str, retry_after: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after


def endpoint(address: str) -> str:
    """Return where to post for a server's `address`.

    Raises:
        ConfigError: it is no http(s) address, or holds a password.
    """
    try:
        url = urlsplit(address.strip())
        host, _ = url.hostname, url.port
    except ValueError:
        raise ConfigError("The server's address is not a valid URL.") from None
    if url.scheme not in ("http", "https") or not host or not address.isprintable():
        raise ConfigError("The server's address must begin with http:// or https://.")
    if "@" in url.netloc or url.query:
        raise ConfigError(
            "The server's address must hold no user name, password or query; its key goes into an "
            "environment variable."
        )
    path = url.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        if not re.search(r"/v\d+\w*$", path):
            path += "/v1"
        path += "/chat/completions"
    return urlunsplit((url.scheme, url.netloc, path, "", ""))


def _content(message: Message) -> str | list[dict[str, object]]:
    if all(isinstance(part, str) for part in message.parts):
        # Many servers take a list of parts only where there are pictures.
        return "\n".join(part for part in message.parts if isinstance(part, str))
    parts: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            data = base64.b64encode(part).decode("ascii")
            parts.append(
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
            )
    return parts


def _refusal(status: int, config: ChatConfig) -> str:
    if status in (401, 403):
        return f"refused the key (status {status}); set {config.key_variable}."
    if status == 404:
        return "has no such address or model (status 404); check --vlm and --vlm-model."
    if 300 <= status < 400:
        return f"points to another address (status {status}), which is not followed; give that one."
    if status in (400, 413, 415, 422):
        return f"rejected the request (status {status}); its model may take no pictures."
    return f"answered with status {status}."


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
