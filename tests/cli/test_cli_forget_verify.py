"""`memory forget` and `memory verify` as a user calls them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli_support import run
from world_support import watched


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copytree(watched(), tmp_path / "memory"))


def test_a_whole_memory_is_verified(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "memory", "verify", "--store", store)
    assert ran.code == 0
    assert "is whole" in ran.out
    (result,) = run(capsys, "memory", "verify", "--store", store, "--json").of("verify")
    assert result["clean"] is True
    assert result["clips"] > 0
    (result,) = run(capsys, "memory", "verify", "--quick", "--store", store, "--json").of("verify")
    assert result["quick"] is True


def test_what_is_wrong_is_listed_and_mended(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "segments" / "9-9.mkv").write_bytes(b"x")
    ran = run(capsys, "memory", "verify", "--store", store, "--json")
    assert ran.code == 4
    assert [each["kind"] for each in ran.of("wrong")] == ["orphan file"]
    ran = run(capsys, "memory", "verify", "--repair", "--store", store)
    assert ran.code == 0
    assert "is whole" in ran.out
    assert run(capsys, "memory", "verify", "--store", store).code == 0


def test_a_span_is_shown_asked_about_and_forgotten(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ("memory", "forget", "--span", "0", "20", "--stream", "world", "--store", store)
    ran = run(capsys, *span, typed="n\n")
    assert ran.code == 1
    assert "moments" in ran.out
    before = run(capsys, "memory", "stats", "--store", store, "--json").of("stats")[0]
    assert run(capsys, *span, "--json").code == 2
    (gone,) = run(capsys, *span, "--yes", "--json").of("forget")
    assert gone["moments"] > 0
    assert gone["wal_truncated"] is True
    after = run(capsys, "memory", "stats", "--store", store, "--json").of("stats")[0]
    assert after["clips"] < before["clips"]
    assert run(capsys, "memory", "verify", "--store", store).code == 0


def test_a_stream_and_words_are_forgotten(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "memory", "forget", "--store", store).code == 2
    assert run(capsys, "memory", "forget", "--query", "qwertz", "--yes", "--store", store).code == 2
    assert run(capsys, "memory", "forget", "--stream", "world", "-y", "--store", store).code == 0
    (stats,) = run(capsys, "memory", "stats", "--store", store, "--json").of("stats")
    assert stats["clips"] == 0
    assert run(capsys, "memory", "verify", "--store", store).code == 0
