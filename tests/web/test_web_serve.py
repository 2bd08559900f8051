"""`omnilive serve` as a process: what it prints, TLS, signals, and beside a running watch."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from cli_support import run
from http_support import store_copy
from live_support import PATIENCE_S, Watching, environment, live_server

TOKEN = "a-token-of-the-environment"


class Serving:
    """`omnilive serve --json` as a process; use it in a `with` block."""

    def __init__(self, *arguments: object, home: Path, token: str = TOKEN) -> None:
        self.err = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omnilive", "-v", "serve", "--json", "--port", "0"]
            + [str(each) for each in arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment()
            | {"OMNILIVE_TOKEN": token, "XDG_CONFIG_HOME": str(home), "HOME": str(home)},
        )
        self._reader = threading.Thread(target=self._read_err)
        self._reader.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._ended()
        self.about: dict[str, Any] = json.loads(line)

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self.err = self.process.stderr.read()

    def _ended(self) -> str:
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return self.err

    def client(self, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.about['token']}"}
        settings = {"verify": False, "timeout": 60.0} | more
        return httpx.Client(base_url=self.about["address"], headers=headers, **settings)

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; returns exit code and what was printed since the start."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code, out

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_come_in_and_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    with Serving("--store", tmp_path / "memory", home=tmp_path) as served:
        about = served.about
        assert about["event"] == "serving"
        assert about["token"] == TOKEN
        assert about["link"] == f"{about['address']}?token={TOKEN}"
        assert about["address"].startswith("http://127.0.0.1:")
        assert (about["fingerprint"], about["remembers"], about["refusal"]) == ("", True, "")
        assert about["leaves_machine"] == about["addresses"] == []
        with served.client() as program:
            assert program.get("/health").json() == {"status": "ok"}
            assert program.post("/v1/sessions", json={"name": "desk"}).status_code == 201
            program.get("/v1/moments", params={"q": "a private word"})
            program.get(f"/?token={TOKEN}")
        code, out = served.stop(number)
    assert code == 0
    assert json.loads(out) == {"event": "stopped"}
    assert TOKEN not in served.err
    assert "private" not in served.err
    assert "Traceback" not in served.err


def test_tls_of_its_own_has_the_fingerprint_it_prints(tmp_path: Path) -> None:
    prints = []
    for _ in range(2):
        with Serving("--store", tmp_path / "m", "--tls", "self", home=tmp_path) as served:
            address = httpx.URL(served.about["address"])
            assert address.scheme == "https"
            # Trust is pinned to the fingerprint, then the names are checked too.
            pem = ssl.get_server_certificate((address.host, int(address.port or 0)))
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
            assert served.about["fingerprint"].replace(":", "") == digest
            trusted = ssl.create_default_context(cadata=pem)
            with served.client(verify=trusted) as program:
                assert program.get("/v1/status").status_code == 200
                answer = program.get(f"/?token={TOKEN}")
                assert answer.headers["set-cookie"].startswith("__Host-omnilive-")
                assert "Secure" in answer.headers["set-cookie"]
                session = program.post("/v1/sessions", json={}).json()["id"]
            with connect(
                f"wss://127.0.0.1:{address.port}/v1/sessions/{session}/ws?camera=0",
                additional_headers={"Authorization": f"Bearer {TOKEN}"},
                ssl=trusted,
                proxy=None,
            ) as page:
                assert json.loads(page.recv(timeout=PATIENCE_S))["event"] == "hello"
            served.stop()
            prints.append(served.about["fingerprint"])
    assert prints[0] == prints[1]
    kept = [path for path in tmp_path.rglob("tls.key")]
    assert len(kept) == 1
    assert os.name != "posix" or kept[0].stat().st_mode & 0o077 == 0


def test_beside_a_watch_it_looks_asks_pins_and_forgets(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with live_server(seconds=60.0) as camera, Watching(camera.address, "--store", store) as watch:
        watch.wait_for("clip", 2)
        with Serving("--store", store, home=tmp_path) as served, served.client() as program:
            assert served.about["remembers"] is False
            assert "omnilive watch" in served.about["refusal"]
            moments = program.get("/v1/moments", params={"limit": 100}).json()["moments"]
            clip = next(each for each in moments if each["playable"])
            assert program.get(clip["media"]).status_code == 200
            refused = program.post("/v1/sessions", json={})
            assert refused.status_code == 409
            assert "omnilive watch" in refused.json()["error"]["message"]
            assert program.post(f"/v1/moments/{clip['id']}/pin").json()["pinned"] is True
            answer = program.post("/v1/ask", json={"question": "what was said?"})
            assert "event: answer\n" in answer.text
            path = f"/v1/moments/{clip['id']}/forget"
            assert program.post(path, params={"pinned": 1}).status_code == 200
            assert program.get(f"/v1/moments/{clip['id']}").status_code == 404
            # The writer goes; the next session takes its place.
            assert watch.stop() == 0
            assert program.post("/v1/sessions", json={}).status_code == 201
            assert program.get("/v1/status").json()["remembers"] is True
            assert served.stop()[0] == 0


def test_a_second_signal_does_not_wait_for_anybody(tmp_path: Path) -> None:
    with Serving("--store", tmp_path / "memory", home=tmp_path) as served:
        address = httpx.URL(served.about["address"])
        # Somebody who began a request and never ends it would hold a graceful end up.
        with socket.create_connection((address.host, int(address.port or 0))) as slow:
            slow.sendall(
                b"POST /v1/ask HTTP/1.1\r\nHost: " + address.netloc + b"\r\nContent-Type: "
                b"application/json\r\nContent-Length: 1000\r\nAuthorization: Bearer "
                + TOKEN.encode()
                + b"\r\n\r\n{"
            )
            served.process.send_signal(signal.SIGINT)
            code, out = served.stop()
            assert code == 0
            assert "stopped" in out


def test_wrong_usage_is_two(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNILIVE_TOKEN", TOKEN)
    here = ("serve", "--store", tmp_path / "memory")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, said in (
            (("--host", "0.0.0.0"), "--tls self"),
            (("--host", "0.0.0.0", "--tls-cert", "nowhere.pem"), "go together"),
            (("--tls", "other"), "--tls-cert"),
            (("--tls-cert", "a", "--tls-key", "b"), "cannot be used"),
            (("--tls", "self", "--tls-cert", "a", "--tls-key", "b"), "leave out"),
            (("--allow-host", "no name at all"), "no host name"),
            (("--ice-address", "nowhere"), "no IP address"),
            (("--port", port), "is in use"),
            (("--port", "70000"), "65535"),
            (("--host", "no-such-host.invalid", "--behind-proxy"), "cannot be listened on"),
            (("--max-sessions", "0"), "max-sessions"),
        ):
            ran = run(capsys, *here, *arguments)
            assert ran.code == 2, arguments
            assert said in ran.err, (arguments, ran.err)
            assert "Traceback" not in ran.err
    monkeypatch.setenv("OMNILIVE_TOKEN", "short")
    assert run(capsys, *here).code == 2


def test_a_store_that_cannot_be_used_is_four(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no store")
    assert run(capsys, "serve", "--store", tmp_path / "file", "--port", "0").code == 4
    store = store_copy(tmp_path)
    (store / "memory.db").write_bytes(b"damaged" * 1000)
    assert run(capsys, "serve", "--store", store, "--port", "0").code == 4


def test_the_command_line_knows_the_web_only_when_it_serves() -> None:
    code = (
        "import sys, omnilive.cli; "
        "print([n for n in ('fastapi', 'uvicorn', 'aiortc', 'cryptography') if n in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert ran.stdout.strip() == "[]"
