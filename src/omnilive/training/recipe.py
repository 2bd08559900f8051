"""Recipes: the stages of a run and their settings, read from TOML.

    name = "mine"                  # of the recipe
    seed = 1
    [data]
    cache_gb = 2.0
    [[stages]]                     # in order
    task = "clip_compression"
    steps = 4000
    [stages.options]               # what only this task knows

A recipe decides every bit of the result; `data`, `save_every`, `log_every` and `validate_every`
decide none of it and may change during a run.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from omnilive.config import merge, read_toml, to_tables
from omnilive.errors import ConfigError

Option: TypeAlias = bool | int | float | str | list[Any]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_WITHOUT_EFFECT = frozenset({"validate_every"})


@dataclass(frozen=True, slots=True)
class Stage:
    """One task for some steps.

    Attributes:
        task: which.
        name: of the stage, if a task comes twice; "" is the task's.
        steps: how many.
        batch_size: examples a step.
        learning_rate: the largest, after the warm-up.
        final_share: of it at the end of the cosine.
        warmup: steps.
        weight_decay: AdamW's, on weights of two axes and more.
        clip_norm: largest length of the gradient; 0 does not clip.
        validate_every: steps; 0 only at the end.
        options: what only this task knows.
    """

    task: str = ""
    name: str = ""
    steps: int = 1000
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_share: float = 0.05
    warmup: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    validate_every: int = 500
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.task)
        if self.name and not _NAME.fullmatch(self.name):
            raise ValueError(f'the name "{self.name}" may hold a to z, 0 to 9, _ and - only.')
        for key in ("steps", "batch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is at least 1.")
        for key in ("warmup", "weight_decay", "clip_norm", "validate_every"):
            if not (getattr(self, key) >= 0 and math.isfinite(getattr(self, key))):
                raise ValueError(f"{key} is 0 or more.")
        if not 0 < self.learning_rate < 10:
            raise ValueError("learning_rate is above 0 and below 10.")
        if not 0 <= self.final_share <= 1:
            raise ValueError("final_share is from 0 to 1.")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step (0 the first): warm-up, then a cosine."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return self.learning_rate * (self.final_share + (1 - self.final_share) * cosine)

    def differs(self, other: Stage) -> str:
        """Return the first setting in which two stages would give other weights; "" if in none."""
        for each in dataclasses.fields(self):
            if each.name not in _WITHOUT_EFFECT:
                mine, theirs = getattr(self, each.name), getattr(other, each.name)
                if mine != theirs:
                    return f"{each.name} is {theirs!r} instead of {mine!r}"
        return ""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """How batches are made; nothing of it changes them.

    Attributes:
        cache_gb: most disk that made data may take, in 10^9 bytes; 0 keeps none.
        workers: processes that make batches; 0 makes them between the steps.
        folder: of the cache; "" is `cache` in the run's folder.
    """

    cache_gb: float = 2.0
    workers: int = 1
    folder: str = ""

    def __post_init__(self) -> None:
        if not (self.cache_gb >= 0 and math.isfinite(self.cache_gb)):
            raise ValueError("cache_gb is 0 or more.")
        if not 0 <= self.workers <= 256:
            raise ValueError("workers is from 0 to 256.")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole run.

    Attributes:
        name: for people.
        seed: of everything that is drawn: first weights, data, order, dropout.
        save_every: seconds between checkpoints.
        log_every: steps between points of the training curve.
        data: how batches are made.
        stages: in order; their names differ.
    """

    name: str = "recipe"
    seed: int = 1
    save_every: float = 300.0
    log_every: int = 20
    data: DataSettings = DataSettings()
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError("seed is 0 or more.")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'the name "{self.name}" may hold a to z, 0 to 9, _ and - only.')
        if not self.save_every >= 0 or self.log_every < 1:
            raise ValueError("save_every is 0 or more, log_every at least 1.")

    def stage(self, name: str) -> Stage | None:
        """Return the stage of a name."""
        return next((each for each in self.stages if each.name == name), None)


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task is built with, beside the networks.

    Attributes:
        batch_size: examples a batch.
        device: where its tensors go ("cpu", "cuda").
        cache: folder of made data (`cache.DiskCache`).
        cache_bytes: most bytes in it.
        options: of the stage in the recipe.
    """

    batch_size: int
    device: str
    cache: Path
    cache_bytes: int
    options: Mapping[str, Option] = field(default_factory=dict)


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    files = resources.files("omnilive.training").joinpath("recipes").iterdir()
    return tuple(sorted(each.name[:-5] for each in files if each.name.endswith(".toml")))


def find_recipe(wanted: str) -> Recipe:
    """Return a recipe by its shipped name, or of a file.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    if wanted in shipped_recipes():
        folder = resources.files("omnilive.training").joinpath("recipes")
        with resources.as_file(folder.joinpath(f"{wanted}.toml")) as path:
            return read_recipe(path)
    path = Path(wanted).expanduser()
    if not path.is_file():
        raise ConfigError(
            f'There is no recipe "{wanted}": name a file, or one of {", ".join(shipped_recipes())}.'
        )
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """Return the recipe of a TOML file.

    Raises:
        ConfigError: it cannot be read, or a key or a value is wrong.
    """
    return recipe_of({"name": path.stem} | read_toml(path))


def recipe_of(tables: Mapping[str, object]) -> Recipe:
    """Return the recipe that tables of TOML or JSON say.

    Raises:
        ConfigError: a key or a value is wrong.
    """
    rest = dict(tables)
    listed = rest.pop("stages", None)
    if not isinstance(listed, list) or not listed:
        raise ConfigError("A recipe has at least one stage: write [[stages]] and its keys below.")
    stages = tuple(_stage(each, f"stages[{number}].") for number, each in enumerate(listed))
    names = [each.name for each in stages]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'Two stages are called "{name}": give one of them another name.')
    return dataclasses.replace(merge(Recipe(), rest), stages=stages)


def tables_of(recipe: Recipe) -> dict[str, object]:
    """Return what `recipe_of` takes."""
    tables = to_tables(dataclasses.replace(recipe, stages=()))
    return tables | {"stages": [stage_tables(each) for each in recipe.stages]}


def stage_tables(stage: Stage) -> dict[str, object]:
    """Return a stage as plain values."""
    return to_tables(stage) | {"options": dict(stage.options)}


def _stage(given: object, where: str) -> Stage:
    if not isinstance(given, dict):
        raise ConfigError(f'"{where.rstrip(".")}" is a table: write [[stages]] and its keys below.')
    rest = dict(given)
    options = rest.pop("options", {})
    if not isinstance(options, dict):
        raise ConfigError(f'"{where}options" is a table: write [stages.options].')
    for key, value in options.items():
        if not isinstance(value, bool | int | float | str | list):
            raise ConfigError(f'"{where}options.{key}" must be a number, a string, or a list.')
    if not rest.get("task"):
        raise ConfigError(f'"{where}task" is missing: say what the stage trains.')
    return dataclasses.replace(merge(Stage(), rest, where), options=options)
