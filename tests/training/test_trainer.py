"""The trainer on a small real problem: it learns, goes on to the same bits, and stops at NaN."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from omnilive.errors import ConfigError, TrainingError
from omnilive.training.curves import Curves, Point
from omnilive.training.gradient_check import gradient_check
from omnilive.training.optimizer import NamedAdamW
from omnilive.training.progress import Progress, Watcher
from omnilive.training.recipe import Recipe, Stage
from omnilive.training.run_folder import RunFolder
from omnilive.training.state import RunState
from omnilive.training.stopping import StopRequest
from omnilive.training.task import Losses
from training_source import Points, Waves
from training_support import RECIPE, Fitting, Regressor, finished, trainer, with_stage

TESTS = Path(__file__).parent.parent
ONE = Recipe(
    name="one",
    save_every=1e9,
    data=replace(RECIPE.data, workers=0),
    stages=(Stage(task="both", steps=150, learning_rate=1e-2, warmup=5, validate_every=75),),
)


class Told(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []
        self.validations: list[tuple[str, int, Mapping[str, float]]] = []
        self.states: list[RunState] = []
        self.notices: list[str] = []

    def stepped(self, progress: Progress) -> None:
        self.progress.append(progress)

    def validated(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        self.validations.append((stage, step, figures))

    def saved(self, state: RunState) -> None:
        self.states.append(state)

    def notice(self, text: str) -> None:
        self.notices.append(text)


def test_it_learns_and_tells_how_it_goes(tmp_path: Path) -> None:
    told = Told()
    made, _ = trainer(tmp_path, ONE, watcher=told)
    before = made.state
    assert made.train()
    assert before.stages == ()
    assert [step for _, step, _ in told.validations] == [75, 150]
    assert told.validations[-1][2]["loss"] < 1.0 < told.progress[0].figures["loss"]
    last = told.progress[-1]
    assert (last.step, last.steps, last.seconds_left) == (150, 150, 0)
    assert last.tokens == 150 * 16
    assert last.tokens_per_s > 0
    assert 0 < last.core_hours <= last.run_core_hours
    assert sum(each.is_point for each in told.progress) == 8
    (state,) = told.states
    assert state.stages[0].finished
    assert state.stages[0].tokens == last.tokens


def test_what_is_not_trained_stays_as_it_was(tmp_path: Path) -> None:
    made, networks = trainer(tmp_path)
    new = Regressor(RECIPE.seed)
    made.train(["head"])
    assert torch.equal(networks.body[0].weight, new.body[0].weight)
    assert not torch.equal(networks.head.weight, new.head.weight)


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole")
    asked = 0

    def stop_often() -> bool:
        nonlocal asked
        asked += 1
        return asked % 2 == 0

    stops = 0
    while True:
        recipe = replace(RECIPE, save_every=1e9)
        made, networks = trainer(tmp_path / "stopped", recipe, should_stop=stop_often)
        if made.train():
            break
        stops += 1
    assert stops >= 4
    assert networks.digest() == whole


def test_another_seed_gives_other_bits(tmp_path: Path) -> None:
    assert finished(tmp_path / "a") != finished(tmp_path / "b", replace(RECIPE, seed=6))


def test_the_number_of_workers_changes_no_bit(tmp_path: Path) -> None:
    recipe = replace(RECIPE, data=replace(RECIPE.data, workers=2))
    assert finished(tmp_path / "a", recipe) == finished(tmp_path / "b")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_run_killed_at_any_instant_goes_on_to_the_same_bits() -> None:
    # In memory where there is such a place: thousands of writes are brought to the disk.
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        done = subprocess.run(
            [sys.executable, str(TESTS / "training_kills.py"), folder],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["killed"]) >= 20
    for name, (code, digest) in found["killed"].items():
        assert code == -signal.SIGKILL, f"{name}: the run ended before the kill"
        assert digest == found["whole"], name
        # The ends of both stages, and nothing half written.
        assert len(found["left"][name]) == 2
    assert all(found["curves_equal"])


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(tmp_path: Path, wanted: signal.Signals) -> None:
    def build(networks: Regressor, stage: Stage) -> Fitting:
        def on_loss(number: int) -> None:
            if number == 2:
                os.kill(os.getpid(), wanted)

        return Fitting(networks, stage, on_loss)

    recipe = replace(RECIPE, save_every=1e9)
    before = signal.getsignal(wanted)
    with StopRequest() as stop:
        made, _ = trainer(tmp_path, recipe, build=build, should_stop=stop)
        assert not made.train()
    assert signal.getsignal(wanted) is before
    current = RunFolder(tmp_path).read().current
    assert current is not None
    assert current.step == 3


def test_a_second_signal_ends_at_once() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


class Diverging(Fitting):
    """Is no number from a step on: its loss, or only its gradient."""

    what = "loss"

    def error(self, batch: Points) -> torch.Tensor:
        error = super().error(batch)
        if self._calls <= 3:
            return error
        if self.what == "loss":
            return error * math.nan
        return error + 0 * torch.sqrt(error - error)  # 0 * infinity


class DivergingGradient(Diverging):
    what = "gradient"


@pytest.mark.parametrize("build", [Diverging, DivergingGradient])
def test_no_number_stops_and_the_last_checkpoint_is_whole(
    tmp_path: Path, build: type[Diverging]
) -> None:
    recipe = with_stage(RECIPE, 0, validate_every=0)
    made, _ = trainer(tmp_path, recipe, build=build)
    with pytest.raises(TrainingError, match=f"Stage body, step 3: the {build.what} is not") as told:
        made.train()
    assert "stage body, step 3 of 5) is whole" in str(told.value)
    good, networks = trainer(tmp_path, recipe)
    assert good.state.current is not None
    assert all(bool(torch.isfinite(each).all()) for each in networks.body.parameters())
    assert good.train()
    assert networks.digest() == finished(tmp_path / "whole", recipe)


class Detached(Fitting):
    def error(self, batch: Points) -> torch.Tensor:
        return super().error(batch).detach()


def test_a_loss_without_gradients_is_told(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path, build=Detached)
    with pytest.raises(TrainingError, match="depends on nothing"):
        made.train()


def test_a_recipe_that_does_not_match_the_run_is_refused(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path)
    made.train(["body"])
    for changed, words in (
        (replace(RECIPE, seed=9), "seed 5, not 9"),
        (with_stage(RECIPE, 0, learning_rate=0.5), "learning_rate is 0.5 instead of 0.001"),
        (with_stage(RECIPE, 0, options={"a": 1}), "options"),
        (replace(RECIPE, stages=RECIPE.stages[1:]), "has trained body"),
        (replace(RECIPE, stages=RECIPE.stages[::-1]), "in this order"),
    ):
        with pytest.raises(ConfigError, match=words):
            trainer(tmp_path, changed)
    # What changes no weight that was trained may change.
    for changed in (
        with_stage(RECIPE, 1, learning_rate=0.5),
        with_stage(RECIPE, 0, validate_every=1),
        replace(RECIPE, save_every=1.0),
    ):
        trainer(tmp_path, changed)


def test_stages_are_chosen_by_name(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path)
    with pytest.raises(ConfigError, match="no stage"):
        made.train(["tail"])
    stopped, _ = trainer(tmp_path, should_stop=iter((False, True)).__next__)
    assert not stopped.train(["body"])
    again, _ = trainer(tmp_path)
    with pytest.raises(ConfigError, match="inside body"):
        again.train(["head"])


class Finishing(Fitting):
    def finish(self) -> None:
        self._networks.head.weight.zero_()


def test_what_a_task_does_last_is_in_the_checkpoint(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path, build=Finishing)
    made.train(["body"])
    _, networks = trainer(tmp_path)
    assert not networks.head.weight.any()


class Wrong(torch.autograd.Function):
    """x squared, with a gradient that is a tenth too large."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 2.2 * x * grad


