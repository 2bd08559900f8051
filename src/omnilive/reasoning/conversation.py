"""The dialogue so far: finished turns, bounded, in words only.

Pictures and memory of a turn are never kept here; they belong to that turn alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from omnilive.events import Heard, Moment, Retrieval
from omnilive.reasoning.inquiry import Asked, Inquiry, sense_words, understand


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One finished turn: what was asked, what was answered and on which moments.

    Of an answer that was spoken aloud and cut, `answer` is what was heard of it.
    """

    question: str
    answer: str
    citations: tuple[Moment, ...] = ()
    turn_id: str = ""

    def as_heard(self, heard: Heard) -> Turn:
        """Return the turn as its listener knows it."""
        if heard.complete:
            return self
        # Of an answer nobody heard nothing can be leant on ("and after that?").
        citations = self.citations if heard.text else ()
        return replace(self, answer=heard.text, citations=citations)


class Conversation:
    """The last finished turns, oldest first."""

    def __init__(self, max_turns: int) -> None:
        self._turns: deque[Turn] = deque(maxlen=max_turns)
        # The sound of a cut answer may be over before the answer is.
        self._heard: deque[Heard] = deque(maxlen=max(max_turns, 1))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished turns, oldest first."""
        return tuple(self._turns)

    def add(self, turn: Turn) -> None:
        """Keep a finished turn; the oldest one goes when there are too many."""
        for heard in [each for each in self._heard if each.turn_id == turn.turn_id]:
            turn = turn.as_heard(heard)
            self._heard.remove(heard)
        self._turns.append(turn)

    def note_heard(self, heard: Heard) -> None:
        """Keep of a spoken answer what was heard of it."""
        for place, turn in enumerate(self._turns):
            if turn.turn_id == heard.turn_id:
                self._turns[place] = turn.as_heard(heard)
                return
        self._heard.append(heard)

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
