"""Where a run is, as its folder says it.

run.json     recipe, version, stages with steps, tokens and cost; names the weights' file
*.safetensors   weights of all networks and the optimiser's state, named by their checksum
after/       run.json as it was at the end of each stage, so that one can go back there
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnilive._version import __version__
from omnilive.errors import CheckpointError, ConfigError
from omnilive.training.recipe import Recipe, Stage, recipe_of, stage_tables, tables_of

FORMAT = 1
PROGRAM = "omnilive train"


@dataclass(frozen=True, slots=True)
class StageState:
    """How far a stage is.

    Attributes:
        stage: its settings when it was begun.
        step: steps taken.
        finished: validated at its end, and what the task does last is done.
        validated: step of the newest validation; -1 before the first.
        tokens: that were learned from, as the task counts them.
        wall_s: seconds that it took.
        cpu_s: CPU seconds that it took, workers included.
        sums: of training figures since the newest point of the curve: sum and count.
    """

    stage: Stage
    step: int = 0
    finished: bool = False
    validated: int = -1
    tokens: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    sums: Mapping[str, tuple[float, int]] = field(default_factory=dict)

    @property
    def core_hours(self) -> float:
        """CPU time in hours of one core."""
        return self.cpu_s / 3600


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is.

    Attributes:
        recipe: what it follows.
        stages: begun ones, in the order of their beginning; only the last may be unfinished.
        threads: that torch computed with; other numbers give other last bits.
        device: that it was trained on.
        version: of this program.
    """

    recipe: Recipe
    stages: tuple[StageState, ...] = ()
    threads: int = 1
    device: str = "cpu"
    version: str = __version__

    @property
    def current(self) -> StageState | None:
        """The stage that was begun and not finished."""
        return self.stages[-1] if self.stages and not self.stages[-1].finished else None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if not self.stages:
            return "before its first step"
        last = self.stages[-1]
        return f"stage {last.stage.name}, step {last.step} of {last.stage.steps}"

    def of(self, name: str) -> StageState | None:
        """Return how far a stage is; None if it was not begun."""
        return next((each for each in self.stages if each.stage.name == name), None)

    def with_stage(self, changed: StageState) -> RunState:
        """Return this with a stage's new state in the place of its old one, or at the end."""
        if self.of(changed.stage.name) is None:
            return dataclasses.replace(self, stages=(*self.stages, changed))
        stages = tuple(
            changed if each.stage.name == changed.stage.name else each for each in self.stages
        )
        return dataclasses.replace(self, stages=stages)


def check_recipe(state: RunState, recipe: Recipe, *, in_order: bool) -> None:
    """Refuse a recipe that would have led elsewhere than where the run is.

    Stages that were not begun may differ from those of the run's own recipe: the result is then
    that of the new recipe from its beginning.

    Args:
        state: of the run.
        recipe: that shall go on with it.
        in_order: the run must have followed the recipe's order.

    Raises:
        ConfigError: naming the first difference.
    """
    advice = "go on with the run's own recipe (leave --recipe out), or name another --run"
    if recipe.seed != state.recipe.seed:
        raise ConfigError(
            f"The run was begun with seed {state.recipe.seed}, not {recipe.seed}; {advice}."
        )
    begun = [each.stage for each in state.stages]
    for stage in begun:
        named = recipe.stage(stage.name)
        if named is None:
            if in_order:
                raise ConfigError(
                    f"The run has trained {stage.name}, which this recipe does not name; {advice}."
                )
            continue
        difference = stage.differs(named)
        if difference:
            raise ConfigError(
                f"The run has trained {stage.name} with other settings: {difference}; {advice}, "
                f"or go back before it with --back-to."
            )
    wanted = [each.name for each in recipe.stages[: len(begun)]]
    if in_order and [each.name for each in begun] != wanted:
        raise ConfigError(
            f"The run has trained {', '.join(each.name for each in begun)} in this order, and the "
            f"recipe begins with {', '.join(wanted)}; name what is wanted with --stage."
        )


def to_json(state: RunState) -> dict[str, Any]:
    """Return a state as plain values."""
    return {
        "program": PROGRAM,
        "format": FORMAT,
        "version": state.version,
        "threads": state.threads,
        "device": state.device,
        "recipe": tables_of(state.recipe),
        "stages": [
            {
                "stage": stage_tables(each.stage),
                "step": each.step,
                "finished": each.finished,
                "validated": each.validated,
                "tokens": each.tokens,
                "wall_s": each.wall_s,
                "cpu_s": each.cpu_s,
                "sums": {name: list(pair) for name, pair in each.sums.items()},
            }
            for each in state.stages
        ],
    }


def from_json(values: object, where: str) -> RunState:
    """Return the state that `to_json` wrote.

    Args:
        values: as read.
        where: the file, for errors.

    Raises:
        CheckpointError: it is of another program, of a newer version, or damaged.
    """
    if not isinstance(values, dict) or values.get("program") != PROGRAM:
        raise CheckpointError(f"{where} is not of a training run; name another folder with --run.")
    if values.get("format") != FORMAT:
        raise CheckpointError(
            f"{where} has the format {values.get('format')!r}, this version reads {FORMAT}; "
            f"go on with the version that wrote it ({values.get('version')})."
        )
    try:
        return RunState(
            recipe_of(values["recipe"]),
            tuple(_stage_state(each) for each in values["stages"]),
            int(values["threads"]),
            str(values["device"]),
            str(values["version"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise CheckpointError(
            f"{where} is damaged; go back to a finished stage with --back-to, or begin a new run."
        ) from error


def _stage_state(values: Mapping[str, Any]) -> StageState:
    stage = recipe_of({"stages": [values["stage"]]}).stages[0]
    state = StageState(
        stage,
        int(values["step"]),
        bool(values["finished"]),
        int(values["validated"]),
        int(values["tokens"]),
        float(values["wall_s"]),
        float(values["cpu_s"]),
        {name: (float(total), int(count)) for name, (total, count) in values["sums"].items()},
    )
    if not (0 <= state.step <= stage.steps and math.isfinite(state.cpu_s)):
        raise ValueError("a step outside its stage")
    return state
