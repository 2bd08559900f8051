"""The benchmark at the real sizes runs, at toy sizes, where there is no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

ROOT = Path(__file__).resolve().parents[2]


def ran(*options: object) -> str:
    command = [sys.executable, ROOT / "benchmarks" / "full_size.py", *options]
    done = subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path) -> None:
    out = ran("--work", tmp_path, "--tiny", "--seconds", 2, "--tokens", 4, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    by_table: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_table.setdefault(str(row["table"]).partition(",")[0], []).append(row)
    assert {table: len(held) for table, held in by_table.items()} == {
        "Loading": 4,
        "Perception": 3,
        "An answer": 2,
        "Beside transformers": 2,
        "Everything at once": 2,
    }
    for row in by_table["An answer"]:
        assert float(str(row["first token s"])) > 0
    for row in by_table["Everything at once"]:
        assert int(str(row["frames"])) >= 1
    assert list(tmp_path.iterdir()) == []  # the weights are gone


def test_without_a_gpu_it_says_why_it_does_nothing(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert ran("--work", tmp_path).startswith("Skipped: the real sizes need a GPU")
