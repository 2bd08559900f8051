"""The Python API, pinned: names, parameters and fields may be added, never taken away."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import omnilive
from omnilive.events import AnswerEnded, ClipMemory, Moment, Utterance
from world_support import video, watched

NAMES = {"Answer", "OpenedMemory", "Summary", "Watch", "open", "watch", "__version__"}
WATCH = {
    "source",
    "store",
    "stream",
    "realtime",
    "ask",
    "voice",
    "started_at",
    "again",
    "record",
    "detect",
    "speak",
    "play",
    "journal",
    "config",
}
MEMORY = {
    "ask",
    "ask_events",
    "newest",
    "clips",
    "search",
    "show",
    "picture",
    "stats",
    "export",
    "pin",
    "forget",
    "close",
}
ANSWER = {"question", "text", "known", "citations", "took_ms"}
MOMENT = {
    "id",
    "clip",
    "stream",
    "stream_name",
    "kind",
    "start_ns",
    "end_ns",
    "at",
    "text",
    "playable",
    "score",
    "voice",
    "picture",
}


def test_names_and_parameters_stay() -> None:
    assert set(dir(omnilive)) >= NAMES
    assert set(inspect.signature(omnilive.watch).parameters) >= WATCH
    assert {name for name in dir(omnilive.OpenedMemory) if name[0] != "_"} >= MEMORY
    assert {field.name for field in fields(omnilive.Answer)} >= ANSWER
    assert {field.name for field in fields(Moment)} >= MOMENT


def test_watch_yields_events_and_open_answers(tmp_path: Path) -> None:
    kinds = {type(event) for event in omnilive.watch(video(), store=tmp_path / "memory")}
    assert {Utterance, ClipMemory} <= kinds
    with omnilive.open(watched()) as memory:
        answer = memory.ask("what was on the screen?")
    assert answer.known
    assert answer.text
    assert all(isinstance(moment, Moment) for moment in answer.citations)
    assert AnswerEnded not in kinds


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = (
        "import sys, omnilive, omnilive.cli; "
        "heavy = {'av', 'onnxruntime', 'rapidocr', 'moonshine_voice', 'sounddevice', 'cv2'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
