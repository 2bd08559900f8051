"""`omnilive watch` is killed ten times, goes on each time, and has every clip once at the end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import omnilive
from omnilive.media.synthetic import World, render
from omnilive.memory.store import Store

KILLS = 10
SECONDS = 100.0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_watch_survives_ten_kills(tmp_path: Path) -> None:
    video, store = tmp_path / "world.mp4", tmp_path / "memory"
    render(World(seed=5, duration_s=SECONDS), video, fps=4, size=(320, 180))
    chance = random.Random(7)
    told: list[str] = []
    for kill in range(KILLS):
        # Half of them while it opens and recovers, half right after something was remembered.
        told += watch(video, store, chance.uniform(0.3, 2.5), after_a_clip=kill % 2 == 1)
    told += watch(video, store, None, after_a_clip=False)
    with Store.open(store, write=True) as opened:
        assert opened.verify().findings == ()
        spans = opened.database.rows(
            "SELECT start_ns, end_ns FROM node WHERE level = 0 ORDER BY start_ns"
        )
        complete = opened.database.value("SELECT max(complete) FROM epoch")
    present = [f"c1-{start_ns // 1_000_000}" for start_ns, _ in spans]
    assert len(present) == len(set(present))
    assert len(told) >= KILLS // 2
    assert set(told) <= set(present)
    assert complete == 1
    # Nothing between two clips was lost: each run went on where the one before was acknowledged.
    assert all(before[1] == after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert spans[0][0] == 0
    assert spans[-1][1] >= 0.99 * SECONDS * 1e9


def watch(video: Path, store: Path, kill_s: float | None, *, after_a_clip: bool) -> list[str]:
    """Watch until killed (or to the end); return the ids of the clips that were told of."""
    source = str(Path(omnilive.__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-m", "omnilive", "watch", str(video), "--store", str(store), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": source},
        start_new_session=True,
    )
    assert child.stdout is not None
    timer = threading.Timer(kill_s or 0.0, end, (child.pid,))
    if kill_s is not None and not after_a_clip:
        timer.start()
    ids = []
    for line in child.stdout:
        if not line.endswith("\n"):
            break
        event = json.loads(line)
        if event["event"] == "clip":
            ids.append(event["id"])
            if kill_s is not None and after_a_clip and len(ids) == 1:
                timer = threading.Timer(kill_s / 10, end, (child.pid,))
                timer.start()
    timer.cancel()
    child.stdout.close()
    code = child.wait()
    if kill_s is None:
        assert code == 0
    return ids


def end(pid: int) -> None:
    """Kill the process and the ones that it started, all at once, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):  # it came to its end by itself
        os.killpg(pid, signal.SIGKILL)
