"""Answers held against a known truth: the words, whether it claims to know, and where it points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnilive.events import NS_PER_S, AnswerEnded, Moment

Alternatives = Sequence[Sequence[str]]  # all of these; of each, any of the alternatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One question, its answer, and the verdict.

    Attributes:
        kind: of the question.
        truth: the expected answer in words.
        words: whether the answer holds what it must hold.
        honest: whether it claims to know exactly if it can.
        citable: whether the truth has moments to point at.
        cited: whether a citation overlaps one of them.
        took_ms: from question to the end of the answer.
    """

    question: str
    kind: str
    answer: str
    truth: str
    words: bool
    honest: bool
    citable: bool
    cited: bool
    citations: tuple[Moment, ...]
    took_ms: int

    @property
    def right(self) -> bool:
        """The answer is right, honest, and rests on the right moments."""
        return self.words and self.honest and (self.cited or not self.citable)


def holds(answer: str, wanted: Alternatives) -> bool:
    """Whether `answer` holds, of every group, at least one of its alternatives."""
    folded = answer.casefold()
    return all(any(word.casefold() in folded for word in group) for group in wanted)


def score(
    ended: AnswerEnded,
    *,
    kind: str,
    wanted: Alternatives,
    known: bool,
    spans_s: Sequence[tuple[float, float]],
    took_ms: int,
) -> Scored:
    """Hold one answer against the truth.

    Args:
        ended: the answer.
        kind: of the question.
        wanted: the words it must hold; empty if any words will do.
        known: whether the truth can be known to somebody who saw and heard everything here.
        spans_s: where in the stream the truth stands, in seconds; empty if nowhere.
        took_ms: how long the answer took.
    """
    if known:
        truth = "; ".join(" or ".join(group) for group in wanted) or "known"
    else:
        truth = "cannot be known from what was seen and heard"
    if spans_s:
        truth += f" (at {', '.join(f'{start:.0f}-{end:.0f} s' for start, end in spans_s[:6])})"
    return Scored(
        question=ended.question,
        kind=kind,
        answer=ended.text,
        truth=truth,
        words=holds(ended.text, wanted) if known else True,
        honest=ended.known == known,
        citable=known and bool(spans_s),
        cited=any(_overlaps(moment, span) for moment in ended.citations for span in spans_s),
        citations=ended.citations,
        took_ms=took_ms,
    )


def _overlaps(moment: Moment, span_s: tuple[float, float]) -> bool:
    return moment.start_ns < span_s[1] * NS_PER_S and moment.end_ns > span_s[0] * NS_PER_S or (
        span_s[0] * NS_PER_S <= moment.start_ns <= span_s[1] * NS_PER_S
    )
