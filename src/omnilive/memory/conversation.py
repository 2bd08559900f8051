"""The finished turns of a conversation, kept in the store and forgotten with what they cite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from omnilive.memory.database import Database

MAX_TURN_CHARACTERS = 20_000


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
    """A finished turn; a redacted one has lost its words."""

    turn_id: str
    question: str
    answer: str
    outcome: str
    known: bool
    redacted: bool
    wall_ns: int
    citations: tuple[str, ...]


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


def turns(database: Database, limit: int) -> list[Turn]:
    """Return the newest turns, oldest first."""
    found = []
    for row in database.rows(
        "SELECT id, turn_id, question, answer, outcome, known, redacted, wall_ns FROM turn "
        "ORDER BY id DESC LIMIT ?",
        (limit,),
    ):
        number, turn_id, question, answer, outcome, known, redacted, wall_ns = row
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
            )
        )
    return found[::-1]
