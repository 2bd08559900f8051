"""Soak: `omnilive watch` on a camera that cuts off, stalls, goes away and comes back, for an hour.

    python benchmarks/soak.py --out DIR [--minutes 60] [--seed 1] [--set section.key=value ...]

A world is rendered once; a small HTTP server on loopback sends it at its own pace as an MPEG
transport stream, the way a cheap camera does, and breaks it on a schedule made from the seed.
`omnilive watch --json` runs as a process of its own, and is asked a question every few minutes.
Every ten seconds the resident memory of that process and of its children is noted, and the disk;
at the end every acknowledged clip and moment is looked up in the store. DIR gets `samples.jsonl`,
`events.jsonl` and `result.json`; the exit code is 1 if anything acknowledged is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from omnilive.errors import UnknownMoment
from omnilive.media.synthetic import World, render
from omnilive.memory.store import Store

FPS = 10
SIZE = (640, 360)
WORLD_S = 600  # rendered once; the camera shows it again and again
TURN_S = WORLD_S + 1  # so that the timestamps of one showing lie behind those of the last
WARM_UP_S = 600  # models load and caches fill; the slope is fitted behind it
ASK_EVERY_S = 180
QUESTIONS = (
    "what was said in the last two minutes?",
    "what was the last thing on the screen?",
    "what was said about the budget?",
    "was there an alarm?",
)


class Fault(NamedTuple):
    """What the camera does wrong, in seconds of its own time."""

    at_s: float
    kind: str  # cut, stall, hiccup or outage
    seconds: float


def make_faults(seed: int, length_s: float) -> list[Fault]:
    """Return a fault about every three minutes: each kind in turn, at instants by chance."""
    rng = random.Random(f"soak {seed}")
    kinds = (("cut", 0.0), ("hiccup", 4.0), ("stall", 25.0), ("outage", 40.0))
    faults = []
    at_s, number = 90.0, 0
    while at_s < length_s - 60:
        kind, seconds = kinds[number % len(kinds)]
        faults.append(Fault(at_s, kind, seconds))
        at_s += rng.uniform(120, 240)
        number += 1
    return faults


class Camera:
    """Sends the world over HTTP at its pace, from where it is now, to whoever connects."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        self.sent: list[tuple[float, float]] = []  # spans that went out, camera time
        self._path = path
        self._faults = faults
        self._began = time.monotonic()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def now_s(self) -> float:
        return time.monotonic() - self._began

    def stop(self) -> None:
        self._stopped.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _fault(self, before_s: float, now_s: float) -> Fault | None:
        """Return what breaks the sending between two instants, or is still broken."""
        for fault in self._faults:
            if before_s < fault.at_s <= now_s or fault.at_s <= now_s < fault.at_s + fault.seconds:
                return fault
        return None

    def _serve(self, connection: socket.socket) -> None:
        started_s = self.now_s()
        fault = self._fault(started_s, started_s)
        with connection, contextlib.suppress(OSError, av.error.FFmpegError):
            if fault is not None and fault.kind == "outage":
                return
            connection.settimeout(30)
            connection.recv(4096)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"
            )
            try:
                self._send(connection, started_s)
            finally:
                self.sent.append((started_s, self.now_s()))

    def _send(self, connection: socket.socket, started_s: float) -> None:
        """Mux packets for as long as nothing breaks; timestamps go on over the world's end."""
        before_s = started_s
        out = _Sink(connection)
        with av.open(str(self._path)) as source:
            sink = av.open(out, "w", format="mpegts", options={"flush_packets": "1"})
            tracks = {s.index: sink.add_stream_from_template(s) for s in source.streams}
            turn, position_s = divmod(started_s, TURN_S)
            while not self._stopped.is_set():
                source.seek(int(position_s * av.time_base), backward=True)
                for packet in source.demux():
                    if packet.dts is None or self._stopped.is_set():
                        continue
                    base = packet.time_base
                    due_s = turn * TURN_S + float(packet.dts * base)
                    while (wait_s := due_s - self.now_s()) > 0:
                        time.sleep(min(wait_s, 0.05))
                    now_s = self.now_s()
                    fault = self._fault(before_s, now_s)
                    before_s = now_s
                    if fault is not None and not self._survive(fault):
                        out.broken = True
                        return
                    shift = round(turn * TURN_S / base)
                    packet.dts += shift
                    packet.pts += shift
                    packet.stream = tracks[packet.stream.index]
                    sink.mux(packet)
                turn, position_s = turn + 1, 0.0

    def _survive(self, fault: Fault) -> bool:
        """Break as the fault says; False if the connection is to be closed."""
        if fault.kind in ("cut", "outage"):
            return False
        self._stopped.wait(fault.at_s + fault.seconds - self.now_s())
        return True


