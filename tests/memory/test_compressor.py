"""Frames and clips become memory tokens: chunked equals whole, and nothing waits for them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from dataclasses import replace
from pathlib import Path

import numpy as np

from compressor_support import WIDTH, learned, settings, weights
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, CheckpointError, ConfigError
from omnilive.events import (
    NS_PER_S,
    Clip,
    ClipTokens,
    Event,
    Notice,
    Pixels,
    StreamEnded,
    StreamStarted,
    VideoFrame,
    moment_id,
)
from omnilive.memory.clip_tokens import check
from omnilive.memory.compressor import Compressor
from omnilive.memory.learned import LearnedMemory, load_learned_memory
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.ixc_config import PlaceConfig
from omnilive.nn.memory_rows import ClipInput


def started(stream: int = 1, at_ns: int = 0) -> StreamStarted:
    return StreamStarted(
        stream=stream,
        name="door",
        epoch=1,
        at_ns=at_ns,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=False,
        live=True,
        source="test",
    )


def picture(number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def frame(number: int, at_s: float, stream: int = 1) -> VideoFrame:
    return VideoFrame(stream=stream, at_ns=round(at_s * NS_PER_S), pixels=picture(number))


def clip(start_s: float, end_s: float, stream: int = 1) -> Clip:
    start_ns = round(start_s * NS_PER_S)
    return Clip(
        id=moment_id("c", stream, start_ns),
        stream=stream,
        start_ns=start_ns,
        end_ns=round(end_s * NS_PER_S),
        num_frames=1,
        changed=True,
        motion=0.0,
        moving=(),
        descriptor=None,
        descriptor_model="",
        pictures=(),
    )


def push(stage: Compressor, *events: Event) -> list[Event]:
    return [each for event in events for each in stage.push(event, Cancel())]


def whole(network: LearnedMemory, numbers: list[int], text: str) -> tuple[np.ndarray, np.ndarray]:
    """All frames of a clip at once, by the network alone."""
    pixels = tower_pixels(
        [picture(number) for number in numbers],
        PixelPath.LIVE_SQUASH,
        size=network.network.config.tower.image_size,
    )
    ids = tuple(network._tokenizer.encode(text))
    made = network.network.compress_clip(ClipInput(ids, network.network.see(pixels)))
    return made.short_term.detach().numpy(), made.global_memory.detach().numpy()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> LearnedMemory:
    return learned(tmp_path_factory.mktemp("weights"))


def compressor(network: LearnedMemory, **changes: object) -> Compressor:
    return Compressor(settings(Path("unused"), **changes), network)


def test_frames_one_by_one_give_what_all_give_at_once(network: LearnedMemory) -> None:
    stage = compressor(network)
    frames = [frame(number, 4 + number) for number in range(5)]
    assert push(stage, started(), *frames) == []
    (made,) = push(stage, clip(4, 9))
    assert isinstance(made, ClipTokens)
    short_term, global_memory = whole(
        network, [0, 1, 2, 3, 4], "This contains a clip sampled in 4 to 9 seconds"
    )
    assert made.short_term.shape == (20, WIDTH)
    assert made.num_frames == 5
    assert np.abs(made.short_term - short_term).max() < 2e-3  # 16 bits
    assert np.abs(made.global_memory - global_memory).max() < 1e-5
    assert (made.clip, made.origin, made.origin_ns) == ("c1-4000", "epoch", 0)
    assert made.model == network.model


def test_a_frame_belongs_to_the_clip_of_its_time(network: LearnedMemory) -> None:
    stage = compressor(network)
    # Sight says that a clip is over when it has seen the next frame.
    push(stage, started(), *(frame(number, number) for number in range(7)))
    counts = [
        each.num_frames
        for each in push(stage, clip(0, 4), clip(4, 4.5), clip(4.5, 5), clip(5, 7), clip(7, 9))
        if isinstance(each, ClipTokens)
    ]
    assert counts == [4, 1, 2]  # no picture, no tokens


def test_streams_do_not_mix(network: LearnedMemory) -> None:
    stage = compressor(network)
    push(stage, started(1), started(2))
    for number in range(3):
        push(stage, frame(number, number, 1), frame(10 + number, number, 2))
    (one,) = push(stage, clip(0, 3, 1))
    push(stage, StreamEnded(stream=1, at_ns=3 * NS_PER_S))
    (two,) = push(stage, clip(0, 3, 2))
    alone = compressor(network)
    push(alone, started(2), *(frame(10 + number, number, 2) for number in range(3)))
    (same,) = push(alone, clip(0, 3, 2))
    assert isinstance(one, ClipTokens)
    assert isinstance(two, ClipTokens)
    assert isinstance(same, ClipTokens)
    assert np.array_equal(two.short_term, same.short_term)
    assert not np.array_equal(one.short_term, two.short_term)
    assert push(stage, frame(1, 5, 1), clip(3, 6, 1)) == []


def test_of_many_frames_the_configured_number_is_spread_evenly(network: LearnedMemory) -> None:
    stage = compressor(network, frames_per_clip=4, frame_interval_s=0.0)
    push(stage, started(), *(frame(number, number / 4) for number in range(13)))
    (made,) = push(stage, clip(0, 3.5))
    assert isinstance(made, ClipTokens)
    expected, _ = whole(network, [0, 4, 8, 12], "This contains a clip sampled in 0 to 4 seconds")
    assert np.abs(made.short_term - expected).max() < 2e-3


def test_frames_that_follow_too_fast_are_left_out(network: LearnedMemory) -> None:
    stage = compressor(network)
    # 1 fps with some wobble, and a frame out of turn between.
    times = [0.0, 0.95, 1.3, 2.02, 2.98]
    push(stage, started(), *(frame(number, at) for number, at in enumerate(times)))
    (made,) = push(stage, clip(0, 4))
    assert isinstance(made, ClipTokens)
    assert made.num_frames == 4
    stage = compressor(network)
    push(stage, started(), *(frame(number % 9, number / 5) for number in range(40)))
    (made,) = push(stage, clip(0, 8))
    assert isinstance(made, ClipTokens)
    assert made.num_frames == 9  # at 0.0, 0.6, 1.6, ... 7.6


def test_seconds_count_from_a_named_origin(network: LearnedMemory) -> None:
    stage = compressor(network, origin_s=100.0)
    began = started(at_ns=1000 * NS_PER_S)
    push(stage, began, frame(0, 1001), frame(1, 1095), frame(2, 1207))
    made = push(stage, clip(1000, 1003), clip(1094, 1104), clip(1206, 1210))
    assert [(m.origin, m.origin_ns // NS_PER_S) for m in made if isinstance(m, ClipTokens)] == [
        ("epoch", 1000),
        ("epoch", 1000),
        ("stretch", 1200),
    ]
    expected, _ = whole(network, [2], "This contains a clip sampled in 6 to 10 seconds")
    assert isinstance(made[2], ClipTokens)
    assert np.abs(made[2].short_term - expected).max() < 2e-3


def test_where_sight_is_far_behind_clips_keep_their_span(network: LearnedMemory) -> None:
    stage = compressor(network, frames_per_clip=4)
    said = push(stage, started(), *(frame(number, number) for number in range(40)))
    assert [type(each) for each in said] == [Notice]
    made = push(stage, *(clip(k, k + 8) for k in range(0, 40, 8)))
    assert len(made) == 5
    assert all(isinstance(each, ClipTokens) and each.num_frames >= 1 for each in made)


def test_a_frame_that_shows_nothing_is_left_out_and_said(network: LearnedMemory) -> None:
    stage = compressor(network)
    push(stage, started(), frame(0, 0))
    thin = VideoFrame(stream=1, at_ns=NS_PER_S, pixels=np.zeros((1, 500, 3), np.uint8))
    with pytest.raises(BackendError, match="narrow"):
        push(stage, thin)
    (made,) = push(stage, frame(2, 2), clip(0, 3))
    assert isinstance(made, ClipTokens)
    assert made.num_frames == 2


def test_the_offline_pixels_are_others(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    found = []
    for path in ("squash", "crop"):
        config = settings(folder, pixels=path)
        stage = Compressor(config, LearnedMemory.load(config))
        (made,) = push(stage, started(), frame(0, 0), clip(0, 3))
        assert isinstance(made, ClipTokens)
        found.append(made.short_term)
    assert not np.array_equal(*found)


def test_two_networks_have_two_names(tmp_path: Path) -> None:
    names = {
        LearnedMemory.load(settings(weights(tmp_path / str(seed), seed))).model for seed in (1, 2)
    }
    again = LearnedMemory.load(settings(tmp_path / "1")).model
    assert len(names) == 2
    assert again in names


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    assert load_learned_memory(settings(Path(), weights="")) is None
    with pytest.raises(CheckpointError, match=r"merges\.txt"):
        LearnedMemory.load(settings(tmp_path / "nothing"))
    folder = weights(tmp_path / "one")
    with pytest.raises(ConfigError, match="devices"):
        LearnedMemory.load(settings(folder, place=PlaceConfig(device="cuda:99")))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        LearnedMemory.load(settings(folder))


def test_tokens_that_cannot_be_kept_are_refused(network: LearnedMemory) -> None:
    stage = compressor(network)
    (made,) = push(stage, started(), frame(0, 0), clip(0, 3))
    assert isinstance(made, ClipTokens)
    check(made)
    for broken in (
        replace(made, short_term=np.full_like(made.short_term, np.nan)),
        replace(made, short_term=made.short_term[:, :-1]),
        replace(made, short_term=made.short_term[:0]),
        replace(made, global_memory=np.zeros_like(made.global_memory)),
        replace(made, global_memory=made.global_memory * 1e9),
    ):
        with pytest.raises(BackendError, match="cannot be kept"):
            check(broken)


@pytest.mark.parametrize(
    "changes",
    [
        {"frames_per_clip": 0},
        {"frame_interval_s": -1.0},
        {"origin_s": 1.0},
        {"min_cosine": 2.0},
        {"min_probability": -0.1},
        {"most_selected": 0},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|at most"):
        settings(Path(), **changes)
