"""Trains the stages of a recipe; a run that is killed at any instant goes on to the same bits.

    recipe -> for each stage: task -> batches (workers) -> loss -> gradient -> AdamW
                                 `-> validation, curves, checkpoints

A step is a function of the weights, the optimiser's state, and (seed, stage, step); a checkpoint
holds the first two. So what is lost by a kill is time, at most `save_every` seconds of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from omnilive._version import __version__
from omnilive.errors import ConfigError, TrainingError
from omnilive.training.curves import Curves, Point
from omnilive.training.optimizer import NamedAdamW
from omnilive.training.progress import Clock, Progress, Watcher
from omnilive.training.randomness import derived_seed
from omnilive.training.recipe import Recipe, Stage
from omnilive.training.run_folder import RunFolder
from omnilive.training.state import RunState, StageState, check_recipe
from omnilive.training.task import TOKENS, Losses, Task
from omnilive.training.workers import Batches


class Trained(Protocol):
    """The networks of a run."""

    def modules(self) -> Mapping[str, nn.Module]:
        """Return them by name; equal names at every call."""
        ...


class Trainer:
    """One run.

    Args:
        recipe: what to do.
        networks: new ones, made from the recipe's seed; a begun run gives them its weights.
        build: makes a stage's task.
        folder: of the run.
        device: "cpu" or "cuda".
        watcher: is told how it goes.
        should_stop: looked at after each step; then the run is saved and `train` returns.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: Trained,
        build: Callable[[Stage], Task],
        folder: RunFolder,
        *,
        device: str = "cpu",
        watcher: Watcher | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._recipe = recipe
        self._modules = networks.modules()
        self._build = build
        self._folder = folder
        self._device = device
        self._watcher = watcher or Watcher()
        self._should_stop = should_stop
        self._curves = Curves(folder.path)
        self._state = RunState(recipe, (), torch.get_num_threads(), device)
        self._optimizer_state: Mapping[str, Tensor] = {}
        self._saved_at = 0.0

    @property
    def state(self) -> RunState:
        """Where the run is."""
        return self._state

    def load(self, *, in_order: bool = True) -> None:
        """Go to the run's newest checkpoint, if it has one.

        Args:
            in_order: the run must have followed the recipe's order.

        Raises:
            CheckpointError: the checkpoint is damaged or of other networks.
            ConfigError: the recipe does not fit the run.
        """
        if self._folder.is_begun:
            found = self._folder.read()
            check_recipe(found, self._recipe, in_order=in_order)
            self._tell_differences(found)
            self._optimizer_state = self._folder.load(self._modules)
            self._state = dataclasses.replace(
                found,
                recipe=self._recipe,
                threads=self._state.threads,
                device=self._device,
                version=__version__,
            )
        for module in self._modules.values():
            module.to(self._device)

    def train(self, names: Collection[str] = ()) -> bool:
        """Train what is left; `load` comes first.

        Args:
            names: stages to train, those of the recipe that are not finished if empty.

        Returns:
            Whether all of it is done; False if it was stopped.

        Raises:
            TrainingError: a loss or gradient that is no number, no room on the disk, a worker
                that failed; the last checkpoint is whole.
            ConfigError: `names` names no stage, or another stage is unfinished.
        """
        wanted = self._wanted(names)
        current = self._state.current
        self._curves.rewind(
            {each.stage.name for each in self._state.stages if each.finished},
            "" if current is None else current.stage.name,
            0 if current is None else current.step,
            -1 if current is None else current.validated,
        )
        self._saved_at = time.monotonic()
        for number, stage in enumerate(self._recipe.stages, 1):
            if stage in wanted and not self._stage(stage, number):
                return False
        return True

    def _wanted(self, names: Collection[str]) -> list[Stage]:
        known = {each.name for each in self._recipe.stages}
        for name in names:
            if name not in known:
                raise ConfigError(
                    f'The recipe has no stage "{name}"; it has {", ".join(sorted(known))}.'
                )
        current = self._state.current
        if names and current is not None and current.stage.name not in names:
            raise ConfigError(
                f"The run is inside {current.stage.name}; name it too, or go back before it."
            )
        done = {each.stage.name for each in self._state.stages if each.finished}
        return [
            each
            for each in self._recipe.stages
            if each.name not in done and (not names or each.name in names)
        ]

    def _stage(self, stage: Stage, number: int) -> bool:
        """Train one stage; False if it was stopped."""
        now = self._state.of(stage.name) or StageState(stage)
        now = dataclasses.replace(now, stage=stage)
        self._watcher.began(stage, number, len(self._recipe.stages), now.step)
        clock = Clock(now)
        task = self._build(stage)
        optimizer = NamedAdamW(self._choose(task), stage)
        optimizer.restore(self._optimizer_state)
        self._optimizer_state = {}
        seed = derived_seed(self._recipe.seed, stage.name)
        workers = self._recipe.data.workers
        with Batches(task.source, seed, now.step, stage.steps, workers) as batches:
            while True:
                if self._validation_is_due(now):
                    now = self._validate(task, clock.on(now, batches.cpu_s))
                if now.step == stage.steps:
                    break
                if self._should_stop():
                    self._save(clock.on(now, batches.cpu_s), optimizer.state())
                    return False
                batch = batches.next(self._should_stop)
                if batch is None:
                    continue
                now = self._step(task, optimizer, batch, now, clock, batches)
                if time.monotonic() - self._saved_at >= self._recipe.save_every:
                    self._save(clock.on(now, batches.cpu_s), optimizer.state())
            finish = getattr(task, "finish", None)
            if finish is not None:
                with torch.no_grad():
                    finish()
            now = dataclasses.replace(clock.on(now, batches.cpu_s), finished=True, sums={})
        self._save(now, {}, stage_end=stage.name)
        self._curves.draw(stage.name)
        return True

    def _choose(self, task: Task) -> dict[str, nn.Parameter]:
        """Return what the task trains; everything else is frozen."""
        chosen = dict(task.trained())
        held = {each for module in self._modules.values() for each in module.parameters()}
        assert chosen, f"{task.name} trains nothing"
        assert held.issuperset(chosen.values()), f"{task.name} trains what no checkpoint holds"
        for each in held:
            each.requires_grad_(False)
            each.grad = None
        for each in chosen.values():
            each.requires_grad_(True)
        return chosen

    def _step(
        self,
        task: Task,
        optimizer: NamedAdamW,
        batch: Any,
        now: StageState,
        clock: Clock,
        batches: Batches,
    ) -> StageState:
        stage = now.stage
        self._seed(stage, f"step {now.step}")
        for module in self._modules.values():
            module.train()
        optimizer.clear()
        with self._precision():
            losses = task.loss(batch)
        loss = float(losses.total.detach())
        self._must_be_finite(loss, "loss", now)
        if not losses.total.requires_grad:
            raise TrainingError(
                f"Stage {stage.name}, step {now.step}: the loss depends on nothing that is trained."
            )
        torch.autograd.backward(losses.total)
        self._must_be_finite(optimizer.clip(), "gradient", now)
        rate = optimizer.step(now.step)
        now = dataclasses.replace(
            clock.on(now, batches.cpu_s),
            step=now.step + 1,
            tokens=now.tokens + int(losses.parts.get(TOKENS, 0)),
            sums=_added(now.sums, losses, loss),
        )
        figures = {name: total / count for name, (total, count) in now.sums.items()}
        is_point = now.step % self._recipe.log_every == 0 or now.step == stage.steps
        if is_point:
            self._curves.append(Point(stage.name, now.step, "training", figures, now.core_hours))
            now = dataclasses.replace(now, sums={})
        self._watcher.stepped(
            Progress(
                stage=stage.name,
                step=now.step,
                steps=stage.steps,
                figures=figures,
                rate=rate,
                tokens=now.tokens,
                tokens_per_s=clock.tokens_per_s(now),
                seconds_left=clock.seconds_left(now),
                core_hours=now.core_hours,
                run_core_hours=sum(each.core_hours for each in self._state.with_stage(now).stages),
                is_point=is_point,
            )
        )
        return now

    def _validation_is_due(self, now: StageState) -> bool:
        every = now.stage.validate_every
        due = now.step == now.stage.steps or (every and now.step and now.step % every == 0)
        return bool(due) and now.validated != now.step

    def _validate(self, task: Task, now: StageState) -> StageState:
        self._seed(now.stage, "validation")
        for module in self._modules.values():
            module.eval()
        with torch.no_grad(), self._precision():
            figures = dict(task.validate())
        self._curves.append(Point(now.stage.name, now.step, "validation", figures, now.core_hours))
        self._curves.draw(now.stage.name)
        self._watcher.validated(now.stage.name, now.step, figures)
        return dataclasses.replace(now, validated=now.step)

    def _save(
        self, now: StageState, optimizer: Mapping[str, Tensor], *, stage_end: str = ""
    ) -> None:
        self._state = self._state.with_stage(now)
        self._folder.save(self._state, self._modules, optimizer, stage_end=stage_end)
        self._saved_at = time.monotonic()
        self._watcher.saved(self._state)

    def _seed(self, stage: Stage, what: str) -> None:
        seed = derived_seed(self._recipe.seed, stage.name, what)
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        """Mixed precision on a GPU; float32 on the CPU, where bf16 is slower."""
        if self._device.startswith("cuda"):
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _must_be_finite(self, value: float, what: str, now: StageState) -> None:
        if not math.isfinite(value):
            good = (
                f"the last good checkpoint ({self._state.place}) is whole"
                if self._folder.is_begun
                else "there is no checkpoint yet"
            )
            raise TrainingError(
                f"Stage {now.stage.name}, step {now.step}: the {what} is not a number; {good}. "
                "Lower learning_rate or clip_norm of this stage and train it again from its "
                "beginning: go --back-to the stage before, or begin a new run."
            )

    def _tell_differences(self, found: RunState) -> None:
        if found.version != __version__:
            self._watcher.notice(
                f"the run was begun with version {found.version}, this is {__version__}: the "
                "result may differ from that of either"
            )
        if found.current and (found.threads, found.device) != (self._state.threads, self._device):
            self._watcher.notice(
                f"the run computed with {found.threads} threads on {found.device}, now with "
                f"{self._state.threads} on {self._device}: the last bits may differ"
            )


def _added(
    sums: Mapping[str, tuple[float, int]], losses: Losses, loss: float
) -> dict[str, tuple[float, int]]:
    """Add a batch's figures to the sums; a figure that is no number here counts for nothing."""
    figures = {"loss": loss} | {
        name: float(value) for name, value in losses.parts.items() if name != TOKENS
    }
    added = dict(sums)
    for name, value in figures.items():
        if math.isfinite(value):
            total, count = added.get(name, (0.0, 0))
            added[name] = (total + value, count + 1)
    return added
