"""The design's laws on whole runs: live equals offline, a journal replays, save then load."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import omnilive
from omnilive import api
from omnilive.evaluation.replay import replay
from omnilive.events import (
    AnswerEnded,
    Clip,
    ClipMemory,
    Event,
    SceneText,
    SoundEvent,
    StreamEnded,
    StreamStarted,
    Utterance,
)
from omnilive.media.contract import ReadOptions
from omnilive.media.reader import open_source
from omnilive.media.source import parse_source
from omnilive.media.synthetic import Said
from omnilive.presets import embedded
from omnilive.system import System
from world_support import SECONDS, video, watched, world

KINDS = (Utterance, SoundEvent, SceneText, ClipMemory)
EPOCH = 1_700_000_000_000_000_000


def _by_kind(events: list[Event]) -> dict[str, list[Event]]:
    """Return what was perceived and remembered, in order, without what two stores may differ in."""
    kinds: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if isinstance(event, ClipMemory):
            moments = tuple(replace(moment, at="", playable=False) for moment in event.moments)
            event = replace(event, generation=0, at="", playable=False, moments=moments)
        if isinstance(event, KINDS) and not getattr(event, "typed", False):
            kinds[type(event).__name__].append(event)
    return kinds


def _offline(store: Path) -> list[Event]:
    """Watch the world in a for loop."""
    system = System(embedded(), store, write=True)
    reader = open_source(parse_source(str(video())), ReadOptions())
    begun = system.store.begin_epoch(
        "world",
        wall_ns=EPOCH,
        zone="UTC",
        origin="given",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=False,
        source="world.mp4",
    )
    media = reader.events(stream=begun.stream, at_ns=begun.at_ns, wall_ns=EPOCH)
    try:
        return list(system.run([begun, *media]))
    finally:
        reader.close()
        system.close()


def test_live_equals_offline_and_the_journal_replays(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with api.watch(
        video(), store=tmp_path / "live", stream="world", journal=journal, ask=["what was said?"]
    ) as running:
        live = list(running)
    assert running.summary().dropped == {}
    assert _by_kind(live) == _by_kind(_offline(tmp_path / "offline"))

    system = System(embedded(), tmp_path / "replayed", write=True)
    try:
        replayed = [event for _, event in replay(journal, system)]
    finally:
        system.close()
    assert _by_kind(replayed) == _by_kind(live)
    answers = [[each for each in run if isinstance(each, AnswerEnded)] for run in (live, replayed)]
    assert len(answers[0]) == 1
    assert [each.text for each in answers[0]] == [each.text for each in answers[1]]


def test_what_was_perceived_is_what_happened() -> None:
    with omnilive.open(watched()) as memory:
        moments = memory.newest(limit=10_000)
        clips = memory.clips(limit=10_000)
    assert clips[0].start_ns == 0
    assert all(a.end_ns == b.start_ns for a, b in zip(clips, clips[1:], strict=False))
    assert abs(clips[-1].end_ns / 1e9 - SECONDS) < 1.0
    said = [each for each in moments if each.kind == "speech"]
    for utterance in (each for each in world().log if isinstance(each, Said)):
        near = [each for each in said if abs(each.start_ns - utterance.start_ns) <= 0.3e9]
        assert near, f"nothing was heard at {utterance.start_s:.1f} s"
        assert abs(near[0].end_ns - utterance.end_ns) <= 0.3e9


def test_answers_survive_the_process() -> None:
    questions = [question for question in world().questions if question.known]
    first = []
    for _ in range(2):
        with omnilive.open(watched()) as memory:
            answers = [memory.ask(question.text) for question in questions]
        first.append([(each.text, [m.id for m in each.citations]) for each in answers])
    assert first[0] == first[1]
    assert len(first[0]) >= 5


def test_a_stream_that_is_stopped_is_committed_and_resumed(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with api.watch(video(), store=store, stream="world") as running:
        for event in running:
            if isinstance(event, ClipMemory):
                running.stop()
    with api.watch(video(), store=store, stream="world") as again:
        events = list(again)
    begun = next(each for each in events if isinstance(each, StreamStarted))
    assert 0 < begun.at_ns < SECONDS * 1e9
    assert any(isinstance(each, StreamEnded) and not each.error for each in events)
    with omnilive.open(store) as memory:
        clips = memory.clips(limit=10_000)
    assert all(a.end_ns == b.start_ns for a, b in zip(clips, clips[1:], strict=False))
    assert abs(clips[-1].end_ns / 1e9 - SECONDS) < 1.0
    assert not any(isinstance(each, Clip) and each.start_ns < begun.at_ns for each in events)
