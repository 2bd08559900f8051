"""Presets with networks, and the checkpoint that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from omnilive.errors import CheckpointError

NETWORK_PRESETS = ("ixc", "tiny")
"""Presets in which the paper's networks answer."""


def tiny_folder() -> Path:
    """Return the folder of the preset tiny: reasoning/, memory/ and audio/ in our own format.

    Raises:
        CheckpointError: this installation does not have it.
    """
    folder = Path(str(files("omnilive"))) / "checkpoints" / "tiny"
    if not folder.is_dir():
        raise CheckpointError(
            "The preset tiny's checkpoint is missing from this installation: install omnilive "
            "anew, or name a folder that `omnilive train` made with --weights DIR."
        )
    return folder
