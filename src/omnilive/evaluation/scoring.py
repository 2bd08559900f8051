"""Answers held against a known truth: the words, whether it claims to know, and where it points."""

from __future__ import annotations

from dataclasses import dataclass

from omnilive.events import NS_PER_S, AnswerEnded, Moment
from omnilive.media.synthetic.records import WorldQuestion


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

    question: WorldQuestion
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


def score(question: WorldQuestion, ended: AnswerEnded, took_ms: int) -> Scored:
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


def _touches(question: WorldQuestion, moment: Moment) -> bool:
    return question.touches(moment.start_ns / NS_PER_S, moment.end_ns / NS_PER_S)