class WrongGradient(Fitting):
    def error(self, batch: Points) -> torch.Tensor:
        return super().error(batch) + 0.01 * Wrong.apply(self._networks.head.bias).sum()


class ForgottenGradient(Fitting):
    """The body's weights count in the loss, and backward does not see it."""

    def error(self, batch: Points) -> torch.Tensor:
        return super().error(batch) + self._networks.body[0].weight.data.square().sum()


class Constants(Fitting):
    """What is a constant on purpose has no gradient, and needs none."""

    def error(self, batch: Points) -> torch.Tensor:
        weight = self._networks.body[0].weight
        with torch.no_grad():
            scale = torch.ones(24)
            scale.mul_(weight.square().mean(dim=1).sqrt())
            scale[0] = weight.max(dim=1).values.sum()
        return super().error(batch) * weight.detach().norm() + (scale * weight[:, 0]).sum()


class RoundedInside(Fitting):
    """Computes in float32 on purpose, as norms do."""

    def error(self, batch: Points) -> torch.Tensor:
        return super().error(batch).float().to(torch.float32) * 3


def slopes_of(task: Fitting, networks: Regressor) -> Iterator[tuple[tuple[str, ...], bool]]:
    for each in gradient_check(task, Waves(4).draw(1, 0), networks.modules()):
        yield each.names, each.is_right


