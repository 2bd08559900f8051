"""The run's folder: what is damaged or foreign is refused; a full disk loses nothing."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from omnilive.errors import CheckpointError, ConfigError, StoreBusy, TrainingError
from omnilive.training import run_folder
from omnilive.training.recipe import (
    DataSettings,
    Recipe,
    Stage,
    find_recipe,
    read_recipe,
    recipe_of,
    shipped_recipes,
    tables_of,
)
from omnilive.training.run_folder import RunFolder
from omnilive.training.state import RunState, StageState, from_json, to_json
from omnilive.training.tasks.build import TASKS
from training_support import RECIPE, Regressor, finished, trainer

TESTS = Path(__file__).parent.parent


def stopped(folder: Path, steps: int = 3) -> Path:
    """A run inside its first stage."""
    made, _ = trainer(folder, should_stop=iter([False] * steps + [True]).__next__)
    assert not made.train()
    return folder


def weights(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


def refused(folder: Path) -> str:
    """Why the folder's checkpoint is not taken; the networks stay as they were."""
    networks = Regressor(8)
    before = networks.digest()
    with pytest.raises(CheckpointError) as told:
        trainer(folder, networks=networks)
    assert networks.digest() == before
    assert str(folder) in str(told.value)
    return str(told.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[-5] ^= 1
    path.write_bytes(held)


def garbage(path: Path) -> None:
    path.write_bytes(b"\x80\x04K\x01.")


@pytest.mark.parametrize("damage", [cut, flip, garbage, Path.unlink])
def test_damaged_weights_are_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(weights(stopped(tmp_path)))
    assert "begin a new run" in refused(tmp_path)


@pytest.mark.parametrize("damage", [cut, garbage])
def test_a_damaged_run_file_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(stopped(tmp_path) / "run.json")
    assert "damaged" in refused(tmp_path)


def change(folder: Path, **changes: Any) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"program": "another"}, "not of a training run"),
        ({"format": 99, "version": "9.9"}, r"the version that wrote it \(9.9\)"),
        ({"recipe": {"stages": []}}, "damaged"),
        ({"stages": [{"step": 1}]}, "damaged"),
        ({"weights": {"file": "../other.safetensors", "bytes": 1, "sha256": ""}}, "missing"),
        ({"weights": None}, "damaged"),
    ],
)
def test_a_foreign_run_file_is_refused(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    change(stopped(tmp_path), **changes)
    networks = Regressor(1)
    with pytest.raises(CheckpointError, match=words):
        trainer(tmp_path, networks=networks)


def test_weights_of_other_networks_are_refused(tmp_path: Path) -> None:
    stopped(tmp_path)

    class Wider(Regressor):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(24, 2)

    with pytest.raises(CheckpointError, match=r"other networks.*head/bias first"):
        trainer(tmp_path, networks=Wider())

    # Whole and with a right checksum, but of something else.
    file = weights(tmp_path)
    save_file({"network/body/unknown": torch.zeros(2)}, file)
    told = json.loads((tmp_path / "run.json").read_text())["weights"]
    told |= {"bytes": file.stat().st_size, "sha256": run_folder._checksum(file)}
    change(tmp_path, weights=told)
    assert "other networks" in refused(tmp_path)


def test_there_is_no_pickle_and_everything_is_named(tmp_path: Path) -> None:
    held = load_file(weights(stopped(tmp_path)))
    assert "network/body/0.weight" in held
    assert "optimizer/body.0.weight/exp_avg" in held
    assert "optimizer/body.0.weight/step" in held
    assert not any(name.startswith("optimizer/head") for name in held)
    (kind,) = {each.dtype for each in held.values()}
    assert kind is torch.float32
    made, _ = trainer(tmp_path)
    made.train(["body"])
    assert not any(name.startswith("optimizer") for name in load_file(weights(tmp_path)))


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Files of more than `limit` bytes cannot be written, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path, share: float) -> None:
    """The write fails at the head of the weights' file, in its middle, or at its end."""
    limit = int(weights(stopped(tmp_path)).stat().st_size * share)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
    made, _ = trainer(tmp_path)
    with full_disk(limit), pytest.raises(TrainingError, match="make room") as told:
        made.train()
    after = {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
    assert after["run.json"] == before["run.json"]
    assert not [name for name in after if name.endswith(".part")]
    if "could not be saved" in str(told.value):
        assert "(stage body, step 3 of 5) is whole" in str(told.value)
    whole = finished(tmp_path / "whole")
    assert finished(tmp_path) == whole


def test_room_is_looked_for_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(tmp_path)
    made, networks = trainer(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    before = weights(tmp_path).stat().st_mtime_ns
    with pytest.raises(TrainingError, match=r"1 MB are free; 1 MB are needed.*is whole: make room"):
        RunFolder(tmp_path).save(made.state, networks.modules(), {})
    assert weights(tmp_path).stat().st_mtime_ns == before


def test_a_disk_that_fails_when_renaming_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path)
    made, networks = trainer(tmp_path)
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if Path(target).name == "run.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(TrainingError, match="No space left"):
            made.train()
    assert finished(tmp_path) == finished(tmp_path / "whole")


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    stopped(tmp_path)
    made, networks = trainer(tmp_path)
    networks.head.weight.data[0, 0] = float("inf")
    with pytest.raises(TrainingError, match=r"head/weight holds numbers that are not finite"):
        RunFolder(tmp_path).save(made.state, networks.modules(), {})
    trainer(tmp_path)


def test_one_can_go_back_to_the_end_of_a_stage(tmp_path: Path) -> None:
    whole = finished(tmp_path)
    folder = RunFolder(tmp_path)
    with pytest.raises(ConfigError, match="kept are: body, head"):
        folder.back_to("tail")
    folder.back_to("body")
    assert [each.stage.name for each in folder.read().stages] == ["body"]
    with pytest.raises(ConfigError, match="kept are: body"):
        folder.back_to("head")
    assert finished(tmp_path) == whole


def test_a_damaged_checkpoint_names_the_stages_to_go_back_to(tmp_path: Path) -> None:
    finished(tmp_path)
    name = json.loads((tmp_path / "run.json").read_text())["weights"]["file"]
    cut(tmp_path / name)
    assert "go back with --back-to (body, head)" in refused(tmp_path)
    RunFolder(tmp_path).back_to("body")
    trainer(tmp_path)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    other = (
        "import sys; from pathlib import Path; from omnilive.training.files import locked\n"
        "with locked(Path(sys.argv[1]), wait=False) as held: print(held)"
    )

    def seen_by_another() -> str:
        command = [sys.executable, "-c", other, str(tmp_path / "lock")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with folder.held():
        assert seen_by_another() == "False"
        with pytest.raises(StoreBusy, match="Another process trains"), folder.held():
            pass
    assert seen_by_another() == "True"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"), RunFolder(tmp_path / "file").held():
        pass
    with pytest.raises(CheckpointError, match="There is no run"):
        RunFolder(tmp_path).read()


def test_a_state_survives_its_file() -> None:
    sums = {"loss": (0.1 + 0.2, 3)}
    stages = (StageState(RECIPE.stages[0], 5, True, 5, 80, 1.25, 0.1 + 0.7, sums),)
    state = RunState(RECIPE, stages, 2, "cuda")
    assert from_json(json.loads(json.dumps(to_json(state))), "here") == state


WRITTEN = """
seed = 3
save_every = 60
[data]
cache_gb = 0.5
[[stages]]
task = "retrieval"
steps = 10
[[stages]]
task = "retrieval"
name = "retrieval-again"
learning_rate = 1e-4
[stages.options]
clips = 32
kinds = ["when", "where"]
"""


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WRITTEN)
    recipe = read_recipe(file)
    assert find_recipe(str(file)) == recipe
    assert (recipe.name, recipe.seed, recipe.save_every) == ("mine", 3, 60.0)
    assert recipe.data == DataSettings(cache_gb=0.5)
    assert recipe.stages == (
        Stage(task="retrieval", name="retrieval", steps=10),
        Stage(
            task="retrieval",
            name="retrieval-again",
            learning_rate=1e-4,
            options={"clips": 32, "kinds": ["when", "where"]},
        ),
    )
    assert recipe_of(json.loads(json.dumps(tables_of(recipe)))) == recipe


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("steps = 10", "stepps = 10", r'"stages\[0\].stepps"; did you mean "stages\[0\].steps"'),
        ("steps = 10", "steps = 0", "steps is at least 1"),
        ("steps = 10", 'steps = "ten"', "must be a whole number"),
        ("1e-4", "-1.0", "learning_rate is above 0"),
        ("1e-4", "nan", "learning_rate is above 0"),
        ('name = "retrieval-again"', "", 'Two stages are called "retrieval"'),
        ("retrieval-again", "../up", "may hold a to z"),
        ('task = "retrieval"\nsteps', "steps", r'"stages\[0\].task" is missing'),
        ("cache_gb = 0.5", "cache_gb = -1", "cache_gb is 0 or more"),
        ("clips = 32", "clips = 2026-01-01", "options.clips"),
        ("seed = 3", "seed = -3", "seed is 0 or more"),
        ("seed = 3", "sead = 3", 'did you mean "seed"'),
        ("seed = 3", "seed =", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WRITTEN.replace(before, after, 1))
    with pytest.raises(ConfigError, match=words):
        read_recipe(file)


def test_shipped_recipes_are_right_and_smoke_trains_every_task() -> None:
    assert set(shipped_recipes()) >= {"tiny", "smoke"}
    tiny, smoke = (find_recipe(name) for name in ("tiny", "smoke"))
    # What takes turns is made of tasks that the smoke run trains one by one.
    composed = {"memory", "describing", "reasoning_and_gate", "real_clip_compression"}
    assert {each.task for each in smoke.stages} == set(TASKS) - composed
    assert {each.task for each in tiny.stages} <= set(TASKS)
    assert max(each.steps for each in smoke.stages) <= 10
    with pytest.raises(ConfigError, match="name a file, or one of smoke, tiny"):
        find_recipe("huge")
    with pytest.raises(ConfigError, match="at least one stage"):
        recipe_of({"seed": 1})


def test_a_recipe_without_effect_on_weights_is_no_other() -> None:
    assert not Stage(task="a").differs(Stage(task="a", validate_every=3))
    assert Stage(task="a").differs(replace(Stage(task="a"), batch_size=3))
    assert Recipe(stages=(Stage(task="a"),)).stage("b") is None
