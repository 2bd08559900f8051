"""The vision tower reads any hidden layer, at any size, under its original names."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from nn_support import MEMORY, frames  # noqa: E402
from omnilive.errors import BackendError, CheckpointError  # noqa: E402
from omnilive.nn.clip_tower import ClipConfig, ClipTower  # noqa: E402
from omnilive.nn.pool_projector import merge_patches  # noqa: E402


def _tower(config: ClipConfig = MEMORY.tower) -> ClipTower:
    torch.manual_seed(5)
    return ClipTower(config).eval()


@torch.no_grad()
def test_layers_count_from_both_ends() -> None:
    tower, pixels = _tower(), frames(2)
    for layer in range(3):
        assert torch.equal(tower(pixels, layer), tower(pixels, layer - 3))
    assert tower(pixels, -1).shape == (2, 16, 8)
    for layer in (3, -4):
        with pytest.raises(BackendError, match="no hidden layer"):
            tower(pixels, layer)


def test_layers_behind_the_one_that_is_read_have_no_say() -> None:
    tower, pixels = _tower(), frames(1)
    with torch.no_grad():
        before = tower(pixels, -2)
        tower.vision_model.encoder.layers[1].mlp.fc1.weight.add_(1)
        tower.vision_model.post_layernorm.weight.add_(1)
        assert torch.equal(tower(pixels, -2), before)
        assert not torch.equal(tower(pixels, -1), before)


def test_its_numbers_are_those_of_the_library() -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers")
    config = MEMORY.tower
    theirs = transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            hidden_size=config.width,
            intermediate_size=config.ffn_width,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            image_size=config.image_size,
            patch_size=config.patch_size,
        )
    ).eval()
    ours = _tower()
    state = theirs.state_dict()
    prefix = "" if any(name.startswith("vision_model.") for name in state) else "vision_model."
    ours.load_state_dict(
        {prefix + name: each for name, each in state.items() if "position_ids" not in name}
    )
    with torch.no_grad():
        hidden = theirs(frames(3), output_hidden_states=True).hidden_states
        for layer in (-1, -2):
            assert torch.allclose(ours(frames(3), layer), hidden[layer][:, 1:], atol=1e-6)


def test_patches_merge_top_left_top_right_bottom_left_bottom_right() -> None:
    patches = torch.arange(16.0).view(1, 16, 1)  # numbered row by row on a map of 4 x 4
    merged = merge_patches(patches)
    assert merged[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    with pytest.raises(BackendError, match="even side"):
        merge_patches(torch.zeros(1, 9, 2))


def test_a_configuration_that_is_none() -> None:
    said = MEMORY.to_dict()["vision_config"]
    assert ClipConfig.from_dict(said) == MEMORY.tower
    for change in ({"hidden_size": "wide"}, {"num_attention_heads": 3}, {"hidden_act": "tanh"}):
        with pytest.raises(CheckpointError):
            ClipConfig.from_dict({**said, **change})
    assert replace(MEMORY.tower, image_size=10).grid == 5
