"""`omnilive memory stats`: what is kept against its budget, for people and for programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli_support import run
from omnilive.cli.statistics import size
from omnilive.memory.budget import BudgetConfig, LevelBudget
from omnilive.memory.stage import MemoryConfig

sys.path.insert(0, str(Path(__file__).parent.parent / "memory"))

from memory_support import World


@pytest.fixture
def store(tmp_path: Path) -> Path:
    budget = BudgetConfig(
        recordings=LevelBudget(gb=0.0003, days=30), headroom_gb=0.0, headroom_share=0.0
    )
    world = World(tmp_path / "store", live=True, config=MemoryConfig(budget=budget, segment_s=20))
    for number in range(40):
        world.say(number * 10 + 1, "hello apples")
        world.record(number * 10 + 1, bytes(20_000))
        world.clip(number * 10.0)
    world.close()
    return tmp_path / "store"


def test_stats_as_json(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    (stats,) = run(capsys, "memory", "stats", "--store", store, "--json").of("stats")
    forecast = stats["forecast"]
    files = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    assert forecast["disk_bytes"] == pytest.approx(files, rel=0.02)
    use = {each["level"]: each for each in forecast["use"]}
    recordings = use["recordings"]
    assert recordings["budget_bytes"] == 300_000
    assert recordings["budget_days"] == 30
    assert 200_000 < recordings["bytes"] <= 300_000
    assert sum(each["bytes"] for each in forecast["use"]) <= forecast["disk_bytes"]
    # 20 kB in 10 s.
    assert recordings["bytes_a_day"] == pytest.approx(20_000 * 8640, rel=0.2)
    assert forecast["next"][0]["level"] == "recordings"
    assert forecast["next"][0]["why"] == "budget"
    assert use["moments"]["why"] == "days"
    assert [each["name"] for each in stats["levels"]][:2] == ["clip", "block 1"]
    assert stats["levels"][0]["nodes"] == 40


def test_stats_for_people(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    out = run(capsys, "memory", "stats", "--store", store).out
    assert "of 200 GB; a day of watching adds" in out
    assert "Next to go" in out
    assert "its own budget is full" in out
    (row,) = [line for line in out.splitlines() if line.startswith("talk") and "recordings" in line]
    assert "300 kB" in row


def test_a_store_in_which_nothing_was_watched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from omnilive.memory.store import Store

    Store.open(tmp_path / "store", write=True).close()
    assert (
        "Nothing has been watched"
        in run(capsys, "memory", "stats", "--store", tmp_path / "store").out
    )


def test_sizes_as_people_read_them() -> None:
    assert [size(value) for value in (None, 0, 999, 1_000, 99_400, 123_456, 5.4e9, 2e12)] == [
        "no limit",
        *("0 B", "999 B", "1.0 kB", "99.4 kB", "123 kB", "5.4 GB", "2.0 TB"),
    ]
