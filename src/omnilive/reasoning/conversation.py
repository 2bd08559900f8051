"""The dialogue so far: finished turns, bounded, in words only.

Pictures and memory of a turn are never kept here; they belong to that turn alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from omnilive.events import Moment
from omnilive.reasoning.inquiry import understand


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One finished turn: what was asked, what was answered and on which moments."""

    question: str
    answer: str
    citations: tuple[Moment, ...] = ()


class Conversation:
    """The last finished turns, oldest first."""

    def __init__(self, max_turns: int) -> None:
        self._turns: deque[Turn] = deque(maxlen=max_turns)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished turns, oldest first."""
        return tuple(self._turns)

    def add(self, turn: Turn) -> None:
        """Keep a finished turn; the oldest one goes when there are too many."""
        self._turns.append(turn)

    def rephrased(self, question: str) -> str:
        """Return `question` with what it leans on spelled out, or "" if it stands alone.

        "And after that?" holds no word that memory could search for; the clock time of the
        last answer's moment does.
        """
        cited = self._turns[-1].citations if self._turns else ()
        if not cited:
            return ""
        follow_up = understand(question).follow_up
        if follow_up == "after":
            return f"what happened after {_clock(max(cited, key=lambda moment: moment.end_ns))}?"
        if follow_up == "before":
            return f"what happened before {_clock(min(cited, key=lambda moment: moment.start_ns))}?"
        return ""


def _clock(moment: Moment) -> str:
    return moment.at[11:19]
