"""Whether `watch --fast` needs more memory the longer the stream is: 5 against 60 minutes.

    python benchmarks/memory_growth.py --work DIR [--minutes 5 60] [--json]

Two talks of the same kind (speech throughout, slides, small pictures so that an hour passes
quickly). /proc is read five times a second: the proportional set size of the process and its
children together (a page that two share counts once), and the peak the kernel kept of each.
Linux only. "after 5 min" is when the stream had come that far, so a row also shows growth within
itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine import describe_machine, environment, show, talk_file

FPS, SIZE, GOP, SEED = 5, (480, 270), 5, 2
MIB = 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps the rendered files")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 60.0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = [
        talk_file(options.work, seconds=60 * minutes, fps=FPS, size=SIZE, gop=GOP, seed=SEED)
        for minutes in options.minutes
    ]
    if not options.json:
        print(describe_machine())
    rows = [watch(file) for file in files]
    show("Memory of watch --fast (MiB)", rows, as_json=options.json)


def watch(file: Path) -> dict[str, object]:
    """Watch a file once; return what memory it took."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "omnilive", "watch", "--fast", "--json", str(file)]
            + ["--store", str(Path(folder) / "store")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        assert process.stdout is not None
        meter = _Meter(process.pid)
        meter.start()
        position_s, summary = 0.0, {}
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "clip":
                position_s = event["end_s"]
                meter.position_s = position_s
            elif event["event"] == "summary":
                summary = event
        meter.stop()
        if process.wait() != 0 or not summary:
            raise RuntimeError(f"watching {file.name} failed")
        wall_s = time.monotonic() - started
    early = [kib for at_s, kib in meter.samples if 120 <= at_s < 300]
    length_s = summary["stream_s"]
    late = [kib for at_s, kib in meter.samples if at_s >= length_s - 180]
    return {
        "stream min": length_s / 60,
        "peak together": max(kib for _, kib in meter.samples) / MIB,
        "highest from 2 to 5 min": max(early, default=0) / MIB,
        "highest of the last 3 min": max(late, default=0) / MIB,
        "peak RSS of watch": meter.peaks.get(process.pid, 0) / MIB,
        "peak RSS of the text reader": max(
            (kib for pid, kib in meter.peaks.items() if pid != process.pid), default=0
        )
        / MIB,
        "clips": summary["clips"],
        "times real time": length_s / wall_s,
    }


class _Meter:
    """Reads the memory of a process and its children while they run."""

    def __init__(self, pid: int) -> None:
        self.position_s = 0.0
        self.samples: list[tuple[float, int]] = []
        self.peaks: dict[int, int] = {}
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.2):
            together = 0
            for pid in (self._pid, *_children(self._pid)):
                together += _kib(f"/proc/{pid}/smaps_rollup", "Pss:")
                peak = _kib(f"/proc/{pid}/status", "VmHWM:")
                self.peaks[pid] = max(peak, self.peaks.get(pid, 0))
            if together:
                self.samples.append((self.position_s, together))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text(encoding="ascii").split())
        except OSError:  # the thread has ended
            continue
    return found


def _kib(path: str, key: str) -> int:
    """Return a line of a file of /proc in KiB; 0 if the process has gone."""
    try:
        for line in Path(path).read_text(encoding="ascii").splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0


if __name__ == "__main__":
    main()
