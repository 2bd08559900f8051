"""A real `omnilive watch` in a process of its own, and live sources on loopback to point it at."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av

import omnilive
from omnilive.clock import RealClock
from omnilive.media.synthetic import World, render

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "media" / "rtsp_server.py"
PASSWORD = "p@ss:w/rd"
PATIENCE_S = 120.0  # a bound that is never reached, not a promise
_CHECK = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst, GstRtspServer; Gst.init(None); "
    "import sys; sys.exit(not all(map(Gst.ElementFactory.find, "
    "('x265enc', 'x264enc', 'alawenc', 'rtph265pay'))))"
)

Json = dict[str, Any]


@functools.cache
def have_camera() -> bool:
    """Whether gst-rtsp-server and its encoders are installed for the system's Python."""
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", _CHECK], capture_output=True, check=False).returncode == 0


class Camera:
    """An RTSP server with a password, as a process."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(SERVER), "admin", PASSWORD, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def address(self, path: str, password: str = PASSWORD) -> str:
        return f"rtsp://admin:{quote(password, safe='')}@127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class LiveServer:
    """Sends a transport stream by HTTP at the pace of a camera, without end of file to seek in."""

    def __init__(self, data: bytes, seconds: float, port: int = 0) -> None:
        self._data, self._seconds = data, seconds
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"http://admin:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/live.ts"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._send, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _send(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
            step = max(1, round(len(self._data) / self._seconds / 10))
            for start in range(0, len(self._data), step):
                if self._stop.wait(0.1):
                    return
                connection.sendall(self._data[start : start + step])

    def kill(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> LiveServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="omnilive-live-", ignore_cleanup_errors=True)


@functools.cache
def world_file(seconds: float = 30.0) -> Path:
    """Return an mp4 of a synthetic world with speech from the beginning."""
    path = Path(_folder().name) / f"world{seconds:g}.mp4"
    render(World(seed=11, duration_s=seconds), path, fps=10, size=(640, 360))
    return path


@functools.cache
def live_data(seconds: float = 30.0) -> bytes:
    """Return the same world as a transport stream."""
    path = Path(_folder().name) / f"world{seconds:g}.ts"
    with av.open(str(world_file(seconds))) as source, av.open(str(path), "w") as out:
        tracks = {t.index: out.add_stream_from_template(t) for t in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
    return path.read_bytes()


def live_server(port: int = 0, seconds: float = 30.0) -> LiveServer:
    return LiveServer(live_data(seconds), seconds, port)


class SetClock(RealClock):
    """The machine's clock, which a test can set as an administrator would."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.ahead_ns


def environment() -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=str(Path(omnilive.__path__[0]).parent))


class Watching:
    """`omnilive watch ... --json` as a process; use it in a `with` block."""

    def __init__(self, *arguments: object, verbose: bool = False) -> None:
        self.objects: list[Json] = []
        self.arrived_s: list[float] = []
        self.err = ""
        self._changed = threading.Condition()
        self._over = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omnilive", *(["-v"] if verbose else []), "watch", "--json"]
            + [str(each) for each in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        self._threads = [threading.Thread(target=run) for run in (self._read_out, self._read_err)]
        for thread in self._threads:
            thread.start()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.objects.append(json.loads(line))
                self.arrived_s.append(time.monotonic())
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self.err = self.process.stderr.read()

    def of(self, event: str, **fields: object) -> list[Json]:
        """Return the objects of a kind so far."""
        return [
            each
            for each in list(self.objects)
            if each["event"] == event and all(each.get(k) == v for k, v in fields.items())
        ]

    def wait(self, wanted: Callable[[], Any], what: str) -> Any:
        """Wait until `wanted` holds of what was printed."""
        with self._changed:
            self._changed.wait_for(lambda: wanted() or self._over, PATIENCE_S)
        found = wanted()
        assert found, f"no {what}; printed: {self.objects}; said: {self.err}"
        return found

    def wait_for(self, event: str, count: int = 1, **fields: object) -> list[Json]:
        def wanted() -> list[Json]:
            found = self.of(event, **fields)
            return found if len(found) >= count else []

        return self.wait(wanted, f"{count} {event} {fields}")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        code = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return code

    def children(self) -> list[int]:
        """Return the processes that it started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found: list[int] = []
        for task in path.parent.parent.iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
        return found

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run another omnilive command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "omnilive", *map(str, arguments)],
        capture_output=True,
        env=environment(),
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def lines(text: str) -> list[Json]:
    return [json.loads(line) for line in text.splitlines()]


def bytes_under(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def wall_minus_stream_s(event: Json) -> float:
    """Return how far the wall clock is ahead of stream time: the same across true gaps."""
    return datetime.fromisoformat(event["at"]).timestamp() - float(event["start_s"])
