"""The dialogue so far: finished turns, bounded, in words only.

Pictures and memory of a turn are never kept here; they belong to that turn alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from omnilive.events import Moment, Retrieval
from omnilive.reasoning.inquiry import Asked, Inquiry, sense_words, understand


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

    def rephrased(self, retrieval: Retrieval) -> str:
        """Return the question of `retrieval` in words that memory can search for, or "".

        "And after that?" holds no such word; the clock time of the last answer's moment does.
        Nor do "summarize the talk" and "the first thing said": they ask for everything there is.
        """
        question = retrieval.question
        inquiry = understand(question.text, retrieval.time_words)
        cited = self._turns[-1].citations if self._turns else ()
        if cited and inquiry.follow_up == "after":
            return f"what happened after {_clock(max(cited, key=lambda moment: moment.end_ns))}?"
        if cited and inquiry.follow_up == "before":
            return f"what happened before {_clock(min(cited, key=lambda moment: moment.start_ns))}?"
        found = retrieval.hits or retrieval.within or retrieval.relation or retrieval.time_words
        if found or question.needs == "present" or inquiry.follow_up or not retrieval.watched:
            return ""
        return _OVERVIEWS.get(inquiry.asked, "") if _asks_for_all(inquiry) else ""


_OVERVIEWS: dict[Asked, str] = {
    "said": "what was said?",
    "shown": "what was on the screen?",
    "digest": "what happened?",
    "open": "what happened?",
}


def _asks_for_all(inquiry: Inquiry) -> bool:
    sense = sense_words(inquiry.senses)
    named = [term for term in inquiry.terms if term not in sense]
    return not named and (inquiry.asked != "open" or bool(inquiry.pick))


def _clock(moment: Moment) -> str:
    return moment.at[11:19]
