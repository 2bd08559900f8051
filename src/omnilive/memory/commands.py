"""What other processes ask the writer to do: pin, forget, keep a turn.

Any process may put a row into the command table; only the writer carries it out, between two
clips. What a done command said is wiped, its outcome stays for a while.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from omnilive.events import Forget, Pin
from omnilive.memory.conversation import NewTurn
from omnilive.memory.database import Database

Command = Pin | Forget | NewTurn

_KEPT_OUTCOMES = 100


class PendingCommand(NamedTuple):
    """A command that waits for the writer."""

    number: int
    command: Command


def send(directory: Path, command: Command) -> int:
    """Ask the writer of a store to carry out a command; returns its number.

    Raises:
        StoreError: the store cannot be written at all.
    """
    kind, argument = _encode(command)
    database = Database(directory, write=True)
    try:
        with database.transaction():
            return database.insert(
                "INSERT INTO command(kind, argument) VALUES(?, ?)", (kind, argument)
            )
    finally:
        database.close()


def outcome(database: Database, number: int) -> str | None:
    """Return None while a command waits, "" when it is done, or why it failed."""
    row = database.row("SELECT error FROM command WHERE id = ?", (number,))
    return "" if row is None else row[0]


def pending(database: Database) -> list[PendingCommand]:
    """Return the commands that wait, oldest first; one that cannot be read is marked so."""
    waiting = []
    for number, kind, argument in database.rows(
        "SELECT id, kind, argument FROM command WHERE error IS NULL ORDER BY id"
    ):
        try:
            waiting.append(PendingCommand(number, _decode(kind, argument)))
        except (ValueError, KeyError, TypeError):
            finish(database, number, "The command was not understood by the writer.")
    return waiting


def finish(database: Database, number: int, error: str) -> None:
    """Note how a command went and wipe what it said."""
    with database.transaction():
        database.run("UPDATE command SET error = ?, argument = '' WHERE id = ?", (error, number))
        database.run("DELETE FROM command WHERE id <= ?", (number - _KEPT_OUTCOMES,))


def _encode(command: Command) -> tuple[str, str]:
    return type(command).__name__, json.dumps(asdict(command))


def _decode(kind: str, argument: str) -> Command:
    fields = json.loads(argument)
    if kind == "Pin":
        return Pin(moment=str(fields["moment"]), keep=bool(fields["keep"]))
    if kind == "Forget":
        return Forget(moment=str(fields["moment"]))
    if kind == "NewTurn":
        fields["citations"] = tuple(map(str, fields["citations"]))
        return NewTurn(**fields)
    raise ValueError(kind)
