"""Clip compression learns from captioned video files, through readers, index and recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from media_files import write_video  # noqa: E402
from omnilive.errors import ConfigError  # noqa: E402
from omnilive.training.networks import Networks, make_tokenizers  # noqa: E402
from omnilive.training.readers import open_dataset  # noqa: E402
from omnilive.training.readers.index import write_index  # noqa: E402
from omnilive.training.recipe import TaskSettings  # noqa: E402
from omnilive.training.tasks.real_clip_compression import from_options  # noqa: E402
from readers_support import put  # noqa: E402

TEXTS = ("A red field. \u4e00\u7247\u7ea2\u8272", "A blue field.")
COLOURS = ((220, 30, 30), (30, 30, 220))


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A set in ActivityNet's form with two coloured videos, and an index of it."""
    root = tmp_path_factory.mktemp("set")
    events = {}
    (root / "videos").mkdir()
    for number, (text, colour) in enumerate(zip(TEXTS, COLOURS, strict=True)):
        picture = np.full((48, 64, 3), colour, np.uint8)
        write_video(
            root / f"videos/v_{number}.mp4",
            seconds=5,
            fps=5,
            size=(64, 48),
            frame=lambda _, shown=picture: shown,
        )
        events[f"v_{number}"] = {"duration": 5.0, "timestamps": [[0, 4]], "sentences": [text]}
    put(root, "train.json", events)
    index = root / "train.index"
    assert write_index(open_dataset("activitynet_captions", root, "train"), root, index) == 2
    return {"folder": str(root), "index": str(index), "validation_index": str(index)}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    return Networks(make_tokenizers(tmp_path_factory.mktemp("tokenizers")), seed=1)


def _settings(options: dict[str, Any]) -> TaskSettings:
    return TaskSettings(2, "cpu", Path("unused"), 0, options)


def test_it_learns_captions_of_real_files(networks: Networks, options: dict[str, Any]) -> None:
    task = from_options(networks, _settings(options))
    tower = networks.memory.model.vision_tower.state_dict()
    before = {name: held.clone() for name, held in tower.items()}
    optimizer = torch.optim.AdamW([parameter for _, parameter in task.trained()], lr=2e-3)
    batch = task.source.draw(0, 0)
    assert all(4 <= len(clip.frames) <= 5 for clip in batch)
    losses = []
    for _ in range(5):
        loss = task.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert all(torch.equal(before[name], held) for name, held in tower.items())
    figures = task.validate()
    assert set(figures) == {"loss", "right", "right_global"}
    assert figures == task.validate()


@torch.no_grad()
def test_a_caption_longer_than_the_window_is_told_up_to_its_first_words(
    networks: Networks, options: dict[str, Any]
) -> None:
    task = from_options(networks, _settings(options))
    clip = task.source.draw(0, 0)[0]
    told = [replace(clip, text="it stays blue " * times) for times in (200, 20_000)]
    first, second = (float(task.loss([each]).total) for each in told)
    assert first == pytest.approx(second, rel=1e-5)


@pytest.mark.parametrize("key", ["folder", "index", "validation_index"])
@pytest.mark.parametrize("value", [None, "", 5])
def test_options_that_are_missing(
    key: str, value: Any, networks: Networks, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="needs the options folder, index"):
        from_options(networks, _settings(options | {key: value}))


def test_an_unknown_way_of_pixels(networks: Networks, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="pixels is one of whole, crop, squash"):
        from_options(networks, _settings(options | {"pixels": "small"}))
