"""`omnilive models`: damaged, incomplete and foreign weights are told before anything is loaded."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("sentencepiece", reason="needs the extra nn")

import torch
from safetensors.torch import load_file, save_file

from cli_support import run
from ixc_support import official_tree
from omnilive.nn import weights_merge
from omnilive.nn.reasoning_loading import load_reasoning

Capture = pytest.CaptureFixture[str]
SHARD = "pytorch_model-00002-of-00002.bin"


class _Hidden:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("code-was-run"),)  # type: ignore[return-value]


def _missing_shard(tree: Path) -> None:
    (tree / "base" / SHARD).unlink()


def _truncated_shard(tree: Path) -> None:
    shard = tree / "base" / SHARD
    shard.write_bytes(shard.read_bytes()[:-200])


def _truncated_safetensors(tree: Path) -> None:
    file = tree / "memory" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-200])


def _code(tree: Path) -> None:
    (tree / "base" / SHARD).write_bytes(pickle.dumps({"weight": _Hidden()}))


def _wrong_kind(tree: Path) -> None:
    file = tree / "memory" / "model.safetensors"
    state = load_file(file)
    state["model.norm.weight"] = state["model.norm.weight"].to(torch.int8)
    save_file(state, file)


def _wrong_shape(tree: Path) -> None:
    file = tree / "audio" / "model.safetensors"
    state = load_file(file)
    state["multi_modal_projector.linear.bias"] = torch.zeros(5)
    save_file(state, file)


def _swapped_adapter(tree: Path) -> None:
    file = tree / "adapter" / "adapter_model.safetensors"
    state = load_file(file)
    save_file({name: each.T.contiguous() for name, each in state.items() if each.ndim > 1}, file)


def _foreign_adapter(tree: Path) -> None:
    file = tree / "adapter" / "adapter_model.safetensors"
    state = load_file(file)
    save_file({name.replace("layers.0", "layers.9"): each for name, each in state.items()}, file)


def _no_tokenizer(tree: Path) -> None:
    (tree / "base" / "tokenizer.model").unlink()


def _broken_config(tree: Path) -> None:
    (tree / "memory" / "config.json").write_text("{", encoding="utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "missing shard": (_missing_shard, "reasoning", f"{SHARD} is missing"),
    "truncated shard": (_truncated_shard, "reasoning", "cut short"),
    "truncated safetensors": (_truncated_safetensors, "memory", "cut short"),
    "code in a pickle": (_code, "reasoning", "holds more than numbers"),
    "wrong kind": (_wrong_kind, "memory", "holds int8"),
    "wrong shape": (_wrong_shape, "audio", "instead of"),
    "swapped adapter": (_swapped_adapter, "reasoning", "The adapter in"),
    "foreign adapter": (_foreign_adapter, "reasoning", "which this network lacks"),
    "no tokenizer": (_no_tokenizer, "reasoning", "tokenizer.model is missing"),
    "broken configuration": (_broken_config, "memory", "could not be read as JSON"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return official_tree(tmp_path / "ixc")


def test_a_whole_folder_is_whole_and_says_what_it_takes(tree: Path, capsys: Capture) -> None:
    ran = run(capsys, "models", "check", tree, "--json")
    assert ran.code == 0
    modules = {each["module"]: each for each in ran.of("module")}
    assert {name: each["state"] for name, each in modules.items()} == {
        "reasoning": "whole",
        "memory": "whole",
        "audio": "whole",
    }
    reasoning = modules["reasoning"]
    assert Path(reasoning["adapter"]).name == "adapter"
    assert reasoning["bytes_in_memory"]["float32"] == 4 * reasoning["parameters"]
    assert reasoning["bytes_in_memory"]["8 bits"] < reasoning["bytes_in_memory"]["bfloat16"]
    network = load_reasoning(tree / "base", dtype=torch.bfloat16, eight_bit=True)
    held = [*network.parameters(), *network.buffers()]
    assert sum(each.nbytes for each in held) == reasoning["bytes_in_memory"]["8 bits"]
    assert ran.of("models")[0]["ok"] is True
    table = run(capsys, "models", "check", tree)
    assert table.code == 0
    assert "base/ + adapter/, float32 in 2 files" in table.out


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_one_sentence(
    damage: str, tree: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    spoil, module, told = DAMAGE[damage]
    spoil(tree)
    ran = run(capsys, "models", "check", tree, "--json")
    assert ran.code == 5
    states = {each["module"]: each for each in ran.of("module")}
    assert states[module]["state"] == "wrong"
    assert any(told in problem for problem in states[module]["problems"])
    assert [name for name, each in states.items() if each["state"] != "whole"] == [module]
    # The same is said before anything of the preset is loaded, and no store is made.
    ran = run(capsys, "ask", "what?", "--weights", tree, "--store", tree / "store")
    assert ran.code == 5
    assert "Traceback" not in ran.err
    assert "omnilive models check" in ran.err
    assert not (tree / "store").exists()
    assert not (tree / "code-was-run").exists()


def test_a_missing_network_is_named(tree: Path, capsys: Capture) -> None:
    (tree / "memory").rename(tree / "elsewhere")
    ran = run(capsys, "models", "check", tree, "--json")
    assert ran.code == 5
    assert [each["module"] for each in ran.of("module") if each["state"] == "missing"] == ["memory"]
    ran = run(capsys, "ask", "what?", "--weights", tree, "--store", tree / "store")
    assert ran.code == 5
    assert "memory network is missing" in ran.err
    assert run(capsys, "models", "check", tree / "nowhere").code == 5
    # One network alone is judged alone.
    assert run(capsys, "models", "check", tree / "elsewhere").code == 0


def test_checksums_are_compared_where_somebody_says_them(tree: Path, capsys: Capture) -> None:
    file = tree / "memory" / "model.safetensors"
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    (tree / "memory" / "SHA256SUMS").write_text(f"{right}  model.safetensors\n")
    note = tree / ".cache/huggingface/download/audio/model.safetensors.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"0dd264506c2b\n{'0' * 64}\n1733900000.0\n")
    ran = run(capsys, "models", "check", tree, "--checksums", "--json")
    assert ran.code == 5
    sums = {Path(each["file"]).parent.name: each for each in ran.of("checksum")}
    assert sums["memory"]["ok"]
    assert sums["memory"]["expected"] == right
    assert not sums["audio"]["ok"]
    assert sums["adapter"]["ok"]
    assert sums["adapter"]["expected"] == ""


def test_merging_gives_what_loading_gives(tree: Path, capsys: Capture) -> None:
    ran = run(
        capsys,
        *("models", "merge", tree / "base", tree / "adapter", "--out", tree / "reasoning"),
        "--json",
    )
    assert ran.code == 0
    assert ran.of("merged")
    once = load_reasoning(tree / "reasoning").state_dict()
    each_time = load_reasoning(tree / "base", adapter=tree / "adapter").state_dict()
    assert once.keys() == each_time.keys()
    assert all(torch.equal(once[name], each_time[name]) for name in once)
    assert (tree / "reasoning" / "tokenizer.model").is_file()
    found = run(capsys, "models", "check", tree, "--checksums", "--json")
    assert found.code == 0
    assert Path(found.of("module")[0]["folder"]).name == "reasoning"
    assert [each["ok"] for each in found.of("checksum") if each["expected"]] == [True]
    again = run(
        capsys, "models", "merge", tree / "base", tree / "adapter", "--out", tree / "reasoning"
    )
    assert again.code == 5
    assert "there already" in again.err


def test_a_merge_that_fails_leaves_nothing(
    tree: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(each.name for each in tree.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights_merge, "merge_folders", lambda *_, **__: full())
    ran = run(capsys, "models", "merge", tree / "base", tree / "adapter", "-o", tree / "merged")
    assert ran.code == 5
    assert "No space left" in ran.err
    assert sorted(each.name for each in tree.iterdir()) == before


def test_a_disk_too_full_is_told_before_merging(
    tree: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(weights_merge.shutil, "disk_usage", lambda _: Usage)
    ran = run(capsys, "models", "merge", tree / "base", tree / "adapter", "-o", tree / "merged")
    assert ran.code == 5
    assert "GB are free" in ran.err


def test_an_index_that_lies_outside_is_refused(tree: Path, capsys: Capture) -> None:
    index = tree / "base" / "pytorch_model.bin.index.json"
    said = json.loads(index.read_text())
    first = next(iter(said["weight_map"]))
    said["weight_map"][first] = "../memory/model.safetensors"
    index.write_text(json.dumps(said))
    ran = run(capsys, "models", "check", tree / "base", "--json")
    assert ran.code == 5
    assert "not beside it" in ran.of("module")[0]["problems"][0]
