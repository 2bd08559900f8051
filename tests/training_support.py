"""A small learning problem for tests of the trainer: two networks, two stages, dropout."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.training.progress import Watcher
from omnilive.training.recipe import DataSettings, Recipe, Stage
from omnilive.training.run_folder import RunFolder
from omnilive.training.task import Losses
from omnilive.training.trainer import Trainer
from training_source import WIDTH, Points, Waves

RECIPE = Recipe(
    name="waves",
    seed=5,
    save_every=0,
    log_every=2,
    data=DataSettings(workers=0),
    stages=(
        Stage(task="body", steps=5, warmup=2, validate_every=2),
        Stage(task="head", steps=4, learning_rate=3e-3, warmup=0, validate_every=0),
    ),
)


class Regressor:
    """A body that finds features and a head that adds them up."""

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Linear(WIDTH, 24), nn.LayerNorm(24), nn.Tanh(), nn.Dropout(0.2)
            )
            self.head = nn.Linear(24, 1)

    def modules(self) -> dict[str, nn.Module]:
        return {"body": self.body, "head": self.head}

    def digest(self) -> str:
        """The bits of all weights."""
        held = hashlib.sha256()
        for module in self.modules().values():
            for name, tensor in module.state_dict().items():
                held.update(name.encode() + tensor.numpy().tobytes())
        return held.hexdigest()


class Fitting:
    """Fits one network to the waves, or both."""

    def __init__(
        self, networks: Regressor, stage: Stage, on_loss: Callable[[int], None] | None = None
    ) -> None:
        self.name = stage.task
        self.source = Waves(stage.batch_size)
        self._networks = networks
        self._on_loss = on_loss
        self._calls = 0

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, module in self._networks.modules().items():
            if self.name in (name, "both"):
                for key, parameter in module.named_parameters():
                    yield f"{name}.{key}", parameter

    def loss(self, batch: Points) -> Losses:
        if self._on_loss is not None:
            self._on_loss(self._calls)
        self._calls += 1
        total = self.error(batch)
        return Losses(total, {"tokens": len(batch.y), "off": float(total.detach().sqrt())})

    def validate(self) -> Mapping[str, float]:
        return {"loss": float(self.error(Waves(64, 0.0).draw(99, 0)))}

    def error(self, batch: Points) -> Tensor:
        x, y = torch.from_numpy(batch.x), torch.from_numpy(batch.y)
        guessed = self._networks.head(self._networks.body(x))[:, 0]
        return functional.mse_loss(guessed, y)


def trainer(
    folder: Path,
    recipe: Recipe = RECIPE,
    *,
    networks: Regressor | None = None,
    build: Callable[[Regressor, Stage], Any] = Fitting,
    watcher: Watcher | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Trainer, Regressor]:
    """A trainer of the waves at the folder's newest checkpoint."""
    torch.set_num_threads(1)
    trained = networks or Regressor(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    made = Trainer(
        recipe,
        trained,
        lambda stage: build(trained, stage),
        RunFolder(folder),
        watcher=watcher,
        should_stop=should_stop,
    )
    made.load()
    return made, trained


def finished(folder: Path, recipe: Recipe = RECIPE) -> str:
    """Train to the end; the digest of the weights."""
    made, networks = trainer(folder, recipe)
    assert made.train()
    return networks.digest()


def with_stage(recipe: Recipe, number: int, **changes: object) -> Recipe:
    """The recipe with a stage changed."""
    stages = list(recipe.stages)
    stages[number] = replace(stages[number], **changes)  # type: ignore[arg-type]
    return replace(recipe, stages=tuple(stages))
