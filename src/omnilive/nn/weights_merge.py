"""Merging the release's adapter into its base, once, into a folder that is whole or not there.

The disk is asked before anything is read, the adapter is compared with the base before anything is
written, and the result is written beside its place and moved there as the last step: a merge that
was cut leaves nothing that looks like weights.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch

from omnilive.errors import CheckpointError
from omnilive.nn.adapter import merge_folders
from omnilive.nn.weights_check import SUMS, check_module, checksums
from omnilive.nn.weights_folder import TOKENIZER_FILES, ModuleFolder

Progress: TypeAlias = Callable[[str], None]
_SPARE = 64 << 20  # headers, configuration, tokenizer


def merge(
    base: Path,
    adapter: Path,
    into: Path,
    *,
    dtype: torch.dtype | None = None,
    progress: Progress | None = None,
) -> None:
    """Write base and adapter, merged, into the new folder `into`, in our own format.

    Args:
        base: configuration, weights and tokenizer of the language model.
        adapter: LoRA in PEFT's layout.
        into: a folder that does not exist, or is empty.
        dtype: of the result; that of the base if None.
        progress: told what is being done.

    Raises:
        CheckpointError: something is missing, damaged or does not fit, the folder is taken, or the
            disk too full; nothing is left behind then.
    """
    tell = progress or (lambda _: None)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise CheckpointError(f"{into} is there already; name a folder that is new or empty.")
    tell("Checking base and adapter")
    report = check_module(ModuleFolder("reasoning", base, adapter, base))
    if report.problems:
        raise CheckpointError(report.problems[0])
    wanted = report.on_disk
    if dtype is not None:
        wanted = report.num_parameters * dtype.itemsize
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(into.parent).free
        if free < wanted + _SPARE:
            raise CheckpointError(
                f"The merged weights take {wanted / 1e9:.1f} GB, and only {free / 1e9:.1f} GB are "
                f"free at {into.parent}; make room or choose another folder."
            )
        unfinished = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        unfinished.chmod(0o755)  # weights are no secret, and a service may run as another user
    except OSError as error:
        raise _unwritable(into, error) from error
    try:
        tell("Merging")
        merge_folders(base, adapter, unfinished, dtype=dtype)
        for name in TOKENIZER_FILES:
            if (base / name).is_file():
                shutil.copyfile(base / name, unfinished / name)
        tell("Checking the result")
        merged = check_module(ModuleFolder("reasoning", unfinished, None, unfinished))
        if merged.problems:
            raise CheckpointError(merged.problems[0])
        lines = [f"{each.found}  {each.file.name}" for each in checksums(unfinished, [merged])]
        (unfinished / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        _synced(unfinished)
        if into.is_dir():
            into.rmdir()
        os.replace(unfinished, into)
    except OSError as error:
        raise _unwritable(into, error) from error
    finally:
        if unfinished.exists():
            shutil.rmtree(unfinished, ignore_errors=True)


def _synced(folder: Path) -> None:
    """Bring every file to the disk before the folder gets its name."""
    for file in folder.iterdir():
        handle = os.open(file, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(into: Path, error: OSError) -> CheckpointError:
    why = error.strerror or type(error).__name__
    return CheckpointError(f"{into} could not be written ({why}); choose another folder.")
