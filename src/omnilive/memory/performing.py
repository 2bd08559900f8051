"""Carrying out a command from any process."""

from __future__ import annotations

from pathlib import Path

from omnilive.errors import StoreBusy
from omnilive.memory.commands import Command, send
from omnilive.memory.forget_request import Forgotten
from omnilive.memory.store import Store


def perform(directory: Path | str, command: Command, *, doing: str = "") -> int | Forgotten | None:
    """Carry out a command from any process: at once if nobody writes, else through the writer.

    Returns:
        When it is done, what was forgotten (None where nothing was to be); otherwise the number
        under which the writer will tell its `outcome`.
    """
    directory = Path(directory).expanduser()
    try:
        with Store.open(directory, write=True, create=False, doing=doing) as store:
            return store.carry_out(command)
    except StoreBusy:
        return send(directory, command)
