"""Cuts by SigLIP: the release's rule, and the stock network from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from omnilive.errors import BackendError, CheckpointError
from omnilive.events import Clip, Pixels
from omnilive.nn.ixc_config import PlaceConfig
from omnilive.perception.backends import build_frame_embedder
from omnilive.perception.clips import ClipsConfig
from omnilive.perception.seeing import Seeing, SeeingConfig
from omnilive.perception.siglip_cuts import SiglipConfig, SiglipCuts, SiglipEmbedder
from perception_support import ended, feed, frame, started

CPU = PlaceConfig(device="cpu", dtype="float32")


class ByColour:
    """The mean colour of a frame as its vector."""

    def embed(self, pixels: Pixels) -> NDArray[np.float32]:
        mean = pixels.reshape(-1, 3).mean(axis=0).astype(np.float32) + 1
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def colour(red: int, green: int, blue: int) -> Pixels:
    return np.full((48, 64, 3), (red, green, blue), dtype=np.uint8)


def clips(pictures: list[Pixels]) -> list[tuple[int, int, int]]:
    config = SeeingConfig(clips=ClipsConfig(cuts="siglip"))
    seeing = Seeing(config, None, ByColour())
    events = [started(video=True), *(frame(k, p) for k, p in enumerate(pictures))]
    found = feed(seeing, [*events, ended(len(pictures) * 10**9)])
    return [
        (e.start_ns // 10**9, e.end_ns // 10**9, e.num_frames) for e in found if isinstance(e, Clip)
    ]


def test_another_picture_ends_a_clip_of_three_frames_or_more() -> None:
    red, blue = colour(200, 0, 0), colour(0, 0, 200)
    assert clips([red] * 5 + [blue] * 4) == [(0, 5, 5), (5, 9, 4)]
    # The second cut comes after two frames only, and is none.
    assert clips([red] * 5 + [blue] * 2 + [red] * 4) == [(0, 5, 5), (5, 11, 6)]


def test_a_clip_has_at_most_sixteen_frames() -> None:
    assert clips([colour(9, 9, 9)] * 40) == [(0, 16, 16), (16, 32, 16), (32, 40, 8)]


def test_the_threshold_itself_is_a_cut() -> None:
    class Turned:
        def __init__(self) -> None:
            self.vectors = [(1.0, 0.0), (0.8, 0.6), (0.8, 0.6)]

        def embed(self, pixels: Pixels) -> NDArray[np.float32]:
            return np.array(self.vectors.pop(0), dtype=np.float32)

    cuts = SiglipCuts(Turned(), cosine=float(np.float32(0.8)))
    assert [cuts.push(colour(0, 0, 0)) for _ in range(3)] == [False, True, False]


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[Path, Any]:
    torch = pytest.importorskip("torch", reason="needs the extra nn")
    transformers = pytest.importorskip("transformers", reason="needs the extra nn")
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = transformers.SiglipConfig(
        text_config={**sizes, "vocab_size": 20, "max_position_embeddings": 8},
        vision_config={**sizes, "image_size": 16, "patch_size": 8},
    )
    network = transformers.SiglipModel(config)
    network.save_pretrained(tmp_path / "siglip")
    return tmp_path / "siglip", network.eval()


def test_the_stock_network_is_loaded_from_a_folder(checkpoint: tuple[Path, Any]) -> None:
    import torch

    folder, network = checkpoint
    clips_config = ClipsConfig(cuts="siglip", siglip=SiglipConfig(weights=str(folder), place=CPU))
    embedder = build_frame_embedder(clips_config)
    assert isinstance(embedder, SiglipEmbedder)
    with torch.no_grad():
        white = torch.full((1, 3, 16, 16), 1.0)
        pooled = network.vision_model(white).pooler_output[0]
    found = embedder.embed(colour(255, 255, 255))
    wanted = (pooled / pooled.norm()).numpy()
    assert np.abs(found - wanted).max() < 1e-6
    assert build_frame_embedder(ClipsConfig()) is None


def test_a_folder_that_is_none_is_refused(checkpoint: tuple[Path, Any], tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"siglip\.weights"):
        SiglipEmbedder.load(SiglipConfig())
    with pytest.raises(CheckpointError, match="holds no SigLIP"):
        SiglipEmbedder.load(SiglipConfig(weights=str(tmp_path / "none"), place=CPU))
    folder, _ = checkpoint
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="holds no SigLIP"):
        SiglipEmbedder.load(SiglipConfig(weights=str(folder), place=CPU))


def test_cuts_by_a_network_need_one() -> None:
    with pytest.raises(ValueError, match="embedder"):
        Seeing(SeeingConfig(clips=ClipsConfig(cuts="siglip")), None)
