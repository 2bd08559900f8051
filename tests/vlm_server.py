"""A real HTTP server on loopback that speaks the chat protocol, well or badly.

`with VlmServer("good") as server:` then `server.url`; `server.requests` holds what was posted.
Nothing in it decides by time alone: a mode that waits, waits until `close`.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = "The sign says OPEN [u1-0]. That is all."


def chunk(text: str | None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    data = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def stream_of(text: str, size: int = 5) -> list[bytes]:
    pieces = [chunk(text[i : i + size]) for i in range(0, len(text), size)]
    return [*pieces, chunk(None, "stop"), b"data: [DONE]\n\n"]


def reply_of(text: str) -> bytes:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


class VlmServer:
    """One server in one mode.

    Modes: good, whole (no streaming), slow (first byte after `release`), stall (half an answer,
    then silence until `release`), endless, trickle (comments for ever), failing (500), flaky (503
    once, then good), rate (429 with Retry-After once, then good), limited (429 always),
    unauthorized, redirect, html, garbage, not_utf8, empty, no_choices, no_done, no_end, length,
    long_line, error_event, breaks (closes in mid-answer), gzip, lying, injected, not_seen.
    """

    def __init__(self, mode: str = "good", text: str = GOOD, retry_after: str = "0") -> None:
        self.mode, self.text, self.retry_after = mode, text, retry_after
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.release = threading.Event()
        self.arrived = threading.Event()
        self.gone = threading.Event()  # the client closed before the answer was whole
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner._answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> VlmServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    @property
    def pictures(self) -> int:
        """How many pictures the last request held."""
        parts = [
            part
            for message in self.requests[-1]["messages"]
            if isinstance(message["content"], list)
            for part in message["content"]
        ]
        return sum(part["type"] == "image_url" for part in parts)

    @property
    def prompt(self) -> str:
        """All text of the last request."""
        texts: list[str] = []
        for message in self.requests[-1]["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            texts += [part["text"] for part in parts if part["type"] == "text"]
        return "\n".join(texts)

    def _answer(self, http: BaseHTTPRequestHandler) -> None:
        body = http.rfile.read(int(http.headers["Content-Length"]))
        self.requests.append(json.loads(body))
        self.headers.append({key.lower(): value for key, value in http.headers.items()})
        self.paths.append(http.path)
        self.arrived.set()
        try:
            self._reply(http)
        except OSError:
            self.gone.set()
        http.close_connection = True

    def _reply(self, http: BaseHTTPRequestHandler) -> None:
        mode, first = self.mode, len(self.requests) == 1
        status = {"failing": 500, "limited": 429, "unauthorized": 401, "redirect": 302}.get(mode)
        if first and mode in ("flaky", "rate"):
            status = 503 if mode == "flaky" else 429
        if status is not None:
            http.send_response(status)
            http.send_header("Retry-After", self.retry_after)
            http.send_header("Location", "http://127.0.0.1:1/elsewhere")
            http.send_header("Content-Length", "0")
            http.end_headers()
            return
        if mode == "slow":
            self.release.wait(30)
        kinds = {"html": "text/html", "whole": "application/json"}
        http.send_response(200)
        http.send_header("Content-Type", kinds.get(mode, "text/event-stream"))
        if mode == "gzip":
            http.send_header("Content-Encoding", "gzip")
        http.send_header("Connection", "close")
        http.end_headers()
        if mode in ("endless", "trickle"):
            piece = chunk("and so on ") if mode == "endless" else b": ping\n\n"
            while not self.release.wait(0.001):
                http.wfile.write(piece)
                http.wfile.flush()
            return
        for piece in self._pieces():
            http.wfile.write(piece)
            http.wfile.flush()
        if mode == "stall":
            # A client that hangs up shows as an end of what it sends.
            http.connection.settimeout(30)
            if http.rfile.read(1) == b"":
                self.gone.set()

    def _pieces(self) -> list[bytes]:
        good = stream_of(self.text)
        return {
            "whole": [reply_of(self.text)],
            "stall": good[:2],
            "breaks": good[:2],
            "html": [b"<html><body>It works!</body></html>"],
            "garbage": [b"data: {not json\n\n"],
            "not_utf8": [b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n'],
            "empty": [],
            "nothing": [chunk(None, "stop"), b"data: [DONE]\n\n"],
            "no_choices": [b'data: {"id": "x"}\n\n'],
            "no_done": good[:-1],
            "no_end": good[:-2],
            "length": [*good[:-2], chunk(None, "length"), b"data: [DONE]\n\n"],
            "long_line": [b"data: " + b"x" * 400_000],
            "error_event": [good[0], b'data: {"error": {"message": "secret words"}}\n\n'],
        }.get(self.mode, good)
