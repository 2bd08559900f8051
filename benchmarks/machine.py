"""What the benchmarks share: the machine in a line, the synthetic talks, one way to print."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Row = Mapping[str, object]


def environment() -> dict[str, str]:
    """Return an environment in which this checkout is what `omnilive` means."""
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def describe_machine() -> str:
    """Return processor, cores, Python and how busy the machine is with other things."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    load = f"{os.getloadavg()[0]:.1f}"
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load before the start {load}"
    )


def go_ahead() -> bool:
    """Let this session's processes go ahead of others on Linux (autogroup); False if it may not.

    A busy machine is then nearly a quiet one for what is started from here.
    """
    try:
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")
    except OSError:
        return False
    return True


def talk_file(
    work: Path, *, seconds: float, fps: int, size: tuple[int, int], gop: int, seed: int = 1
) -> Path:
    """Return a talk with speech throughout as H.264 and AAC, rendered once and kept in `work`."""
    from omnilive.media.synthetic import render, talk

    work.mkdir(parents=True, exist_ok=True)
    path = work / f"talk-{seconds:g}s-{size[0]}x{size[1]}-{fps}fps-gop{gop}-seed{seed}.mp4"
    if not path.is_file():
        print(f"rendering {path.name} ...", file=sys.stderr, flush=True)
        unfinished = path.with_suffix(".part")
        render(talk(seed, seconds), unfinished, fps=fps, size=size, gop=gop)
        unfinished.rename(path)
    return path


def run_json(command: Sequence[str]) -> list[dict[str, object]]:
    """Run `command`; return the objects it printed, one a line.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[:4]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(title: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """Print a table, or one JSON object a row."""
    if as_json:
        for row in rows:
            print(json.dumps({"table": title, **row}))
        return
    texts = [[_text(value) for value in row.values()] for row in rows]
    heads = list(rows[0])
    widths = [max(len(each) for each in column) for column in zip(heads, *texts, strict=True)]
    print(f"\n{title}")
    for line in (heads, *texts):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _text(value: object) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 100
        else (f"{value:.0f}" if isinstance(value, float) else str(value))
    )
