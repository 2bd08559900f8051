"""`omnilive train`: the networks from nothing, by a recipe; stopped and killed runs go on."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from omnilive.cli import options
from omnilive.errors import TrainingError, UsageError
from omnilive.nn.places import need_packages
from omnilive.nn.shipped import tiny_folder

if TYPE_CHECKING:
    from omnilive.cli.train_view import TrainView
    from omnilive.training.opened_run import OpenedRun

EXAMPLES = """
Examples:

omnilive train --smoke

omnilive train --run my-run --export my-weights

omnilive train --recipe mine.toml --run my-run --workers 2 --json

omnilive train --recipe tiny_more --start-from tiny --run longer --export my-weights

omnilive train --run my-run --back-to integration --stage retrieval
"""
_STOPPED = 130


def train(
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="A TOML file, tiny (the default) or smoke."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Folder of the run; what was begun there goes on."),
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Every task for a few steps; keeps nothing without --run."),
    ] = False,
    stage: Annotated[
        list[str] | None,
        typer.Option("--stage", help="Train only this stage; may be repeated."),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--new", help="The run must have been begun; or must not have."),
    ] = None,
    back_to: Annotated[
        str | None,
        typer.Option("--back-to", help="First go back to the end of this stage."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--start-from", help="A new run begins with these weights (a folder, or tiny)."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, max=256, help="Processes that make batches."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Of the networks; the default leaves the workers'."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Another result.")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where the networks learn.")
    ] = "auto",
    cache_gb: Annotated[
        float | None, typer.Option("--cache-gb", min=0, help="Most disk for made data, 10^9 bytes.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Folder for the weights, as --weights takes them."),
    ] = None,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Only --export what the run has so far.")
    ] = False,
    check_gradients: Annotated[
        bool,
        typer.Option("--check-gradients", help="Compare gradients with finite differences only."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Train the networks; a run that is killed at any instant goes on to the same result.

    Ctrl-C finishes the step and saves; the same command goes on (exit code 130 until then).
    """
    if smoke and recipe is not None:
        raise UsageError("--smoke is a recipe of its own: leave --recipe out.")
    if no_train and (export is None or run is None):
        raise UsageError("--no-train exports what a run has: give --run and --export too.")
    need_packages("Training")
    from omnilive.cli.train_view import view
    from omnilive.training.opened_run import Choices, opened
    from omnilive.training.stopping import StopRequest

    chosen = "smoke" if smoke else recipe
    choices = Choices(
        recipe=chosen,
        stages=stage or (),
        resume=True if no_train or back_to is not None else resume,
        back_to=back_to,
        workers=workers,
        cache_gb=cache_gb,
        seed=seed,
        threads=threads,
        device=device,
        start_from=None if start_from is None else _weights(start_from),
    )
    with ExitStack() as held:
        kept = run is not None or not (smoke or check_gradients)
        if not kept:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="omnilive-")))
        else:
            folder = (run or Path(f"omnilive-train-{Path(chosen or 'tiny').stem}")).expanduser()
        stop = held.enter_context(StopRequest())
        shown = held.enter_context(view(as_json=as_json))
        work = held.enter_context(opened(folder, choices, shown, stop))
        if check_gradients:
            _check(work, stage or [], shown)
            return
        if not no_train and not work.trainer.train(stage or ()):
            words = ["omnilive", "train"]
            words += ["--run", str(folder)] if kept else ["--smoke"]
            words += [word for name in stage or () for word in ("--stage", name)]
            shown.stopped(work.trainer.state, shlex.join(words))
            raise typer.Exit(_STOPPED)
        if export is not None:
            work.networks.save(export.expanduser())
        shown.summary(work.trainer.state, folder, export)


def _weights(named: Path) -> Path:
    """Return the folder that is meant: `tiny` is the checkpoint that comes with the package."""
    if named.expanduser().is_dir():
        return named.expanduser()
    if str(named) == "tiny":
        return tiny_folder()
    raise UsageError(f"--start-from: there is no folder {named}; name one that --export wrote.")


def _check(work: OpenedRun, stages: list[str], shown: TrainView) -> None:
    """Check gradients; exit code 5 if one is wrong."""
    wrong = []
    for stage, slopes in work.check_gradients(stages):
        shown.checked(stage.name, slopes)
        if not all(each.is_right for each in slopes):
            wrong.append(stage.name)
    if wrong:
        raise TrainingError(
            f"Gradients are not those of the loss: {', '.join(wrong)}; look at the tasks' code."
        )
