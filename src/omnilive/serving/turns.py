"""The turns that are open, their cancel flags, and what of a turn may still be seen."""

from __future__ import annotations

import threading
from collections.abc import Callable

from omnilive.cancel import Cancel
from omnilive.errors import UsageError
from omnilive.events import (
    AnswerEnded,
    Event,
    Heard,
    Interruption,
    OwnSpeech,
    Question,
    Retrieval,
)


class Turns:
    """Thread-safe; what is published under its lock keeps its order against interruptions."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.RLock()
        self._open: dict[str, Cancel] = {}
        self._cut: set[str] = set()

    def __contains__(self, turn: object) -> bool:
        with self._lock:
            return turn in self._open

    def open(self, turn: str) -> None:
        """Open a turn before its question is known: from here on it counts, and can be cut.

        Raises:
            UsageError: too many are open.
        """
        with self._lock:
            if len(self._open) >= self._most:
                raise UsageError(
                    f"{len(self._open)} questions are open already; wait for an answer."
                )
            self._open[turn] = Cancel()

    def drop(self, turn: str) -> None:
        """Close a turn that became no question."""
        with self._lock:
            self._open.pop(turn, None)

    def all(self) -> list[str]:
        """Return the open turns, oldest first."""
        with self._lock:
            return list(self._open)

    def cancel(self, turn: str | None, otherwise: Cancel) -> Cancel:
        """Return the flag of a turn; `otherwise` where none is open."""
        with self._lock:
            return self._open.get(turn, otherwise) if turn else otherwise

    def cut(self, turn: str, publish: Callable[[Event], None]) -> Cancel | None:
        """Mark a turn as cut and publish that; None if it is not open. The flag is to be set."""
        with self._lock:
            cancel = self._open.get(turn)
            if cancel is not None:
                self._cut.add(turn)
                publish(Interruption(turn_id=turn))
            return cancel

    def pass_on(self, turn: str, event: Event, publish: Callable[[Event], None]) -> bool:
        """Publish an event of a turn; False if the turn was cut and nobody wants it any more.

        Published under the lock: nothing of a turn is seen after its Interruption.
        """
        with self._lock:
            if isinstance(event, Question) and turn not in self._open:
                self._open[turn] = Cancel()
            unwanted = turn in self._cut and not isinstance(event, AnswerEnded)
            if isinstance(event, AnswerEnded):
                self._open.pop(turn, None)
                self._cut.discard(turn)
            if not unwanted:
                publish(event)
            return not unwanted


def question_of(letter: object) -> Question | None:
    """Return the question that a waiting letter stands for, if it stands for one."""
    question = letter.question if isinstance(letter, Retrieval) else letter
    return question if isinstance(question, Question) else None


def unanswered(question: Question, error: str) -> AnswerEnded:
    """Return the end of a turn that nobody will work on any more."""
    return AnswerEnded(
        turn_id=question.turn_id,
        question=question.text,
        text="",
        outcome="failed" if error else "interrupted",
        known=False,
        error=error,
    )


def turn_of(letter: object) -> str | None:
    """Return the turn that a letter is work for; what tells of sound that went out is not."""
    return None if isinstance(letter, OwnSpeech | Heard) else getattr(letter, "turn_id", None)
