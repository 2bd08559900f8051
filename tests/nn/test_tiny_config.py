"""Sizes of the tiny system: they fit one another, a budget, and their way to the disk and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from omnilive.errors import BackendError, CheckpointError
from omnilive.nn.audio_translation import AudioTranslationConfig, AudioTranslationNetwork
from omnilive.nn.checkpoint import read_config
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.composites import composite
from omnilive.nn.frame_canvas import frames_to_picture
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.picture_encoding import rows_of_picture
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork
from omnilive.nn.tiles import normalise, picture_to_tiles, video_to_tiles
from omnilive.nn.tiny_config import IMAGE_SIZE, tiny_audio, tiny_memory, tiny_reasoning

VOCABULARY = 2000  # as large as any of the trained tokenizers
TILE = IMAGE_SIZE


def _networks() -> dict[str, nn.Module]:
    torch.manual_seed(7)
    return {
        "memory": MemoryNetwork(tiny_memory(VOCABULARY)),
        "reasoning": ReasoningNetwork(tiny_reasoning(VOCABULARY)),
        "audio": AudioTranslationNetwork(tiny_audio(VOCABULARY)),
    }


def test_the_whole_system_is_within_its_budget(tmp_path: Path) -> None:
    count, size = 0, 0
    for name, network in _networks().items():
        network.save(tmp_path / name, dtype=torch.float16)  # type: ignore[operator]
        count += sum(each.numel() for each in network.parameters())
        size += (tmp_path / name / "model.safetensors").stat().st_size
    assert count <= 10_000_000
    assert size <= 20_000_000


def test_sizes_survive_the_disk(tmp_path: Path) -> None:
    for name, network in _networks().items():
        network.save(tmp_path / name, dtype=torch.float16)  # type: ignore[operator]
    assert MemoryConfig.from_dict(read_config(tmp_path / "memory")) == tiny_memory(VOCABULARY)
    assert ReasoningConfig.of_folder(tmp_path / "reasoning") == tiny_reasoning(VOCABULARY)
    audio = AudioTranslationConfig.from_dict(read_config(tmp_path / "audio"))
    assert audio == tiny_audio(VOCABULARY)
    loaded = ReasoningNetwork.load(tmp_path / "reasoning", dtype=torch.float32)
    kept = ReasoningNetwork.load(tmp_path / "reasoning")
    assert (loaded.dtype, kept.dtype) == (torch.float32, torch.float16)
    assert torch.equal(loaded.output.weight, kept.output.weight.float())
    AudioTranslationNetwork.load(tmp_path / "audio")
    MemoryNetwork.load(tmp_path / "memory")


def test_numbers_too_large_for_the_file_leave_the_old_one_whole(tmp_path: Path) -> None:
    network = MemoryNetwork(tiny_memory(300))
    network.save(tmp_path, dtype=torch.float16)
    before = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        network.model.norm.weight[0] = 1e6
    with pytest.raises(CheckpointError, match="model.norm.weight"):
        network.save(tmp_path, dtype=torch.float16)
    assert (tmp_path / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (3, 2)])
def test_tiles_follow_the_tower(rows: int, columns: int) -> None:
    network = ReasoningNetwork(tiny_reasoning(300)).eval()
    picture = torch.randn(3, TILE * rows, TILE * columns)
    with torch.no_grad():
        got = network.encode_picture(picture)
        together = network.encode_pictures(torch.stack([picture, -picture]))
    assert got.shape == (rows_of_picture(rows, columns, 4), 192)
    torch.testing.assert_close(together[0], got)
    assert not torch.allclose(together[1], got)
    with pytest.raises(BackendError, match="96 h"):
        network.encode_picture(torch.zeros(3, 560, 560))
    with pytest.raises(BackendError, match="whole tiles"):
        network.encode_pictures(torch.zeros(2, 3, TILE, TILE + 1))
    with pytest.raises(BackendError, match="one or more"):
        network.encode_pictures(torch.zeros(0, 3, TILE, TILE))


def test_canvases_are_in_proportion_to_the_tile() -> None:
    frames = [np.full((90, 160, 3), 100, np.uint8)] * 2
    canvas = composite(frames, tile=TILE)
    assert canvas.shape == (2 * (108 + 7 + 2), 2 * TILE, 3)
    assert video_to_tiles(canvas, tile=TILE).shape == (2 * TILE, TILE, 3)
    assert picture_to_tiles(canvas, 4, tile=TILE).shape == (2 * TILE, 2 * TILE, 3)
    assert torch.equal(
        frames_to_picture(frames, tile=TILE), normalise(video_to_tiles(canvas, tile=TILE))
    )


def test_squashed_frames_are_what_the_compressor_sees() -> None:
    generator = np.random.default_rng(1)
    frames = [generator.integers(0, 255, (90, 160, 3), np.uint8) for _ in range(2)]
    picture = frames_to_picture(frames, canvas="squash", tile=TILE)
    seen = tower_pixels(frames, PixelPath.WHOLE, size=TILE)
    assert torch.equal(picture[:, :TILE], seen[0])
    assert torch.equal(picture[:, TILE:], seen[1])
    with pytest.raises(BackendError, match="at least one frame"):
        frames_to_picture([], canvas="squash", tile=TILE)


def test_a_whole_frame_is_the_middle_of_a_square_one_and_all_of_a_wide_one() -> None:
    generator = np.random.default_rng(2)
    square = generator.integers(0, 255, (288, 288, 3), np.uint8)
    whole = tower_pixels([square], PixelPath.WHOLE, size=TILE)
    assert torch.equal(whole, tower_pixels([square], PixelPath.OFFLINE_CROP, size=TILE))
    wide = np.zeros((60, 240, 3), np.uint8)
    wide[:, :60] = 255  # the middle does not hold it
    seen = tower_pixels([wide], PixelPath.WHOLE, size=TILE)
    assert seen.shape == (1, 3, TILE, TILE)
    assert seen[0, 0, :, 5].min() > seen[0, 0, :, 90].max()
