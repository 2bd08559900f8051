"""Which of the retrieved moments an answer may rest on.

Memory has applied its floors; this looks again with the question's words, because a moment
that merely passed a floor is not yet an answer: quoting it as one would be making things up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from omnilive.events import Kind, Moment, Retrieval
from omnilive.reasoning.inquiry import Inquiry, sense_words
from omnilive.reasoning.words import coverage


class Found(NamedTuple):
    """A moment and how much of the question's content it holds, 0..1."""

    moment: Moment
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Picks moments of one retrieval for one inquiry.

    Attributes:
        min_coverage: share of the question's content a moment must hold to be an answer.
        sure_score: memory's score from which a moment is an answer with less than that.
    """

    retrieval: Retrieval
    inquiry: Inquiry
    min_coverage: float
    sure_score: float

    @property
    def terms(self) -> tuple[str, ...]:
        """What the question is about, without the words that only name a sense."""
        sense = sense_words(self.inquiry.senses)
        return tuple(term for term in self.inquiry.terms if term not in sense)

    def usable(self, moments: Iterable[Moment], *, in_spans: bool = True) -> list[Moment]:
        """Return `moments` that may be evidence, each once, in order of time.

        What we said ourselves, the question's own words and what lies outside the time that
        was asked about are none.
        """
        kept: dict[str, Moment] = {}
        spans = self.retrieval.spans if in_spans else ()
        for moment in moments:
            if moment.voice == "own" or moment.id == self.retrieval.question.utterance:
                continue
            inside = any(
                span.stream == moment.stream
                and moment.start_ns < span.end_ns
                and max(moment.end_ns, moment.start_ns + 1) > span.start_ns
                for span in spans
            )
            if inside or not spans:
                kept.setdefault(moment.id, moment)
        return sorted(kept.values(), key=lambda moment: (moment.at, moment.stream, moment.start_ns))

    def of_kinds(self, moments: Iterable[Moment], kinds: tuple[Kind, ...]) -> list[Moment]:
        """Return the usable ones of `kinds` (any, if empty), in order of time."""
        return [moment for moment in self.usable(moments) if not kinds or moment.kind in kinds]

    def everything(self, kinds: tuple[Kind, ...]) -> list[Moment]:
        """Return whatever this retrieval holds of `kinds`, in order of time."""
        found = self.retrieval
        return self.of_kinds((*found.hits, *found.matched, *found.within, *found.latest), kinds)

    def ranked(self, kinds: tuple[Kind, ...], terms: tuple[str, ...] | None = None) -> list[Found]:
        """Return what was found of `kinds`, best first."""
        wanted = self.terms if terms is None else terms
        pool = self.of_kinds((*self.retrieval.hits, *self.retrieval.matched), kinds)
        found = [Found(moment, coverage(wanted, moment.text) if wanted else 1.0) for moment in pool]
        # A question that somebody asked holds all the words of its answer but the answer.
        return sorted(
            found,
            key=lambda one: (
                one.coverage
                + 0.3 * one.moment.score
                - 0.35 * one.moment.text.rstrip().endswith(("?", "\uff1f"))
            ),
            reverse=True,
        )

    def answers(self, kinds: tuple[Kind, ...], terms: tuple[str, ...] | None = None) -> list[Found]:
        """Return those of `ranked` that hold enough of the question to answer it, best first."""
        found = [one for one in self.ranked(kinds, terms) if self._enough(one)]
        if "speech" in self.inquiry.senses:
            return found
        return [one for one in found if not _asks(one.moment)]

    def best(self, found: list[Found], count: int) -> list[Moment]:
        """Return the best of `found` and those about as good, at most `count`, in order of time."""
        if not found:
            return []
        floor = found[0].coverage - 0.1
        near = [one.moment for one in found if one.coverage >= floor]
        return self.usable(near[:count])

    def _enough(self, one: Found) -> bool:
        return one.coverage >= self.min_coverage or (
            one.coverage > 0 and one.moment.score >= self.sure_score
        )


def _asks(moment: Moment) -> bool:
    return moment.kind == "speech" and moment.text.rstrip().endswith(("?", "\uff1f"))
