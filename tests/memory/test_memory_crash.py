from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from memory_support import WALL_NS, S

import omnilive
from omnilive.memory.store import Store


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    paths = [str(Path(omnilive.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    acknowledged: list[str] = []
    for attempt, num_lines in enumerate((1, 7, 23)):
        child = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("crash_child.py")),
                str(tmp_path),
                str(WALL_NS + attempt * 1_000_000 * S),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert child.stdout is not None
        for _ in range(num_lines):
            acknowledged.append(child.stdout.readline().strip())
        child.kill()
        rest = child.stdout.read().split("\n")
        acknowledged += rest[:-1]  # a line without its end was not written to its end
        child.stdout.close()
        child.wait()
        _check(tmp_path, acknowledged)


def _check(directory: Path, acknowledged: list[str]) -> None:
    with Store.open(directory, write=True) as store:
        database = store.database
        assert database.value("PRAGMA integrity_check") == "ok"
        assert database.rows("PRAGMA foreign_key_check") == []
        present = [f"c1-{row[0] // 1_000_000}" for row in _clips(store)]
        assert len(present) == len(set(present))
        assert set(acknowledged) <= set(present)
        # At most the one clip that was committed but not yet told.
        assert len(set(present) - set(acknowledged)) <= 3
        said = database.value("SELECT count(*) FROM moment WHERE kind = 0")
        assert said == len(present)
        assert database.value("SELECT count(*) FROM fragment") == len(present)
        for file, offset, num_bytes, sha256 in database.rows(
            "SELECT s.file, f.offset, f.bytes, f.sha256 FROM fragment f "
            "JOIN segment s ON s.id = f.segment"
        ):
            data = (directory / "segments" / file).read_bytes()
            assert hashlib.sha256(data[offset : offset + num_bytes]).digest() == sha256
        referenced = dict(
            database.rows(
                "SELECT s.file, max(f.offset + f.bytes) FROM segment s "
                "JOIN fragment f ON f.segment = s.id GROUP BY s.id"
            )
        )
        on_disk = {path.name: path.stat().st_size for path in (directory / "segments").iterdir()}
        assert on_disk == referenced


def _clips(store: Store) -> list[tuple[int]]:
    return store.database.rows("SELECT start_ns FROM node WHERE level = 0")  # type: ignore[return-value]
