"""docs/architecture.md says who accepts and emits what; here the stages run and are held to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from omnilive.cancel import Cancel
from omnilive.events import Event, Interruption, Utterance
from omnilive.media.contract import ReadOptions
from omnilive.media.reader import open_source
from omnilive.media.source import parse_source
from omnilive.memory.compressor import Compressor
from omnilive.memory.learned import LearnedMemory
from omnilive.perception.captions import CaptionConfig, Captioner
from omnilive.presets import embedded
from omnilive.stage import Stage
from omnilive.system import System
from test_architecture import table
from world_support import video

# What this one run cannot bring about, and where it is tested instead.
ELSEWHERE = {
    ("Compressor", "Notice"),  # sight is far behind: tests/memory/test_compressor.py
    ("Memory", "Notice"),  # the disk is nearly full: tests/memory/test_memory_budget.py
    ("Answerer", "Question"),  # the follow-up question: tests/reasoning
}


class Painter:
    """A model that describes every picture alike."""

    model = "painter"

    def stream(self, messages: object, cancel: Cancel, **_: object) -> Iterator[str]:
        yield "A calm room with coloured shapes."

    def close(self) -> None:
        """Nothing is held."""


class Watched:
    """A stage whose products are noted."""

    def __init__(self, stage: Stage, emitted: dict[str, set[str]]) -> None:
        self._stage = stage
        self._emitted = emitted[type(stage).__name__]
        self.name = type(stage).__name__
        self.accepts = stage.accepts

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        for product in self._stage.push(event, cancel):
            self._emitted.add(type(product).__name__)
            yield product

    def close(self) -> None:
        self._stage.close()


def compressing(directory: Path) -> dict[str, Stage]:
    """The compressor with a tiny network, where torch is installed."""
    if find_spec("torch") is None:
        return {}
    from compressor_support import settings, weights

    config = settings(weights(directory / "weights"))
    return {"compressor": Compressor(config, LearnedMemory.load(config))}


def test_stages_accept_and_emit_what_the_table_says(tmp_path: Path) -> None:
    emitted: dict[str, set[str]] = defaultdict(set)
    system = System(embedded(), tmp_path / "memory", write=True, speak=True)
    captioner: Stage = Captioner(CaptionConfig(), Painter())  # type: ignore[arg-type]
    system.shared = {"captioner": captioner, **compressing(tmp_path), **system.shared}
    system.shared = {name: Watched(stage, emitted) for name, stage in system.shared.items()}
    make = system.stages_for
    system.stages_for = lambda started: {  # type: ignore[method-assign]
        role: Watched(stage, emitted) for role, stage in make(started).items()
    }
    reader = open_source(parse_source(str(video())), ReadOptions())
    begun, _ = system.begin_epoch(  # type: ignore[misc]
        name="world",
        source="world.mp4",
        voice="user",  # only a user has partials
        zone="UTC",
        info=reader.info,
        now_ns=10**18,
        started_at_ns=None,
        again=False,
        paced=False,
    )
    media = reader.events(stream=begun.stream, at_ns=begun.at_ns, wall_ns=begun.wall_ns)
    asked = Utterance(
        id="q1", stream=0, start_ns=0, end_ns=0, text="what was said?", voice="user", typed=True
    )
    try:
        for _ in system.run([begun, *media, asked, Interruption(turn_id="q1")]):
            pass
        stages = [*system.shared.values(), *system._streams[begun.stream].values()]
        accepts = {
            stage.name: {kind.__name__ for kind in stage.accepts}
            for stage in stages
            if isinstance(stage, Watched)
        }
    finally:
        reader.close()
        system.close()
    rows = table()
    if find_spec("torch") is None:
        del rows["Compressor"]
    assert accepts == {name: row[0] for name, row in rows.items()}
    for name, (_, emits) in rows.items():
        assert emitted[name] <= emits, name
        missing = {kind for kind in emits - emitted[name] if (name, kind) not in ELSEWHERE}
        assert not missing, (name, missing)
