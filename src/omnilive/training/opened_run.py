"""A run with its networks: what `omnilive train` works on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from omnilive.errors import ConfigError
from omnilive.training.gradient_check import Slope, gradient_check
from omnilive.training.networks import Networks, Tokenizers, copy_tokenizers
from omnilive.training.progress import Watcher
from omnilive.training.recipe import Recipe, Stage, TaskSettings, find_recipe
from omnilive.training.run_folder import RunFolder
from omnilive.training.task import Task
from omnilive.training.tasks.build import TASKS, build
from omnilive.training.trainer import Trainer
from omnilive.training.workers import aligned

_TOKENIZERS = "tokenizers"
_CHECKED_BATCH = 2  # examples in a batch whose gradients are checked


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user may choose beside the folder; None is what recipe, run or machine say.

    Attributes:
        recipe: a shipped one's name or a file; None goes on with the run's own, or begins "tiny".
        stages: to train; all that are left if empty.
        resume: the run must have been begun (True) or must not have (False).
        back_to: the stage whose end is gone back to first.
        workers, cache_gb, seed: as in the recipe.
        threads: of torch.
        device: "auto", "cpu" or "cuda".
        start_from: the checkpoint whose weights a new run begins with; None for new ones.
    """

    recipe: str | None = None
    stages: Sequence[str] = ()
    resume: bool | None = None
    back_to: str | None = None
    workers: int | None = None
    cache_gb: float | None = None
    seed: int | None = None
    threads: int | None = None
    device: str = "auto"
    start_from: Path | None = None


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run at its newest checkpoint.

    Attributes:
        recipe: that it follows.
        networks: with the checkpoint's weights.
        trainer: of the run.
        build: makes a stage's task.
    """

    recipe: Recipe
    networks: Networks
    trainer: Trainer
    build: Callable[[Stage], Task]

    def check_gradients(self, names: Sequence[str]) -> Iterator[tuple[Stage, tuple[Slope, ...]]]:
        """Yield each stage with what `gradient_check` finds on a small batch of it."""
        for stage in self.recipe.stages:
            if not names or stage.name in names:
                task = self.build(replace(stage, batch_size=min(_CHECKED_BATCH, stage.batch_size)))
                batch = aligned(task.source.draw(self.recipe.seed, 0))
                yield stage, gradient_check(task, batch, self.networks.modules())


@contextmanager
def opened(
    path: Path, choices: Choices, watcher: Watcher, should_stop: Callable[[], bool]
) -> Iterator[OpenedRun]:
    """Open a run's folder, or begin one; nobody else can train in it meanwhile.

    Raises:
        ConfigError: the recipe is wrong or does not fit the run, or the run is (not) begun.
        StoreBusy: another process trains there.
        CheckpointError: its checkpoint is damaged or of other networks.
    """
    folder = RunFolder(path)
    if choices.resume is not None and choices.resume is not folder.is_begun:
        said = "was not begun: leave --resume out" if choices.resume else "was begun already"
        raise ConfigError(f"The run in {path} {said}, or name another folder with --run.")
    device = _device(choices.device)
    with folder.held():
        if choices.back_to is not None:
            folder.back_to(choices.back_to)
        begun = folder.read() if folder.is_begun else None
        if begun is not None and choices.start_from is not None:
            raise ConfigError(
                f"The run in {path} was begun already and goes on from its own weights: leave "
                "--start-from out, or name another folder with --run."
            )
        if begun is not None and choices.recipe is None:
            recipe = begun.recipe
        else:
            recipe = find_recipe(choices.recipe or "tiny")
        recipe = _changed(recipe, choices)
        torch.set_num_threads(
            choices.threads or (begun.threads if begun else _free_cores(recipe.data.workers))
        )
        networks = _networks(path, recipe.seed, choices.start_from, is_new=begun is None)
        data = recipe.data
        make = partial(
            _build,
            networks,
            device,
            Path(data.folder).expanduser() if data.folder else path / "cache",
            int(data.cache_gb * 1e9),
        )
        trainer = Trainer(
            recipe,
            networks,
            make,
            folder,
            device=device,
            watcher=watcher,
            should_stop=should_stop,
        )
        trainer.load(in_order=not choices.stages)
        yield OpenedRun(recipe, networks, trainer, make)


def _networks(path: Path, seed: int, start_from: Path | None, *, is_new: bool) -> Networks:
    """Return a run's networks; one that began with a checkpoint keeps that one's tokenizers."""
    kept = path / _TOKENIZERS
    if is_new:
        shutil.rmtree(kept, ignore_errors=True)  # of a run that was killed before its first save
        if start_from is None:
            return Networks.create(seed)
        Tokenizers.load(start_from)  # refuses what is none before anything is copied
        copy_tokenizers(start_from, kept)
    elif not kept.is_dir():
        return Networks.create(seed)
    networks = Networks(Tokenizers.load(kept), seed=seed)
    if start_from is not None:
        networks.give(start_from)
    return networks


def _build(networks: Networks, device: str, cache: Path, cache_bytes: int, stage: Stage) -> Task:
    settings = TaskSettings(stage.batch_size, device, cache, cache_bytes, stage.options)
    return build(stage.task, networks, settings)


def _changed(recipe: Recipe, choices: Choices) -> Recipe:
    """Return the recipe with what the user chose; its tasks exist."""
    for stage in recipe.stages:
        if stage.task not in TASKS:
            raise ConfigError(
                f'The recipe has a stage of the task "{stage.task}"; tasks are: '
                f"{', '.join(sorted(TASKS))}."
            )
    data = recipe.data
    if choices.workers is not None:
        data = replace(data, workers=choices.workers)
    if choices.cache_gb is not None:
        data = replace(data, cache_gb=choices.cache_gb)
    return replace(recipe, data=data, seed=recipe.seed if choices.seed is None else choices.seed)


def _free_cores(workers: int) -> int:
    """Cores that the workers leave."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) - workers)


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("There is no GPU that torch can use; leave --device out, or say cpu.")
    return wanted
