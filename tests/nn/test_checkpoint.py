"""Weights on disk: every layout, and every way in which they can be wrong."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

from safetensors.torch import save_file  # noqa: E402

from omnilive.errors import CheckpointError  # noqa: E402
from omnilive.nn.checkpoint import Checkpoint, read_config, save_checkpoint  # noqa: E402


class _Code:
    """Runs something when a careless reader opens it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.target),)


def _network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))


def _state() -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in _network().state_dict().items()}


def _fill(folder: Path, layout: str, state: dict[str, torch.Tensor]) -> Path:
    if layout == "safetensors":
        save_file(state, folder / "model.safetensors")
    elif layout == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    elif layout == "old bin":
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    else:
        names = sorted(state)
        places = {}
        for number in (0, 1):
            part = {name: state[name] for name in names[number::2]}
            end = "safetensors" if layout == "safetensors shards" else "bin"
            shard = f"model-0000{number + 1}-of-00002.{end}"
            if end == "bin":
                torch.save(part, folder / shard)
            else:
                save_file(part, folder / shard)
            places.update(dict.fromkeys(part, shard))
        stem = "model.safetensors" if layout == "safetensors shards" else "pytorch_model.bin"
        (folder / f"{stem}.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


_LAYOUTS = ["safetensors", "bin", "old bin", "safetensors shards", "bin shards"]


def _unchanged(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(each, before[name]) for name, each in module.state_dict().items())


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_layout_gives_the_same(layout: str, tmp_path: Path) -> None:
    state = _state()
    found = Checkpoint.open(_fill(tmp_path, layout, state))
    assert {name: info.shape for name, info in found.tensors.items()} == {
        name: tuple(each.shape) for name, each in state.items()
    }
    assert found.num_bytes == 4 * sum(each.numel() for each in state.values())
    with torch.device("meta"):
        module = _network()
    found.load_into(module)
    assert _unchanged(module, state)
    assert all(each.requires_grad for each in module.parameters())
    assert {name: each.tolist() for name, each in found.read()} == {
        name: each.tolist() for name, each in state.items()
    }


def test_precision_prefix_and_what_is_not_read(tmp_path: Path) -> None:
    state = {f"inner.{name}": each for name, each in _state().items()}
    extra = {"inner.head": torch.ones(2), "inner.a.rotary_emb.inv_freq": torch.ones(2)}
    save_file({**state, **extra, "outer": torch.ones(1)}, tmp_path / "model.safetensors")
    module, found = _network().half(), Checkpoint.open(tmp_path)
    found.load_into(module, prefix="inner.", unused={"inner.head"}, dtype=torch.bfloat16)
    assert {each.dtype for each in module.parameters()} == {torch.bfloat16}
    assert torch.equal(module[0].weight, state["inner.0.weight"].bfloat16())


def test_the_network_does_not_look_into_the_file_any_more(tmp_path: Path) -> None:
    state = _state()
    file = _fill(tmp_path, "bin", state) / "pytorch_model.bin"
    module = _network()
    Checkpoint.open(tmp_path).load_into(module)
    file.write_bytes(bytes(file.stat().st_size))
    assert _unchanged(module, state)


@pytest.mark.parametrize("layout", ["safetensors", "bin", "old bin"])
@pytest.mark.parametrize("kept", [0.0, 0.4, 0.97])
def test_a_file_cut_short(layout: str, kept: float, tmp_path: Path) -> None:
    _fill(tmp_path, layout, _state())
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"cut short|more than numbers"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("layout", ["safetensors shards", "bin shards"])
def test_a_missing_shard_is_named(layout: str, tmp_path: Path) -> None:
    _fill(tmp_path, layout, _state())
    (shard,) = tmp_path.glob("*-00002-of-*")
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"shard {shard.name} is missing"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ('{"weight_map": {"a": "../model.safetensors"}}', "not beside it"),
        ('{"weight_map": {"a": 3}}', "no index"),
        ("[]", "no JSON object"),
        ("{", "as JSON"),
    ],
)
def test_an_index_that_is_none(index: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.open(tmp_path)


def test_an_index_that_does_not_fit_its_shards(tmp_path: Path) -> None:
    _fill(tmp_path, "safetensors shards", _state())
    index = tmp_path / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": {**places, "more": places["0.bias"]}}))
    with pytest.raises(CheckpointError, match="disagree about more"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_pickle_never_runs(is_zip: bool, tmp_path: Path) -> None:
    target, file = tmp_path / "made-by-code", tmp_path / "pytorch_model.bin"
    if is_zip:
        torch.save({"0.weight": _Code(target)}, file)
    else:
        file.write_bytes(pickle.dumps({"0.weight": _Code(target)}))
    with pytest.raises(CheckpointError, match="code can hide"):
        Checkpoint.open(tmp_path)
    assert not target.exists()


@pytest.mark.parametrize("held", [[torch.ones(2)], {"a": 3}, {"state_dict": {"a": torch.ones(1)}}])
def test_a_bin_file_that_is_no_table(held: object, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no table of tensors"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": None}, "lacks 0.weight"),
        ({"2.weight": torch.ones(2)}, "has 2.weight"),
        ({"0.weight": torch.ones(3, 4)}, "3 x 4 instead of 4 x 3"),
        ({"0.weight": torch.ones(4, 3, dtype=torch.int8)}, "unquantised"),
        ({"1.bias": torch.tensor([1.0, float("nan")])}, "holds no numbers"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(
    change: dict[str, torch.Tensor | None], message: str, tmp_path: Path
) -> None:
    wrong = {
        name: each
        for name, each in {**{n: e + 1 for n, e in _state().items()}, **change}.items()
        if each is not None
    }
    save_file(wrong, tmp_path / "model.safetensors")
    module, before = _network(), _state()
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.open(tmp_path).load_into(module)
    assert _unchanged(module, before)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights"):
        Checkpoint.open(tmp_path)
    with pytest.raises(CheckpointError, match="config.json is missing"):
        read_config(tmp_path)


def test_our_own_layout(tmp_path: Path) -> None:
    folder, state = tmp_path / "ours", _state()
    save_checkpoint(folder, state, {"hidden_size": 3})
    save_checkpoint(folder, state, {"hidden_size": 4})
    assert sorted(each.name for each in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert read_config(folder) == {"hidden_size": 4}
    module = _network()
    Checkpoint.open(folder).load_into(module)
    assert _unchanged(module, state)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="choose another folder"):
        save_checkpoint(tmp_path / "file" / "inside", _state(), {})
