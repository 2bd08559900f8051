"""The network goes and comes back: the page finds its session again by itself."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser_support import browser, spoken, write_microphone
from omnilive.presets import embedded
from omnilive.web.server import Server, ServerOptions
from page_support import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.real_time]

_AWAY_MS = 20_000
_WEBSOCKET = "delete window.RTCPeerConnection;"


class Wire:
    """A TCP wire on loopback that can be cut."""

    def __init__(self) -> None:
        self.port = 0
        self._to = 0
        self._listening: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()

    def plug_in(self, to: int) -> None:
        """Carry what comes to the port `to`; the wire's own port stays the same."""
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        assert self._listening is not None
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wired(store: Path) -> Iterator[tuple[Server, Wire]]:
    """Run a server that is reached through a wire."""
    wire = Wire()
    with socket.create_server(("127.0.0.1", 0)) as free:
        wire.port = free.getsockname()[1]
    options = ServerOptions(port=0, allow_hosts=(f"127.0.0.1:{wire.port}",))
    with Server(embedded(), store, options) as server:
        wire.plug_in(server.port)
        try:
            yield server, wire
        finally:
            wire.cut()


def test_twenty_seconds_without_a_network(tmp_path: Path) -> None:
    told = spoken("The red box is under the table.", rate_wpm=130)
    write_microphone(tmp_path / "mic.wav", [(2, told), (36, told), (44, told)], 60)
    with wired(tmp_path / "store") as (server, wire), browser(tmp_path / "mic.wav") as chromium:
        context = chromium.new_context(permissions=["camera", "microphone"])
        context.add_init_script(_WEBSOCKET)
        link = f"http://127.0.0.1:{wire.port}/?token={server.token}"
        tab = Visit(context.new_page(), server, link)
        tab.start(record=False)
        session = tab.page.evaluate("omnilive.state().session")
        tab.until_received("utterance")
        wire.cut()
        tab.until("omnilive.state().connection !== 'live'")
        tab.page.wait_for_timeout(_AWAY_MS)
        assert "box" in tab.transcript()  # what was there stays on the page
        wire.plug_in(server.port)
        tab.until("omnilive.state().connection === 'live'")
        assert tab.page.evaluate("omnilive.state().session") == session
        tab.until_received("utterance", 2)
        assert tab.received("stream") == 2  # a new epoch of the same stream
        tab.type("What was said about the red box?")
        tab.until_received("answer")
        assert tab.errors == []
