"""A stream watched with the paper's memory: live equals offline, and a restart goes on."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compressor_support import WIDTH, settings, weights
from omnilive import api
from omnilive.events import Clip, ClipTokens, Event, Question, Retrieval, VideoFrame
from omnilive.media.contract import ReadOptions
from omnilive.media.reader import open_source
from omnilive.media.source import parse_source
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.memory_rows import ClipInput
from omnilive.perception.reading_schedule import ReadingConfig
from omnilive.presets import embedded
from omnilive.system import Config, System
from world_support import video

EPOCH = 1_700_000_000_000_000_000
ROWS = (
    "SELECT n.start_ns, n.end_ns, t.num_frames, t.origin, t.origin_ns, t.data, g.data "
    "FROM node n JOIN clip_token t ON t.node = n.id JOIN global_memory g ON g.node = n.id "
    "WHERE n.level = 0 ORDER BY n.start_ns"
)


def config(folder: Path) -> Config:
    """Sight and the paper's memory only."""
    plain = embedded()
    return replace(
        plain,
        hearing=replace(plain.hearing, enabled=False),
        seeing=replace(plain.seeing, reading=ReadingConfig(enabled=False)),
        memory=replace(plain.memory, compressor=settings(folder)),
    )


def offline(system: System) -> list[Event]:
    """Watch the world in a for loop."""
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
    media = list(reader.events(stream=begun.stream, at_ns=begun.at_ns, wall_ns=EPOCH))
    reader.close()
    return [*media, *system.run([begun, *media])]


def asked(system: System) -> Retrieval:
    question = Question(turn_id="q", text="what was on the table?", needs="past")
    (found,) = [each for each in system.run([question]) if isinstance(each, Retrieval)]
    return found


def rows(system: System) -> list[tuple[Any, ...]]:
    return system.store.database.rows(ROWS)


def test_live_equals_offline_and_what_is_kept_is_the_whole_pass(tmp_path: Path) -> None:
    setting = config(weights(tmp_path / "weights"))
    with api.watch(video(), store=tmp_path / "live", stream="world", config=setting) as running:
        live_events = list(running)
    assert running.summary().dropped == {}
    assert running.summary().failures == {}
    assert not any(isinstance(each, ClipTokens) for each in live_events)

    one = System(setting, tmp_path / "offline", write=True)
    events = offline(one)
    other = System(setting, tmp_path / "live", write=False)
    kept = rows(one)
    assert kept == rows(other)
    clips = [each for each in events if isinstance(each, Clip) and each.num_frames]
    assert len(kept) == len(clips) >= 4
    assert all(3 <= row[2] <= 16 for row in kept[:-1])

    # Every clip as the network alone compresses it, all frames at once.
    assert one.learned is not None
    net, tokenizer = one.learned.network, one.learned._tokenizer
    frames = [each for each in events if isinstance(each, VideoFrame)]
    for start_ns, end_ns, _, origin, origin_ns, h, h_hat in kept:
        assert (origin, origin_ns) == ("epoch", 0)
        inside = [f.pixels for f in frames if start_ns <= f.at_ns < end_ns]
        start, end = (round(ns / 1e9) for ns in (start_ns, end_ns))
        ids = tokenizer.encode(f"This contains a clip sampled in {start} to {end} seconds")
        pixels = tower_pixels(inside, PixelPath.LIVE_SQUASH, size=net.config.tower.image_size)
        whole = net.compress_clip(ClipInput(tuple(ids), net.see(pixels)))
        stored = np.frombuffer(h, dtype="<f2").reshape(-1, WIDTH)
        assert np.abs(stored - whole.short_term.detach().numpy()).max() < 5e-3
        stored = np.frombuffer(h_hat, dtype="<f2")
        assert np.abs(stored - whole.global_memory.detach().numpy()).max() < 5e-3

    # A restart, here of a reader, answers with the same memory.
    first, second = asked(one).tokens, asked(other).tokens
    assert first is not None
    assert second is not None
    assert first.long_term.shape == (len(kept), WIDTH)
    assert np.abs(first.long_term - second.long_term).max() < 1e-4
    assert [each.clip for each in first.selected] == [each.clip for each in second.selected]
    assert len(first.selected) == 4
    one.close()
    other.close()


def test_without_weights_nothing_of_it_is_there(tmp_path: Path) -> None:
    system = System(embedded(), tmp_path / "memory", write=True)
    assert system.learned is None
    assert "compressor" not in system.shared
    assert asked(system).tokens is None
    system.close()
