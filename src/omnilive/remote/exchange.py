"""One HTTP exchange that can be broken off at any instant.

A blocking read cannot look at a flag, so the exchange runs in a thread of its own and hands its
bytes over through a bounded queue; whoever reads waits on the queue and is woken by `abort`. The
thread ends soon after, because its socket is shut down under it; were it still resolving a name,
nobody would wait for it.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnilive.errors import BackendError, Cancelled

if TYPE_CHECKING:
    import httpx

_QUEUED_CHUNKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What came before the body: the status and the headers that matter."""

    status: int
    content_type: str
    content_encoding: str
    retry_after: str


class ConnectionFailed(BackendError):
    """The server could not be reached, or closed before it answered; trying again may help."""


class ServerTimeout(BackendError):
    """The server took too long."""


class Exchange:
    """A POST whose response is read chunk by chunk.

    Args:
        client: makes the connection; it must not keep connections alive.
        url: where to post.
        body: the request's body, JSON.
        headers: of the request; they may hold the key.
        server: how the server is called in messages.
    """

    def __init__(
        self, client: httpx.Client, url: str, body: bytes, headers: Mapping[str, str], server: str
    ) -> None:
        self._server = server
        self._items: queue.Queue[Head | bytes | BackendError | None] = queue.Queue(_QUEUED_CHUNKS)
        self._aborted = threading.Event()
        self._socket: socket.socket | None = None
        self._socket_lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._run,
            args=(client, url, body, dict(headers)),
            name="omnilive chat",
            daemon=True,
        )
        self._thread.start()

    def abort(self) -> None:
        """Break the exchange off; whoever reads gets `Cancelled` at once. From any thread."""
        self._aborted.set()
        self._shut_down()
        with contextlib.suppress(queue.Full):  # a full queue has woken its reader already
            self._items.put_nowait(None)

    def head(self, timeout_s: float) -> Head:
        """Wait for the response to begin.

        Raises:
            ConnectionFailed, ServerTimeout, Cancelled: no response, too late, broken off.
        """
        item = self._next(timeout_s)
        assert isinstance(item, Head)
        return item

    def chunks(self, idle_timeout_s: float, total_timeout_s: float) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            BackendError: broken connection, silence or a body that does not end.
            Cancelled: broken off.
        """
        deadline = time.monotonic() + total_timeout_s
        while True:
            left = max(0.001, deadline - time.monotonic())
            try:
                item = self._next(min(idle_timeout_s, left))
            except ServerTimeout:
                if left >= idle_timeout_s:
                    raise
                item = b""  # not silent, only late: the next line says so
            if time.monotonic() >= deadline:
                raise ServerTimeout(
                    f"{self._server} did not finish its answer in {total_timeout_s:g} s."
                )
            if item is None:
                return
            assert isinstance(item, bytes)
            yield item

    def _next(self, timeout_s: float) -> Head | bytes | None:
        try:
            item = self._items.get(timeout=timeout_s)
        except queue.Empty:
            raise ServerTimeout(
                f"{self._server} sent nothing for {timeout_s:.3g} s; it may be overloaded."
            ) from None
        if self._aborted.is_set():
            raise Cancelled("The turn was cut.")
        if isinstance(item, BackendError):
            raise item
        return item

    def _run(self, client: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> None:
        import httpx

        try:
            with client.stream(
                "POST", url, content=body, headers=headers, extensions={"trace": self._trace}
            ) as response:
                self._hand_over(
                    Head(
                        status=response.status_code,
                        content_type=response.headers.get("content-type", ""),
                        content_encoding=response.headers.get("content-encoding", ""),
                        retry_after=response.headers.get("retry-after", ""),
                    )
                )
                for chunk in response.iter_raw():
                    if self._aborted.is_set():
                        return
                    self._hand_over(chunk)
            self._hand_over(None)
        except httpx.TimeoutException:
            self._hand_over(ConnectionFailed(f"{self._server} could not be reached in time."))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            # httpx's own words may hold the address with its query; the class is enough.
            kind = type(error).__name__
            self._hand_over(
                ConnectionFailed(f"{self._server} could not be reached or broke off ({kind}).")
            )

    def _hand_over(self, item: Head | bytes | BackendError | None) -> None:
        while not self._aborted.is_set():
            try:
                self._items.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def _trace(self, name: str, info: Mapping[str, object]) -> None:
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            get = getattr(info.get("return_value"), "get_extra_info", None)
            found = get("socket") if get is not None else None
            with self._socket_lock:
                self._socket = found if isinstance(found, socket.socket) else None
            if self._aborted.is_set():
                self._shut_down()

    def _shut_down(self) -> None:
        with self._socket_lock:
            if self._socket is None:
                return
            with contextlib.suppress(OSError):  # closed already
                # The plain method on purpose: a TLS socket's own drops its state first, and only
                # the system call is needed to wake the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
