"""Answers held against a known truth: the words, whether it claims to know, and where it points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from omnilive.events import NS_PER_S, AnswerEnded, Moment
from omnilive.media.synthetic.records import TruthSpan


class Asked(Protocol):
    """A question with its truth (`media.synthetic.WorldQuestion`)."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def kind(self) -> str:
        """What is asked for."""
        ...

    @property
    def text(self) -> str:
        """As a person asks it."""
        ...

    @property
    def must_contain(self) -> tuple[tuple[str, ...], ...]:
        """What a right answer holds: all of these, of each any."""
        ...

    @property
    def truth(self) -> tuple[TruthSpan, ...]:
        """One of these must be cited; empty if none need be."""
        ...

    @property
    def known(self) -> bool:
        """False where the right answer is that it cannot be known."""
        ...

    def accepts(self, answer: str) -> bool:
        """Return whether the words of `answer` hold what is asked for."""
        ...

    def touches(self, start_s: float, end_s: float) -> bool:
        """Return whether a cited span touches the truth."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One question, its answer, and the verdict.

    Attributes:
        question: with its truth.
        answer: as it was given.
        words: whether the answer holds what it must hold.
        honest: whether it claims to know exactly if it can.
        cited: whether a citation touches the truth (True where none is needed).
        took_ms: from question to the end of the answer.
    """

    question: Asked
    answer: AnswerEnded
    words: bool
    honest: bool
    cited: bool
    took_ms: int

    @property
    def right(self) -> bool:
        """The answer is right, honest, and rests on the right moments."""
        return self.words and self.honest and self.cited

    @property
    def truth(self) -> str:
        """The expected answer, in words."""
        if not self.question.known:
            return "cannot be known from what was seen and heard"
        words = "; ".join(" or ".join(some) for some in self.question.must_contain)
        spans = ", ".join(
            f"{span.start_s:.0f}-{span.end_s:.0f} s" for span in self.question.truth[:6]
        )
        return f"{words or 'known'}{f' (at {spans})' if spans else ''}"


def score(question: Asked, ended: AnswerEnded, took_ms: int) -> Scored:
    """Hold one answer against the truth; citations are compared by overlap in stream time."""
    return Scored(
        question=question,
        answer=ended,
        words=question.accepts(ended.text) if question.known else True,
        honest=ended.known == question.known,
        cited=not (question.known and question.truth)
        or any(_touches(question, moment) for moment in ended.citations),
        took_ms=took_ms,
    )


def _touches(question: Asked, moment: Moment) -> bool:
    return question.touches(moment.start_ns / NS_PER_S, moment.end_ns / NS_PER_S)
