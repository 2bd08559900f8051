"""The adapter: on top, merged, and refused when it belongs to something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import reasoning_networks as made
from omnilive.errors import CheckpointError
from omnilive.nn.adapter import Adapter, merge_folders
from omnilive.nn.plora import PictureLoraLinear
from omnilive.nn.reasoning_loading import load_reasoning
from omnilive.nn.reasoning_network import ReasoningNetwork

_TARGETS = [
    "attention.wqkv",
    "attention.wo",
    "feed_forward.w1",
    "feed_forward.w2",
    "feed_forward.w3",
]


def _write(folder: Path, network: ReasoningNetwork, rank: int = 4) -> Path:
    folder.mkdir()
    generator = torch.Generator().manual_seed(7)
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, PictureLoraLinear):
            outputs, inputs = module.shape
            prefix = f"base_model.model.{name}"
            state[f"{prefix}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator) / 8
            state[f"{prefix}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator) / 8
    for name, each in network.video_mem_proj.named_parameters():
        state[f"base_model.model.video_mem_proj.{name}"] = torch.randn(
            each.shape, generator=generator
        )
    save_file(state, folder / "adapter_model.safetensors")
    _set(folder, peft_type="LORA", r=rank, lora_alpha=2 * rank, target_modules=_TARGETS)
    _set(folder, modules_to_save=["video_mem_proj"], bias="none", lora_dropout=0.05)
    return folder


def _set(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**held, **values}))


def _rename(folder: Path, change: dict[str, str]) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    renamed = {}
    for name, tensor in state.items():
        for old, new in change.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    save_file(renamed, folder / "adapter_model.safetensors")


def _outputs(network: ReasoningNetwork) -> Tensor:
    prompt = made.prompt(network, 20)
    memory = network.project_memory(torch.ones(2, 20))[None]
    rows = torch.cat((prompt.embeddings.to(network.dtype), memory), dim=1)
    mask = torch.nn.functional.pad(prompt.picture_mask, (0, 2), value=True)
    return network.logits(network.model(rows, mask))


def test_on_top_is_merged_and_taken_off_is_as_before(tmp_path: Path) -> None:
    network, merged = made.network(), made.network()
    before = _outputs(network)
    adapter = Adapter.open(_write(tmp_path / "adapter", network))
    attached = adapter.attach(network)
    on_top = _outputs(network)
    adapter.merge_into(merged)
    torch.testing.assert_close(on_top, _outputs(merged), atol=1e-4, rtol=1e-4)
    assert float((on_top - before).abs().max()) > 0.1
    assert not any(each.requires_grad for each in network.parameters())
    with pytest.raises(CheckpointError, match="already"):
        adapter.attach(network)
    attached.detach()
    assert torch.equal(_outputs(network), before)


def test_over_eight_bits(tmp_path: Path) -> None:
    network, eight = made.network(), made.network().to_eight_bit()
    adapter = Adapter.open(_write(tmp_path / "adapter", network))
    with pytest.raises(CheckpointError, match="attach it"):
        adapter.merge_into(eight)
    adapter.attach(eight)
    adapter.merge_into(network)
    exact, near = _outputs(network), _outputs(eight)
    assert float((near - exact).norm() / exact.norm()) < 0.08


def test_merged_once_into_a_folder(tmp_path: Path) -> None:
    network = made.network()
    network.save(tmp_path / "base")
    folder = _write(tmp_path / "adapter", network)
    merge_folders(tmp_path / "base", folder, tmp_path / "merged")
    Adapter.open(folder).merge_into(network)
    assert torch.equal(_outputs(ReasoningNetwork.load(tmp_path / "merged")), _outputs(network))


@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_loaded_in_one_call(tmp_path: Path, eight_bit: bool, dtype: torch.dtype | None) -> None:
    network = made.network()
    network.save(tmp_path / "base")
    folder = _write(tmp_path / "adapter", network)
    plain = load_reasoning(tmp_path / "base", dtype=dtype, eight_bit=eight_bit)
    got = load_reasoning(tmp_path / "base", adapter=folder, dtype=dtype, eight_bit=eight_bit)
    assert got.dtype is (dtype or torch.float32)
    assert not any(each.requires_grad for each in got.parameters())
    before = _outputs(network)
    Adapter.open(folder).merge_into(network)
    near = 0.1 if eight_bit or dtype else 1e-6
    for ours, wanted in ((plain, before), (got, _outputs(network))):
        assert float((_outputs(ours) - wanted).norm() / wanted.norm()) < near


def test_an_adapter_still_on_is_not_saved(tmp_path: Path) -> None:
    network = made.network()
    Adapter.open(_write(tmp_path / "adapter", network)).attach(network)
    with pytest.raises(CheckpointError, match="plain weights"):
        network.save(tmp_path / "saved")


@pytest.mark.parametrize(
    "change",
    [
        {".lora_A.weight": ".lora_A.default.weight", ".lora_B.weight": ".lora_B.default.weight"},
        {"video_mem_proj.": "video_mem_proj.modules_to_save.default."},
        {"video_mem_proj.": "video_mem_proj.modules_to_save."},
    ],
)
def test_names_of_other_versions_of_peft(tmp_path: Path, change: dict[str, str]) -> None:
    network, other = made.network(), made.network()
    folder = _write(tmp_path / "adapter", network)
    Adapter.open(folder).merge_into(network)
    _rename(folder, change)
    Adapter.open(folder).merge_into(other)
    assert torch.equal(_outputs(network), _outputs(other))


def test_an_adapter_of_another_model_changes_nothing(tmp_path: Path) -> None:
    network = made.network()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    wider = made.network(made.config(memory=24))
    folders = {
        "projector": _write(tmp_path / "projector", wider),
        "rank": _write(tmp_path / "rank", network),
        "layers": _write(tmp_path / "layers", network),
        "left out": _write(tmp_path / "left", network),
        "shape": _write(tmp_path / "shape", network),
    }
    _set(folders["rank"], r=5)
    _rename(folders["layers"], {"layers.2.": "layers.7."})
    state = load_file(folders["left out"] / "adapter_model.safetensors")
    kept = {name: each for name, each in state.items() if "layers.1.attention.wo" not in name}
    save_file(kept, folders["left out"] / "adapter_model.safetensors")
    # The feed-forward of a swapped adapter: w1 and w2 exchanged.
    _rename(folders["shape"], {"w1.lora": "w9.lora"})
    _rename(folders["shape"], {"w2.lora": "w1.lora"})
    _rename(folders["shape"], {"w9.lora": "w2.lora"})
    for what, folder in folders.items():
        adapter = Adapter.open(folder)
        for use in (adapter.attach, adapter.merge_into):
            with pytest.raises(CheckpointError):
                use(network)
            for name, each in network.state_dict().items():
                assert torch.equal(each, before[name]), what


def _break_half(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    state.pop("base_model.model.model.layers.0.attention.wo.lora_B.weight")
    save_file(state, folder / "adapter_model.safetensors")


def _break_numbers(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    state["base_model.model.video_mem_proj.0.bias"][0] = float("nan")
    save_file(state, folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        _break_half,
        _break_numbers,
        lambda folder: _rename(folder, {"video_mem_proj": "vision_proj"}),
        lambda folder: (folder / "adapter_model.safetensors").unlink(),
        lambda folder: (folder / "adapter_config.json").unlink(),
        lambda folder: _set(folder, peft_type="IA3"),
        lambda folder: _set(folder, use_dora=True),
        lambda folder: _set(folder, r=0),
        lambda folder: _set(folder, r=None),
        lambda folder: _set(folder, bias="all"),
        lambda folder: _set(folder, target_modules=["attention.wo"]),
    ],
)
def test_what_is_no_plain_adapter_is_refused(tmp_path: Path, damage: object) -> None:
    folder = _write(tmp_path / "adapter", made.network())
    damage(folder)  # type: ignore[operator]
    with pytest.raises(CheckpointError):
        Adapter.open(folder)


def test_merging_the_wrong_adapter_writes_nothing(tmp_path: Path) -> None:
    network = made.network()
    network.save(tmp_path / "base")
    folder = _write(tmp_path / "adapter", made.network(made.config(memory=24)))
    with pytest.raises(CheckpointError):
        merge_folders(tmp_path / "base", folder, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
