"""How fast `watch --fast` is on a 1080p30 talk, and what of it is OmniLive's own overhead.

    python benchmarks/watch_speed.py --work DIR [--seconds 180] [--repeat 3] [--gop 30 60 300]

DIR keeps the rendered files; everything else goes to a folder that is deleted. Each run is the
real command line in a process of its own with a fresh store; its wall time begins before Python
starts. Models are metered inside that same run (`instrumented_watch.py`), and the bare cost of
reading the file is measured right behind it (`bare_reading.py`), so the shares do not depend on
how busy the machine is. Overhead = everything that is neither a model nor bare reading: Python,
start-up, imports, change detection, queues, SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import ROOT, describe_machine, environment, run_json, show, talk_file

FPS, SIZE = 30, (1920, 1080)


def measure(file: Path, *, every_picture: bool) -> dict[str, float]:
    """Watch a file once; return seconds of CPU by part, and the wall time."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "meters.json"
        started = time.monotonic()
        before = os.times()
        done = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / "instrumented_watch.py"), str(report)]
            + ["watch", "--fast", "--json", str(file), "--store", str(Path(folder) / "store")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(),
            check=True,
        )
        wall_s = time.monotonic() - started
        after = os.times()
        meters: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    summary = json.loads(done.stdout.splitlines()[-1])
    if summary["event"] != "summary" or summary["dropped"] or summary["failures"]:
        raise RuntimeError(f"the run lost something: {summary}")
    bare = run_json(
        [sys.executable, str(ROOT / "benchmarks" / "bare_reading.py"), str(file)]
        + (["--all"] if every_picture else [])
    )[0]
    spent = meters["spent_s"]
    parts = {
        # Measured apart, so noise can put it above what was paid: never to our advantage.
        "bare reading": min(float(str(bare["cpu_s"])), spent["reading"]),
        "recogniser": spent["recogniser"] + meters["native_threads_s"],
        "voice activity": spent["voice activity"],
        "text reader": meters["children_s"],
        "embedder": spent["embedder"],
        "thumbnails": spent["thumbnails"],
    }
    # What the operating system counted, Python's own start and end included.
    total_s = sum(after[2:4]) - sum(before[2:4])
    return {
        "stream_s": summary["stream_s"],
        "wall_s": wall_s,
        "cpu_s": total_s,
        **parts,
        "overhead": total_s - sum(parts.values()),
        "of it reading": spent["reading"] - parts["bare reading"],
        "of it seeing": meters["threads_s"].get("seeing 1", 0.0),
        "of it hearing": meters["threads_s"].get("hearing 1", 0.0)
        - spent["recogniser"]
        - spent["voice activity"],
        "of it memory": meters["threads_s"].get("memory", 0.0)
        - spent["embedder"]
        - spent["thumbnails"],
        "of it start": total_s - meters["self_s"] - meters["children_s"] + meters["imports_s"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps the rendered files")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--gop", type=int, nargs="+", default=[30, 60, 300])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = {
        gop: talk_file(options.work, seconds=options.seconds, fps=FPS, size=SIZE, gop=gop)
        for gop in options.gop
    }
    machine = describe_machine()
    if not options.json:
        print(machine)
    speed, shares = [], []
    for gop, file in files.items():
        runs = [measure(file, every_picture=gop > FPS) for _ in range(options.repeat)]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        stream_s, cpu_s = middle["stream_s"], middle["cpu_s"]
        speeds = sorted(run["stream_s"] / run["wall_s"] for run in runs)
        speed.append(
            {
                "keyframes every s": gop / FPS,
                "times real time": statistics.median(speeds),
                "slowest": speeds[0],
                "fastest": speeds[-1],
                "cpu s per stream s": cpu_s / stream_s,
                "bare cpu s per stream s": (cpu_s - middle["overhead"]) / stream_s,
                "overhead %": statistics.median(
                    100 * run["overhead"] / run["cpu_s"] for run in runs
                ),
            }
        )
        skip = ("stream_s", "wall_s", "cpu_s")
        shares.append(
            {"keyframes every s": gop / FPS}
            | {key: 1000 * value / stream_s for key, value in middle.items() if key not in skip}
        )
    show("Speed (medians)", speed, as_json=options.json)
    show("Milliseconds of CPU per second of stream (medians)", shares, as_json=options.json)


if __name__ == "__main__":
    main()