def test_right_gradients_pass_and_networks_stay_as_they_were() -> None:
    for kind in (Fitting, RoundedInside, Constants):
        networks = Regressor(3)
        networks.body.eval()
        before = networks.digest()
        found = dict(slopes_of(kind(networks, ONE.stages[0]), networks))
        assert len(found) == 6
        assert sorted(name for group in found for name in group) == [
            *("body.0.bias", "body.0.weight", "body.1.bias", "body.1.weight"),
            *("head.bias", "head.weight"),
        ]
        assert all(found.values())
        assert networks.digest() == before
        assert networks.body[0].weight.dtype is torch.float32
        assert not networks.body.training
        assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    ("kind", "name"), [(WrongGradient, "head.bias"), (ForgottenGradient, "body.0.weight")]
)
def test_a_wrong_gradient_is_caught(kind: type[Fitting], name: str) -> None:
    networks = Regressor(3)
    networks.head.bias.data.fill_(0.7)
    wrong = [
        names for names, right in slopes_of(kind(networks, ONE.stages[0]), networks) if not right
    ]
    assert wrong == [(name,)]


def test_the_rate_warms_up_and_follows_a_cosine() -> None:
    stage = Stage(task="a", steps=100, learning_rate=1.0, warmup=10, final_share=0.1)
    rates = [stage.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.55)
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert 0.1 < rates[99] < 0.11


def test_gradients_are_clipped_and_gains_do_not_decay() -> None:
    weight, gain = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    stage = Stage(task="a", warmup=0, learning_rate=0.1, weight_decay=0.5, clip_norm=1.0)
    optimizer = NamedAdamW({"weight": weight, "gain": gain}, stage)
    weight.grad, gain.grad = torch.full((2, 2), 3.0), torch.zeros(2)
    assert optimizer.clip() == pytest.approx(6.0)
    assert float(weight.grad.norm()) == pytest.approx(1.0)
    weight.grad.zero_()
    optimizer.step(0)
    assert torch.equal(gain, torch.ones(2))
    assert torch.allclose(weight, torch.full((2, 2), 0.95))


def test_curves_are_drawn_and_survive_a_torn_line(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    for step in range(1, 2001):
        curves.append(Point("s", step, "training", {"loss": 10 / step, "right": 0.5}, 0.1))
    curves.append(Point("s", 2000, "validation", {"loss": 0.01, "odd": math.nan}, 0.1))
    with (tmp_path / "curves.jsonl").open("a") as file:
        file.write('{"stage": "s", "st')
    assert len(list(curves.points())) == 2001
    picture = curves.draw("s")
    assert picture is not None
    text = picture.read_text()
    assert len(text) < 100_000
    root = ElementTree.fromstring(text)
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "loss, validation: 0.01" in words
    assert "value, logarithmic" in words
    assert {"s: losses", "s: figures", "step", "0.1", "10"} <= set(words)
    curves.rewind(set(), "s", 10, -1)
    assert [each.step for each in curves.points()] == list(range(1, 11))
    assert curves.draw("nothing") is None


def test_a_run_says_when_its_last_bits_may_differ(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path, should_stop=iter((False, True)).__next__)
    assert not made.train()
    content = json.loads((tmp_path / "run.json").read_text())
    content |= {"threads": 7, "version": "0.0.1"}
    (tmp_path / "run.json").write_text(json.dumps(content))
    told = Told()
    trainer(tmp_path, watcher=told)
    assert len(told.notices) == 2
    assert "7 threads" in told.notices[1]


def test_a_figure_that_is_no_number_does_not_spoil_the_curve(tmp_path: Path) -> None:
    class Sometimes(Fitting):
        def loss(self, batch: Points) -> Losses:
            losses = super().loss(batch)
            return Losses(losses.total, {"share": math.nan if self._calls % 2 else 0.5})

    made, _ = trainer(tmp_path, build=Sometimes)
    made.train(["head"])
    shares = [
        each.figures["share"] for each in Curves(tmp_path).points() if each.split == "training"
    ]
    assert shares == [0.5, 0.5]
