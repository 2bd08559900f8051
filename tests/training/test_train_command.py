"""`omnilive train` with the real networks and tasks, for a step or two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_support import run
from omnilive.nn import places
from omnilive.nn.shipped import tiny_folder
from omnilive.nn.weights_check import check_folder
from omnilive.training.recipe import find_recipe

RECIPE = """
name = "short"
log_every = 1
[data]
workers = 0
cache_gb = 0.1
[[stages]]
task = "instruction_prediction"
steps = 2
batch_size = 2
[[stages]]
task = "instruction_prediction"
name = "again"
steps = 1
batch_size = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "short.toml"
    file.write_text(RECIPE)
    return file


def test_a_run_is_begun_gone_on_with_and_exported(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "run", tmp_path / "weights"
    first = run(
        capsys,
        *("train", "--recipe", recipe, "--run", folder, "--stage", "instruction_prediction"),
        *("--threads", 1, "--new", "--json"),
    )
    assert first.code == 0, first.err
    assert [each["step"] for each in first.of("progress")] == [1, 2]
    assert {"loss"} <= set(first.of("progress")[0]["figures"])
    assert len(first.of("validation")) == 1
    assert first.objects[-1]["event"] == "summary"
    assert [each["stage"] for each in first.objects[-1]["stages"]] == ["instruction_prediction"]

    # The run's own recipe, and only what is left of it.
    second = run(capsys, "train", "--run", folder, "--export", out, "--resume")
    assert second.code == 0, second.err
    assert "2/2 again" in second.out
    assert "1/2" not in second.out
    assert "core-hours" in second.out
    assert json.loads((folder / "run.json").read_text())["threads"] == 1
    assert (folder / "curves" / "again.svg").is_file()
    assert {each.role: each.state for each in check_folder(out)} == {
        "reasoning": "whole",
        "memory": "whole",
        "audio": "whole",
    }

    again = tmp_path / "again"
    third = run(capsys, "train", "--run", folder, "--export", again, "--no-train", "--json")
    assert third.code == 0, third.err
    assert not third.of("progress")
    for role in ("reasoning", "memory", "audio"):
        name = f"{role}/model.safetensors"
        assert (again / name).read_bytes() == (out / name).read_bytes()

    for arguments, words in (
        (("--run", folder, "--new"), "was begun already"),
        (("--run", folder, "--seed", 9), "seed 1, not 9"),
        (("--run", folder, "--back-to", "nowhere"), "kept are: again, instruction_prediction"),
        (("--run", folder, "--stage", "nowhere"), 'no stage "nowhere"'),
        (("--run", folder, "--recipe", "smoke"), "go on with the run's own recipe"),
    ):
        ran = run(capsys, "train", *arguments)
        assert ran.code == 2, arguments
        assert words in ran.err


def test_a_run_begins_with_the_weights_of_a_checkpoint(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_, out = tmp_path / "run", tmp_path / "weights"
    first = ("--stage", "instruction_prediction")
    ran = run(
        capsys, "train", "--recipe", recipe, "--run", run_, *first, "--start-from", "tiny",
        *("--export", out, "--threads", 1),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    shipped = tiny_folder()
    # What the two steps do not train is as shipped, tokenizers too.
    for name in ("audio/model.safetensors", "reasoning/tokenizer.model", "memory/vocab.json"):
        assert (out / name).read_bytes() == (shipped / name).read_bytes(), name
    trained = "reasoning/model.safetensors"
    assert (out / trained).read_bytes() != (shipped / trained).read_bytes()

    # The run goes on with its own weights and tokenizers, wherever the checkpoint is now.
    again = tmp_path / "again"
    ran = run(capsys, "train", "--run", run_, "--export", again, "--no-train", "--json")
    assert ran.code == 0, ran.err
    assert (again / trained).read_bytes() == (out / trained).read_bytes()
    assert (again / "memory/vocab.json").read_bytes() == (out / "memory/vocab.json").read_bytes()

    ran = run(capsys, "train", "--run", run_, "--start-from", out)
    assert ran.code == 2
    assert "leave --start-from out" in ran.err
    ran = run(capsys, "train", "--run", tmp_path / "other", "--start-from", tmp_path / "nothing")
    assert ran.code == 2
    assert "there is no folder" in ran.err
    weights = (out / trained).read_bytes()
    (out / trained).write_bytes(weights[: len(weights) // 2])
    ran = run(capsys, "train", "--run", tmp_path / "other", "--start-from", out)
    assert ran.code == 5
    assert "model.safetensors" in ran.err
    assert "Traceback" not in ran.err


def test_wrong_usage_is_told_before_anything_is_made(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace('task = "instruction_prediction"', 'task = "dreaming"', 1))
    for arguments, words in (
        (("--smoke", "--recipe", "tiny"), "leave --recipe out"),
        (("--no-train",), "give --run and --export"),
        (("--recipe", "huge", "--run", tmp_path / "run"), 'no recipe "huge"'),
        (("--recipe", recipe, "--run", tmp_path / "run"), 'the task "dreaming"'),
        (("--run", tmp_path / "run", "--resume"), "was not begun"),
        (("--run", tmp_path / "run", "--device", "tpu"), "tpu"),
    ):
        ran = run(capsys, "train", *arguments)
        assert ran.code == 2, arguments
        assert words in ran.err
        assert "Traceback" not in ran.err


def test_without_the_extra_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "find_spec", lambda name: None)
    ran = run(capsys, "train", "--smoke")
    assert ran.code == 5
    assert "Training needs torch" in ran.err
    assert 'pip install "omnilive[nn]"' in ran.err


def test_gradients_are_those_of_the_loss(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(
        capsys,
        *("train", "--recipe", recipe, "--check-gradients", "--json", "--threads", 1),
        *("--stage", "instruction_prediction"),
    )
    assert ran.code == 0, ran.err
    found = ran.of("gradient")
    assert len(found) == 8
    assert all(each["ok"] and each["error"] < 1e-5 for each in found)


@pytest.mark.slow
def test_smoke_trains_every_task_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(capsys, "train", "--smoke", "--json")
    assert ran.code == 0, ran.err
    wanted = [each.name for each in find_recipe("smoke").stages]
    stages = ran.objects[-1]["stages"]
    assert [each["stage"] for each in stages] == wanted
    assert all(each["finished"] for each in stages)
    assert list(tmp_path.iterdir()) == []
