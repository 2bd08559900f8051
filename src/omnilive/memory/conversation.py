"""The finished turns of a conversation, kept in the store and forgotten with what they cite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from omnilive.events import Heard
from omnilive.memory.database import Database

MAX_TURN_CHARACTERS = 20_000
# What a turn takes, with what was heard of it in place of {}.
TURN_BYTES = (
    "length(CAST(question AS BLOB)) + length(CAST(answer AS BLOB)) + length(CAST({} AS BLOB))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """A finished turn, about to be kept. `citations` are public ids of moments."""

    turn_id: str
    question: str
    answer: str
    outcome: str
    known: bool
    citations: tuple[str, ...] = ()
    wall_ns: int = 0
    redacted: bool = False

    def without_words(self) -> NewTurn:
        """Return that there was a turn, and nothing of what was said in it."""
        return replace(self, question="", answer="", citations=(), redacted=True)


class Turn(NamedTuple):
    """A finished turn; a redacted one has lost its words.

    `heard` is how much of the answer was heard aloud, for `heard_ms`; None if it was not spoken.
    """

    turn_id: str
    question: str
    answer: str
    outcome: str
    known: bool
    redacted: bool
    wall_ns: int
    citations: tuple[str, ...]
    heard: str = ""
    heard_ms: int | None = None
    heard_complete: bool = False


def add_turn(database: Database, turn: NewTurn) -> None:
    """Keep a finished turn."""
    question = turn.question[:MAX_TURN_CHARACTERS]
    answer = turn.answer[:MAX_TURN_CHARACTERS]
    with database.transaction():
        number = database.insert(
            "INSERT INTO turn(turn_id, question, answer, outcome, known, wall_ns, redacted, bytes) "
            "VALUES(?,?,?,?,?,?,?,?)",
            (turn.turn_id, question, answer, turn.outcome, turn.known, turn.wall_ns)
            + (turn.redacted,)
            + (len(question.encode()) + len(answer.encode()),),
        )
        database.run_many(
            "INSERT INTO citation VALUES(?, ?, ?)",
            ((number, place, moment) for place, moment in enumerate(turn.citations)),
        )


def note_heard(database: Database, heard: Heard) -> bool:
    """Keep with the newest turn of this id how much of it was heard; False if there is none."""
    row = database.row(
        "SELECT id, redacted FROM turn WHERE turn_id = ? ORDER BY id DESC LIMIT 1",
        (heard.turn_id,),
    )
    if row is None:
        return False
    turn, redacted = row
    text = "" if redacted else heard.text[:MAX_TURN_CHARACTERS]
    with database.transaction():
        database.run(
            "UPDATE turn SET heard = ?, heard_ms = ?, heard_complete = ?, bytes = "
            f"{TURN_BYTES.format('?')} WHERE id = ?",
            (text, heard.played_ms, heard.complete, text, turn),
        )
    return True


def turns(database: Database, limit: int) -> list[Turn]:
    """Return the newest turns, oldest first."""
    found = []
    for row in database.rows(
        "SELECT id, turn_id, question, answer, outcome, known, redacted, wall_ns, heard, heard_ms, "
        "heard_complete FROM turn ORDER BY id DESC LIMIT ?",
        (limit,),
    ):
        number, turn_id, question, answer, outcome, known, redacted, wall_ns, *aloud = row
        heard, heard_ms, heard_complete = aloud
        citations = tuple(
            citation
            for (citation,) in database.rows(
                "SELECT moment FROM citation WHERE turn = ? ORDER BY position", (number,)
            )
        )
        found.append(
            Turn(
                turn_id=turn_id,
                question=question,
                answer=answer,
                outcome=outcome,
                known=bool(known),
                redacted=bool(redacted),
                wall_ns=wall_ns,
                citations=citations,
                heard=heard,
                heard_ms=heard_ms,
                heard_complete=bool(heard_complete),
            )
        )
    return found[::-1]
