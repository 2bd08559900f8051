"""`omnilive models`: judge the weights of the paper's networks, and merge the adapter once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from omnilive.cli import options
from omnilive.errors import CheckpointError, UsageError
from omnilive.nn.places import free_bytes, need_packages
from omnilive.nn.shipped import tiny_folder
from omnilive.serving import wire

if TYPE_CHECKING:
    from omnilive.nn.weights_check import FileSum, ModuleReport

app = typer.Typer(
    no_args_is_help=True, help="Judge the weights of the networks; merge the adapter."
)

_PRECISIONS = ("float32", "bfloat16", "float16")
_Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="Of the result: float32, bfloat16, float16 (default: as base)."),
]


@app.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Holds base/ adapter/ audio/ memory/, or one network alone; not with a preset.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="tiny: the checkpoint that comes with the package."),
    ] = None,
    sums: Annotated[
        bool,
        typer.Option("--checksums", help="Also read every byte and compare SHA-256 sums."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Say what is there, what is missing or wrong, and what memory it takes; loads nothing.

    Exit code 5 if a network is missing or cannot be loaded.

    Example: omnilive models check ~/ixc --checksums
    """
    if preset not in (None, "tiny") or (folder is None) == (preset is None):
        raise UsageError("Name the folder of the networks, or --preset tiny.")
    need_packages("The command")
    from omnilive.nn import weights_check

    root = tiny_folder() if folder is None else folder.expanduser()
    reports = weights_check.check_folder(root)
    if (root / "config.json").is_file():
        # One network alone: that the others are elsewhere is no fault.
        reports = tuple(each for each in reports if each.path is not None) or reports
    found: list[FileSum] = []
    if sums:
        with _bar(hidden=as_json) as tell:
            found = list(weights_check.checksums(root, reports, tell))
    places = _places()
    if as_json:
        for report in reports:
            _print(_as_json(report))
        for each in found:
            _print(
                {
                    "event": "checksum",
                    "file": str(each.file),
                    "sha256": each.found,
                    "expected": each.wanted,
                    "ok": not each.is_wrong,
                }
            )
    else:
        _show(reports, found, places)
    faults = sum(each.state != "whole" for each in reports) + sum(each.is_wrong for each in found)
    if as_json:
        _print({"event": "models", "folder": str(root), "ok": not faults, "devices": places})
    if faults:
        raise typer.Exit(CheckpointError.exit_code)


@app.command()
def merge(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The folder base/.")],
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="The folder adapter/.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="New folder; call it reasoning/ beside audio/.")
    ],
    dtype: _Dtype = None,
    as_json: options.AsJson = False,
) -> None:
    """Merge the adapter into its base and write our own format; all of it or nothing.

    Example: omnilive models merge ~/ixc/base ~/ixc/adapter --out ~/ixc/reasoning
    """
    if dtype is not None and dtype not in _PRECISIONS:
        raise UsageError(f"--dtype is one of {', '.join(_PRECISIONS)}.")
    need_packages("The command")
    import torch

    from omnilive.nn import weights_merge

    console = Console(stderr=True)
    with console.status("Merging ...") as status:
        weights_merge.merge(
            base.expanduser(),
            adapter.expanduser(),
            out.expanduser(),
            dtype=None if dtype is None else getattr(torch, dtype),
            progress=lambda what: status.update(f"{what} ..."),
        )
    if as_json:
        _print({"event": "merged", "folder": str(out)})
    else:
        typer.echo(f"{out} holds the merged weights.")


def _places() -> list[dict[str, object]]:
    """The devices of this machine and their free memory."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = {f"cuda:{number}": torch.cuda.get_device_name(number) for number in range(count)}
    free = {name: free_bytes(name) for name in ("cpu", *names)}
    return [
        {"device": name, "name": names.get(name, "main memory"), "free_gb": round(room / 1e9, 1)}
        for name, room in free.items()
        if room is not None
    ]


def _as_json(report: ModuleReport) -> wire.Json:
    return {
        "event": "module",
        "module": report.role,
        "state": report.state,
        "folder": "" if report.path is None else str(report.path),
        "adapter": "" if report.adapter is None else str(report.adapter),
        "parameters": report.num_parameters,
        "bytes_on_disk": report.on_disk,
        "stored": list(report.stored),
        "files": [str(each) for each in report.files],
        "bytes_in_memory": dict(report.memory),
        "problems": list(report.problems),
    }


def _show(
    reports: tuple[ModuleReport, ...], found: list[FileSum], places: list[dict[str, object]]
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("network")
    table.add_column("state")
    for name in ("parameters", "on disk", "float32", "16 bits", "8 bits"):
        table.add_column(name, justify="right")
    for each in reports:
        style = "green" if each.state == "whole" else "red"
        table.add_row(
            each.role,
            Text(each.state, style),
            f"{each.num_parameters:,}" if each.num_parameters else "",
            _gb(each.on_disk),
            _gb(each.memory.get("float32")),
            _gb(each.memory.get("bfloat16")),
            _gb(each.memory.get("8 bits")),
        )
    console.print(table)
    for each in reports:
        if each.path is not None:
            adapter = f" + {each.adapter.name}/" if each.adapter is not None else ""
            kinds, count = ", ".join(each.stored), len(each.files)
            files = f"{kinds} in {count} file{'s' if count > 1 else ''}" if count else "no weights"
            console.print(Text(f"{each.role}: {each.path.name}/{adapter}, {files}", "dim"))
    together = {
        name: sum(each.memory.get(name) or each.memory.get("bfloat16", 0) for each in reports)
        for name in ("float32", "bfloat16", "8 bits")
    }
    console.print(
        Text(
            f"Weights in memory, all together: {_gb(together['float32'])} in float32, "
            f"{_gb(together['bfloat16'])} in 16 bits, {_gb(together['8 bits'])} with "
            "ixc.eight_bit = true; the text being read comes on top (0.13 MB a token at the "
            "release's sizes, in 16 bits).",
            "dim",
        )
    )
    for place in places:
        console.print(
            Text(f"{place['device']}: {place['name']}, {place['free_gb']} GB free", "dim")
        )
    for each in reports:
        if each.path is None:
            console.print(Text(f"{each.role}: not there", "red"))
        for problem in each.problems:
            console.print(Text(f"{each.role}: {problem}", "red"))
    for item in found:
        word = "WRONG" if item.is_wrong else "ok" if item.wanted else "not listed anywhere"
        name = f"{item.file.parent.name}/{item.file.name}"
        console.print(Text(f"{item.found}  {name}  {word}", "red" if item.is_wrong else ""))


def _gb(count: int | None) -> str:
    if not count:
        return ""
    return f"{count / 1e9:.2f} GB" if count >= 10_000_000 else f"{count / 1e6:.2f} MB"


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    console = Console(stderr=True)
    if hidden or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Reading")

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, total=total, completed=done, description=f"Reading {what}")

        yield tell


def _print(value: wire.Json) -> None:
    sys.stdout.write(wire.dumps(value) + "\n")
