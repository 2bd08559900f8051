"""Carrying out a command from any process."""

from __future__ import annotations

from pathlib import Path

from omnilive.errors import StoreBusy
from omnilive.memory.commands import Command, send
from omnilive.memory.store import Store


def perform(directory: Path | str, command: Command, *, doing: str = "") -> int | None:
    """Carry out a command from any process: at once if nobody writes, else through the writer.

    Returns:
        None when it is done; the number under which the writer will tell its `outcome` otherwise.
    """
    directory = Path(directory).expanduser()
    try:
        with Store.open(directory, write=True, create=False, doing=doing) as store:
            store.carry_out(command)
    except StoreBusy:
        return send(directory, command)
    return None
