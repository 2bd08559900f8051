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
from omnilive.memory.forget_request import ForgetRequest, Forgotten, StreamSpan

Command = Pin | Forget | ForgetRequest | NewTurn

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
    database = Database(directory, write=True)
    try:
        return note(database, command)
    finally:
        database.close()


def note(database: Database, command: Command) -> int:
    """Write a command down to be carried out; returns its number."""
    kind, argument = _encode(command)
    with database.transaction():
        return database.insert("INSERT INTO command(kind, argument) VALUES(?, ?)", (kind, argument))


def outcome(database: Database, number: int) -> str | None:
    """Return None while a command waits, "" when it is done, or why it failed."""
    row = database.row("SELECT error FROM command WHERE id = ?", (number,))
    return "" if row is None else row[0]


def report(database: Database, number: int) -> Forgotten:
    """Return what a finished command has removed; nothing for other commands."""
    argument = database.value("SELECT argument FROM command WHERE id = ?", (number,))
    return Forgotten(**json.loads(argument)) if argument else Forgotten()


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


def finish(database: Database, number: int, error: str, forgotten: Forgotten | None = None) -> None:
    """Note how a command went and wipe what it said; of what it removed, the numbers stay."""
    numbers = "" if forgotten is None else json.dumps(forgotten._replace(ids=())._asdict())
    with database.transaction():
        database.run(
            "UPDATE command SET error = ?, argument = ? WHERE id = ?", (error, numbers, number)
        )
        database.run("DELETE FROM command WHERE id <= ?", (number - _KEPT_OUTCOMES,))


def _encode(command: Command) -> tuple[str, str]:
    return type(command).__name__, json.dumps(asdict(command))


def _decode(kind: str, argument: str) -> Command:
    fields = json.loads(argument)
    if kind == "Pin":
        return Pin(moment=str(fields["moment"]), keep=bool(fields["keep"]))
    if kind == "Forget":
        return Forget(moment=str(fields["moment"]))
    if kind == "ForgetRequest":
        return ForgetRequest(
            moments=tuple(map(str, fields["moments"])),
            spans=tuple(StreamSpan(*map(int, span)) for span in fields["spans"]),
            streams=tuple(map(int, fields["streams"])),
            pinned=bool(fields["pinned"]),
        )
    if kind == "NewTurn":
        fields["citations"] = tuple(map(str, fields["citations"]))
        return NewTurn(**fields)
    raise ValueError(kind)
