"""The reasoning module as a whole: files, precisions, prompts, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

import numpy as np
import torch

import reasoning_networks as made
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, CheckpointError
from omnilive.nn.composites import composite
from omnilive.nn.eight_bit import EightBitWeight
from omnilive.nn.frame_sampling import clips_of, middle_frames, one_a_second
from omnilive.nn.picture_encoding import rows_of_picture
from omnilive.nn.plora import PictureLoraLinear
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork
from omnilive.nn.tiles import cut_into_tiles, normalise, picture_to_tiles, video_to_tiles


def _picture(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randn(3, height, width, generator=generator)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    network = made.network()
    network.save(tmp_path)
    again = ReasoningNetwork.load(tmp_path)
    assert again.config == network.config
    assert again.state_dict().keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    prompt = made.prompt(network, 12)
    ours, theirs = (each.model(prompt.embeddings, prompt.picture_mask) for each in (network, again))
    assert torch.equal(ours, theirs)
    assert not any(each.requires_grad for each in again.parameters())


def test_only_plain_weights_are_saved(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="plain weights"):
        made.network().to_eight_bit().save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": None},
        {"num_attention_heads": 5},
        {"rope_scaling": {"type": "yarn", "factor": 2.0}},
        {"bias": True},
        {"tie_word_embeddings": True},
        {"vocab_size": "many"},
    ],
)
def test_a_configuration_of_another_network_is_refused(change: dict[str, object]) -> None:
    values = {**made.config().as_dict(), **change}
    values = {name: value for name, value in values.items() if value is not None}
    with pytest.raises(CheckpointError):
        ReasoningConfig.from_dict(values)


def test_the_release_states_its_sizes_without_our_extras() -> None:
    values = {
        "vocab_size": 92544,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 24576,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1000000,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "bias": False,
    }
    config = ReasoningConfig.from_dict(values)
    with torch.device("meta"):
        network = ReasoningNetwork(config)
    # paper.md 2.1: language model, picture branches, tower, projectors, newline and separator.
    sizes = {name: each.numel() for name, each in network.named_parameters()}
    branches = sum(size for name, size in sizes.items() if "Plora" in name)
    tower = sum(size for name, size in sizes.items() if name.startswith("vit."))
    assert branches == 603_979_776
    assert tower == 304_556_032
    assert sum(s for n, s in sizes.items() if n.startswith("vision_proj")) == 33_562_624
    assert sum(s for n, s in sizes.items() if n.startswith("video_mem_proj")) == 23_076_864
    plain = [n for n in sizes if n.startswith(("model.", "output.")) and "Plora" not in n]
    assert sum(sizes[name] for name in plain) == 7_737_708_544
    assert sum(sizes.values()) == 8_702_892_032


def test_a_branch_works_on_its_rows_with_its_factor() -> None:
    generator = torch.Generator().manual_seed(4)
    layer = PictureLoraLinear(6, 5, rank=2, alpha=6.0).eval().requires_grad_(False)
    for parameter in layer.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    assert layer.weight is not None
    rows = torch.randn(2, 3, 6, generator=generator)
    plain = rows @ layer.weight.T
    branch = 3.0 * rows @ layer.Plora_A.weight.T @ layer.Plora_B.weight.T
    mask = torch.tensor([[False, True, True], [True, False, False]])
    got = layer(rows, mask.flatten().nonzero().squeeze(1))
    torch.testing.assert_close(got, plain + branch * mask[..., None], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer(rows, None), plain, atol=1e-6, rtol=1e-6)


def test_eight_bits_are_near_the_float_weights() -> None:
    network, eight = made.network(), made.network().to_eight_bit()
    prompt = made.prompt(network, 40)
    exact = network.logits(network.model(prompt.embeddings, prompt.picture_mask))
    near = eight.logits(eight.model(prompt.embeddings, prompt.picture_mask))
    error = float((near - exact).norm() / exact.norm())
    # Three random layers of width 32: an error of half a percent a product adds up.
    assert 0 < error < 0.08
    layers = [each for each in eight.modules() if isinstance(each, PictureLoraLinear)]
    plain = [each for each in network.modules() if isinstance(each, PictureLoraLinear)]
    assert [each.shape for each in layers] == [each.shape for each in plain]
    assert all(each.weight is None for each in layers)


def test_a_weight_in_eight_bits_is_within_half_a_step() -> None:
    weight = torch.randn(7, 33, generator=torch.Generator().manual_seed(1))
    weight[3] = 0
    weight[4, 5] = 100.0
    held = EightBitWeight.of(weight)
    error = (held.dequantised() - weight).abs()
    assert bool((error <= held.scale[:, None] * 0.5001).all())
    assert held.rows.dtype is torch.int8
    assert bool((held.dequantised()[3] == 0).all())
    inputs = torch.randn(2, 33, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(held(inputs), inputs @ held.dequantised().T, atol=1e-4, rtol=1e-5)
    moved = held.to(torch.bfloat16)
    assert moved.scale.dtype is torch.float32
    assert moved(inputs.bfloat16()).dtype is torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("eight_bit", [False, True])
def test_half_precision_is_near(dtype: torch.dtype, eight_bit: bool) -> None:
    network, half = made.network(), made.network()
    half = (half.to_eight_bit() if eight_bit else half).to(dtype)
    prompt = made.prompt(network, 30)
    exact = network.logits(network.model(prompt.embeddings, prompt.picture_mask))
    near = half.logits(half.model(prompt.embeddings.to(dtype), prompt.picture_mask))
    assert near.dtype is torch.float32
    assert float((near - exact).norm() / exact.norm()) < 0.05
    rows = half.encode_picture(_picture(560, 560))
    memory = half.project_memory(torch.ones(2, 20))
    assert rows.dtype is memory.dtype is dtype


def test_gradients_reach_every_part() -> None:
    network = made.network().requires_grad_(True)
    rows = torch.cat(
        (
            network.embed(torch.tensor([3, 4, 5])),
            network.encode_picture(_picture(560, 560))[::40],
            network.project_memory(torch.ones(2, 20)),
            network.embed(torch.tensor([6, 7])),
        )
    )[None]
    mask = torch.ones(1, rows.shape[1], dtype=torch.bool)
    mask[:, :3] = mask[:, -2:] = False
    labels = torch.full(mask.shape, -100)
    labels[:, -2:] = torch.tensor([6, 7])
    network.loss(rows, mask, labels).backward()
    without = {n for n, each in network.named_parameters() if each.grad is None}
    # The last hidden layer is read before CLIP's last norm; the class token goes nowhere.
    assert without == {
        f"vit.vision_tower.vision_model.post_layernorm.{n}" for n in ("weight", "bias")
    }


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1)])
def test_a_picture_makes_the_rows_it_should(rows: int, columns: int) -> None:
    network = made.network()
    got = network.encode_picture(_picture(560 * rows, 560 * columns))
    assert len(got) == rows_of_picture(rows, columns)
    assert len(got) == (rows * columns + 1) * 400 + 1 + (rows + 1) * 20


def test_the_whole_partition_of_a_picture() -> None:
    pixels = np.arange(560 * 1120 * 3, dtype=np.uint32).reshape(1120, 560, 3).astype(np.uint8)
    tiles = cut_into_tiles(normalise(pixels))
    assert torch.equal(tiles[1], normalise(pixels[560:]))
    for most in (1, 3, 7):
        for size in ((3000, 20), (20, 3000), (600, 600), (1, 1)):
            got = picture_to_tiles(np.zeros((*size, 3), np.uint8), most)
            assert got.shape[0] % 560 == got.shape[1] % 560 == 0
            assert got.shape[0] * got.shape[1] // 560**2 <= most


def test_wrong_pictures_are_told() -> None:
    network = made.network()
    broken = _picture(560, 560)
    broken[0, 3, 4] = float("nan")
    with pytest.raises(BackendError, match="no numbers"):
        network.encode_picture(broken)
    for shape in ((3, 560, 561), (3, 0, 560), (1, 560, 560)):
        with pytest.raises(BackendError, match="whole tiles"):
            network.encode_picture(torch.zeros(shape))
    for wrong in (np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(BackendError):
            picture_to_tiles(wrong)  # type: ignore[arg-type]
        with pytest.raises(BackendError):
            video_to_tiles(wrong)  # type: ignore[arg-type]
        with pytest.raises(BackendError):
            composite([wrong])  # type: ignore[list-item]
    with pytest.raises(BackendError, match="at least one frame"):
        composite([])
    with pytest.raises(BackendError, match="at least one tile"):
        picture_to_tiles(np.zeros((5, 5, 3), np.uint8), 0)
    with pytest.raises(BackendError, match="TrueType"):
        composite([np.zeros((5, 5, 3), np.uint8)], Path("no such font"))
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        network.encode_picture(_picture(560, 560), cancel)


def test_frames_of_mixed_sizes_share_a_canvas() -> None:
    frames = [np.full((*size, 3), 100, np.uint8) for size in ((90, 160), (200, 100), (120, 160))]
    canvas = composite(frames)
    assert canvas.shape == (630 + 1120 + 840 + 150, 1120, 3)
    assert (canvas[40 + 630 + 50 + 60, 100] == 100).all()
    assert (canvas[40 + 630 + 50 + 60, 600] == 255).all()


def test_wrong_memory_and_ids_are_told() -> None:
    network = made.network()
    for wrong in (torch.zeros(2, 19), torch.zeros(20)):
        with pytest.raises(BackendError, match="another memory module"):
            network.project_memory(wrong)
    with pytest.raises(BackendError, match="no numbers"):
        network.project_memory(torch.full((1, 20), float("inf")))
    for index in (-1, 90):
        with pytest.raises(BackendError, match="vocabulary"):
            network.embed(torch.tensor([3, index]))


def test_videos_without_frames_are_told() -> None:
    for call in (
        lambda: middle_frames(0, 4),
        lambda: middle_frames(4, 0),
        lambda: clips_of(0, 25.0),
        lambda: clips_of(10, 0.0),
        lambda: one_a_second(10, float("nan")),
    ):
        with pytest.raises(BackendError):
            call()


def test_nothing_is_half_loaded(tmp_path: Path) -> None:
    made.network().save(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    values["num_hidden_layers"] = 4
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="lacks"):
        ReasoningNetwork.load(tmp_path)
    values["num_hidden_layers"], values["intermediate_size"] = 3, 52
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="instead of"):
        ReasoningNetwork.load(tmp_path)