class _Sink:
    """What the muxer writes to: a socket, as a file."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.broken = False

    def write(self, data: bytes) -> int:
        if not self.broken:
            self._connection.sendall(data)
        return len(data)


@dataclass
class Seen:
    """What the watcher said: everything it acknowledged, and what went wrong."""

    clips: dict[str, float] = field(default_factory=dict)  # id to the end that was told
    moments: dict[str, str] = field(default_factory=dict)  # id to text
    events: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    answers_ms: list[int] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0

    def take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        self.events[kind] += 1
        if kind == "clip":
            self.clips[event["id"]] = event["end_s"]
            self.moments |= {each["id"]: each["text"] for each in event["moments"]}
        elif kind == "failure":
            self.failures[event["stage"]] += 1
        elif kind == "answer":
            self.answers_ms.append(event["took_ms"])
        elif kind == "stream":
            self.epochs += 1
        elif kind == "summary":
            self.summary = event


def resident_mib(pid: int) -> tuple[float, float]:
    """Return the resident memory of a process, and of all its descendants, in MiB."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    below, todo = 0.0, list(parents.get(pid, ()))
    while todo:
        child = todo.pop()
        below += _rss(child)
        todo += parents.get(child, ())
    return _rss(pid), below


def disk_mb(store: Path) -> float:
    """Return what all files of the store take, in MB; a file may go while they are counted."""
    total = 0
    for path in store.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total / 1e6


