"""Pages that must agree with the code: the accepts table, the glossary, the decision records."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from omnilive import events
from omnilive.memory.compressor import Compressor
from omnilive.memory.stage import Memory
from omnilive.perception.captions import Captioner
from omnilive.perception.stage import Hearing, Seeing
from omnilive.reasoning.gate import Gate
from omnilive.reasoning.stage import Answerer
from omnilive.speech.stage import Speech

DOCS = Path(__file__).parent.parent / "docs"
STAGES = {
    each.__name__: each
    for each in (Hearing, Seeing, Captioner, Compressor, Memory, Gate, Answerer, Speech)
}
EVENTS = {kind.__name__ for kind in typing.get_args(events.Event)}


def table() -> dict[str, tuple[set[str], set[str]]]:
    """Return (accepts, emits) of each stage from docs/architecture.md."""
    rows: dict[str, tuple[set[str], set[str]]] = {}
    for line in (DOCS / "architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] in STAGES:
            accepts, emits = (set(re.findall(r"\w+", cell)) for cell in cells[1:])
            rows[cells[0]] = (accepts, emits)
    return rows


def test_the_table_names_every_stage_and_only_events() -> None:
    rows = table()
    assert set(rows) == set(STAGES)
    named = {name for accepts, emits in rows.values() for name in accepts | emits}
    assert named <= EVENTS


def test_every_event_is_emitted_or_comes_from_outside() -> None:
    emitted = {name for _, emits in table().values() for name in emits}
    outside = {
        "StreamStarted",
        "VideoFrame",
        "AudioChunk",
        "MediaPacket",
        "StreamGap",
        "StreamEnded",
        "Tick",
        "Pin",
        "Forget",
        "OwnSpeech",
        "Heard",
        "Hold",
        "Resume",
        "Interruption",
        "StageFailed",
    }
    assert emitted | outside == EVENTS


def test_the_glossary_explains_every_event() -> None:
    text = (DOCS / "glossary.md").read_text()
    assert {name for name in EVENTS if f"`{name}`" not in text} == set()


def test_every_decision_has_its_four_parts() -> None:
    for record in (DOCS / "decisions").glob("*.md"):
        text = record.read_text()
        assert re.match(r"# \d{4}: ", text), record.name
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{record.name} lacks {part}"


def test_no_two_decisions_share_a_number() -> None:
    numbers = [record.name[:4] for record in (DOCS / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("perception/grid.py", "import omnilive.memory.tokens"),
        ("memory/tokens.py", "import threading"),
        ("events.py", "import omnilive.clock"),
        ("media/pictures.py", "import omnilive.serving.wire"),
    ],
)
def test_the_import_rules_fail_when_broken(tmp_path: Path, file: str, line: str) -> None:
    root = DOCS.parent
    shutil.copytree(root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    broken = tmp_path / "src" / "omnilive" / file
    broken.write_text(broken.read_text() + f"\n{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 broken" not in done.stdout
