"""How long sound is on its way between a page and the conversation, and what is lost under load.

    python benchmarks/transport_delay.py [--seconds 20] [--burn 2] [--transport webrtc]

A click every second goes in (page -> reader) and out (playout -> page), on loopback, page and
server in two processes. Threads that burn Python in the server stand for a busy one. Stated:
percentiles of the delay of the clicks, samples missing on the way in, holes on the way out.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from omnilive.events import AnswerAudio, AudioChunk
from omnilive.serving.playout import Taken
from omnilive.web.webrtc import Answer, Peers
from web_support import LOCAL, FakeConversation, RtcPage, SocketPage, socket_server

CLICK = np.sign(np.sin(np.arange(160) * 0.9)).astype(np.float32) * 0.5


class Clicked(FakeConversation):
    """Notes when clicks came and went."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []
        self.went: list[float] = []
        self.peers: Peers

    def _read(self, reader, events) -> None:  # type: ignore[no-untyped-def]
        for event in reader.events(stream=1, at_ns=0, wall_ns=0):
            if isinstance(event, AudioChunk) and np.abs(event.samples).max() > 0.05:
                self.came.append(time.monotonic())

    def taken(self, piece: Taken) -> None:
        if np.abs(piece.samples.astype(float)).max() > 5000:
            self.went.append(time.monotonic())

    def receive(self, client, message) -> None:  # type: ignore[no-untyped-def]
        if message["command"] == "click":
            turn = f"t{message['number']}"
            audio = AnswerAudio(turn_id=turn, text="click", sample_rate=16_000, samples=CLICK)
            self.playout.put(audio)
            self.playout.finish(turn)
        elif message["command"] == "report":
            counts = self.readers[-1].counts  # type: ignore[attr-defined]
            client.send(
                {
                    "event": "report",
                    "came": self.came,
                    "went": self.went,
                    "samples": counts.samples,
                    "missing": counts.missing_samples
                    + counts.filled_samples
                    + counts.trimmed_samples,
                    "stats": self.peers.stats(),
                }
            )


def serve(burning: int, switch_interval_s: float) -> None:
    sys.setswitchinterval(switch_interval_s)
    stop = threading.Event()
    conversation, peers = Clicked(), Peers(LOCAL)
    conversation.peers = peers
    with socket_server(conversation, peers) as port:
        print(port, flush=True)
        for _ in range(burning):
            threading.Thread(target=burn, args=(stop,), daemon=True).start()
        sys.stdin.read()
        stop.set()
    peers.close()


def burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


class Whip:
    """The server's face for a page: an offer by HTTP."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/whip"

    def offer(self, conversation: object, sdp: str) -> Answer:
        reply = httpx.post(self._address, content=sdp, timeout=20).raise_for_status()
        return Answer(reply.text, "")


class Noting(list):  # type: ignore[type-arg]
    """Pieces of sound a page heard, and when each loud one came."""

    def __init__(self) -> None:
        super().__init__()
        self.loud: list[float] = []

    def append(self, piece: np.ndarray) -> None:
        if np.abs(piece.astype(float)).max() > 3000:
            self.loud.append(time.monotonic())
        super().append(piece)

    def __iadd__(self, more: list) -> Noting:  # type: ignore[override,type-arg]
        for piece in more:
            self.append(piece)
        return self


def onsets(times: list[float]) -> list[float]:
    return [at for before, at in zip([-9.0, *times], times, strict=False) if at - before > 0.5]


def tell(name: str, sent: list[float], got: list[float]) -> None:
    """Print the delays of the clicks that arrived."""
    delays = [min((g - s for g in got if g >= s), default=9.0) for s in sent]
    ms = np.array([each for each in delays if each < 0.95]) * 1000
    p50, p95 = np.percentile(ms, (50, 95)) if ms.size else (0.0, 0.0)
    print(
        f"  {name:26} {ms.size:3} of {len(sent)}  p50 {p50:6.1f} ms  p95 {p95:6.1f} ms"
        f"  max {ms.max(initial=0):6.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--burn", type=int, default=0, help="threads that burn Python")
    parser.add_argument("--switch-interval", type=float, default=0.005)
    parser.add_argument("--transport", choices=("webrtc", "websocket"), default="webrtc")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.burn, options.switch_interval)
        return
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", *sys.argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    pieces = Noting()
    page = RtcPage(Whip(port), None, pieces=pieces) if options.transport == "webrtc" else None  # type: ignore[arg-type]
    if page is None:
        page = SocketPage(port, pieces=pieces)  # type: ignore[assignment]
    time.sleep(1.0)
    start, heard_before, said_before = time.monotonic(), page.heard()[0].size, page.said
    said = []
    for number in range(options.seconds):
        said.append(time.monotonic())
        page.say(CLICK)
        page.send({"command": "click", "number": number})
        time.sleep(1.0)
    passed = time.monotonic() - start
    heard, rate = page.heard()
    heard_s = (heard.size - heard_before) / rate
    said_s = (page.said - said_before) / 16_000
    page.send({"command": "report"})
    while not (report := [each for each in page.messages if each["event"] == "report"]):
        time.sleep(0.05)
    with contextlib.suppress(Exception):
        page.close()
    server.communicate("")
    got = report[0]
    print(
        f"{options.transport}, {options.burn} burning threads, switch interval "
        f"{options.switch_interval * 1000:g} ms, {passed:.1f} s"
    )
    tell("in: page speaks -> reader", said, onsets(got["came"]))
    tell("out: asked -> taken", said, onsets(got["went"]))
    tell("out: taken -> page has it", onsets(got["went"]), onsets(pieces.loud))
    print(f"  in: page gave {said_s:.2f} s; missing or late {got['missing'] / 16_000:.2f} s")
    print(f"  out: page got {heard_s:.2f} s; worst loop lag {got['stats']['loop_lag_ms']} ms")


if __name__ == "__main__":
    main()