def _rss(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def slope_mib_an_hour(samples: list[dict[str, float]], key: str) -> float | None:
    """Fit a line through the mean of each minute behind the warm-up; None if too short."""
    minutes: dict[int, list[float]] = {}
    for sample in samples:
        if sample["at_s"] >= WARM_UP_S:
            minutes.setdefault(int(sample["at_s"] // 60), []).append(sample[key])
    if len(minutes) < 5:
        return None
    means = [float(np.mean(values)) for values in minutes.values()]
    return round(float(np.polyfit(list(minutes), means, 1)[0]) * 60, 2)


def check(store: Path, seen: Seen) -> dict[str, Any]:
    """Look up everything acknowledged; returns what is missing, changed or there twice."""
    missing: list[str] = []
    changed: list[str] = []
    with Store.open(store, write=False) as memory:
        for clip, end_s in seen.clips.items():
            try:
                if memory.get(clip).end_ns < round(end_s * 1e9) - 1_000_000 and clip[0] == "c":
                    changed.append(clip)
            except UnknownMoment:
                missing.append(clip)
        for moment, text in seen.moments.items():
            try:
                if memory.get(moment).text != text:
                    changed.append(moment)
            except UnknownMoment:
                missing.append(moment)
        twice = memory.database.value(
            "SELECT count(*) FROM (SELECT 1 FROM node WHERE level = 0 "
            "GROUP BY stream, start_ns HAVING count(*) > 1)"
        )
        clips = memory.database.value("SELECT count(*) FROM node WHERE level = 0")
    return {"missing": missing, "changed": changed, "twice": twice, "clips_in_store": clips}


def main() -> int:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="passed to omnilive watch")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    length_s = options.minutes * 60
    video = out / f"world-{options.seed}.mp4"
    if not video.exists():
        part = video.with_suffix(".part.mp4")
        render(World(options.seed, WORLD_S), part, fps=FPS, size=SIZE)
        part.rename(video)
    faults = make_faults(options.seed, length_s)
    camera = Camera(video, faults)
    seen = Seen()
    samples: list[dict[str, float]] = []
    settings = [part for each in options.set for part in ("--set", each)]
    command = [sys.executable, "-m", "omnilive", "watch", "--json", "--realtime"]
    command += ["--stream", "camera", "--store", str(out / "store"), *settings]
    command.append(f"http://127.0.0.1:{camera.port}/live.ts")
    with (out / "watch.stderr").open("w") as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    reading = threading.Thread(target=_read, args=(child, seen, out / "events.jsonl"))
    reading.start()
    began, asked = time.monotonic(), 0
    with (out / "samples.jsonl").open("w") as file:
        while (at_s := time.monotonic() - began) < length_s and child.poll() is None:
            own, below = resident_mib(child.pid)
            disk = disk_mb(out / "store")
            samples.append({"at_s": round(at_s, 1), "own": own, "children": below, "disk": disk})
            file.write(json.dumps(samples[-1] | {"clips": len(seen.clips)}) + "\n")
            file.flush()
            if at_s > (asked + 1) * ASK_EVERY_S and child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.write(QUESTIONS[asked % len(QUESTIONS)] + "\n")
                    child.stdin.flush()
                asked += 1
            time.sleep(10)
    died = child.poll()
    if died is None:
        os.kill(child.pid, signal.SIGINT)
        with contextlib.suppress(OSError):
            child.stdin.close() if child.stdin else None
    code = child.wait(timeout=300)
    reading.join()
    camera.stop()
    found = check(out / "store", seen)
    settled = [each for each in samples if each["at_s"] >= WARM_UP_S] or samples
    result = {
        "minutes": round((samples[-1]["at_s"] if samples else 0) / 60, 1),
        "exit_code": code,
        "died_early": died is not None,
        "faults": dict(Counter(fault.kind for fault in faults)),
        "epochs": seen.epochs,
        "camera_sent_s": round(sum(end - start for start, end in camera.sent)),
        "clips_acknowledged": len(seen.clips),
        "moments_acknowledged": len(seen.moments),
        "questions_asked": asked,
        "answers": len(seen.answers_ms),
        "answer_p50_ms": int(np.median(seen.answers_ms)) if seen.answers_ms else None,
        "answer_max_ms": max(seen.answers_ms, default=None),
        "failures": dict(seen.failures),
        "events": dict(seen.events),
        "summary": seen.summary,
        "rss_own_mib": [
            round(min(s["own"] for s in settled)),
            round(max(s["own"] for s in settled)),
        ],
        "rss_children_mib": [
            round(min(s["children"] for s in settled)),
            round(max(s["children"] for s in settled)),
        ],
        "disk_mb_most": round(max(s["disk"] for s in samples), 1),
        "disk_mb_last": round(samples[-1]["disk"], 1),
        "slope_own_mib_an_hour": slope_mib_an_hour(samples, "own"),
        "slope_children_mib_an_hour": slope_mib_an_hour(samples, "children"),
        "store": found,
    }
    text = json.dumps(result, indent=1)
    (out / "result.json").write_text(text + "\n")
    print(text)
    lost = found["missing"] or found["twice"] or found["changed"] or died is not None
    return 1 if lost else 0


def _read(child: subprocess.Popen[str], seen: Seen, log: Path) -> None:
    assert child.stdout is not None
    with log.open("w") as file:
        for line in child.stdout:
            file.write(line)
            seen.take(json.loads(line))


if __name__ == "__main__":
    sys.exit(main())
