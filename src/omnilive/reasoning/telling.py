"""What all tellers of the embedded answerer share: their material and how a list is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnilive.events import Moment, Retrieval
from omnilive.reasoning.answering import Piece
from omnilive.reasoning.inquiry import Inquiry
from omnilive.reasoning.phrases import Phrases
from omnilive.reasoning.selection import Selector
from omnilive.reasoning.wording import Wording, sentence
from omnilive.reasoning.words import coverage, stem, tokens, word_set

# A quotation that ends its own sentence ends ours too.
_ENDED = (*(f"{mark}{quote}" for mark in ".!?\u3002\uff01\uff1f" for quote in '"\u201d'), "...")
_RELATION_WORDS = frozenset(
    map(stem, word_set("right after before just immediately shortly directly soon following next"))
)
_SILENCE = frozenset(["silence", "silent", "quiet"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One answer in the making: the retrieval, what was asked, and how to word and choose."""

    retrieval: Retrieval
    inquiry: Inquiry
    wording: Wording
    select: Selector
    max_quotes: int
    max_times: int
    max_digest: int
    max_digest_said: int

    @property
    def phrases(self) -> Phrases:
        """The frames of the question's language."""
        return self.wording.phrases

    @property
    def yes(self) -> str:
        """What to say first when something was found.

        Only whether something was perceived can be answered with yes: "Is it raining?" may well
        have found somebody who says that it is not.
        """
        return self.phrases.yes if self._about_perceiving else ""

    @property
    def no(self) -> str:
        """What to say first when nothing was found."""
        return self.phrases.no if self._about_perceiving else ""

    @property
    def _about_perceiving(self) -> bool:
        return self.inquiry.polar and bool(self.inquiry.senses)

    @property
    def elsewhere(self) -> str:
        """What to say first when only another sense than the one asked about noticed it."""
        if self.inquiry.senses == ("speech",):
            return self.phrases.elsewhere_said
        return self.phrases.elsewhere_shown if self.inquiry.senses == ("screen",) else ""

    def of_sense(self) -> list[Moment]:
        """Return the moments of the sense that was asked about, in order of time.

        A sound or a motion has no words of its own, so the question's other words cannot
        choose among them, except that a label or a caption that holds them all wins.
        """
        moments = self.select.everything(self.inquiry.senses)
        if "sound" in self.inquiry.senses:
            asked = tokens(self.retrieval.question.text)
            if _SILENCE & set(asked) or "安静" in self.retrieval.question.text:
                moments = [moment for moment in moments if moment.text == "silence"]
            else:
                moments = [moment for moment in moments if moment.text != "silence"]
        return [moment for moment in moments if self.holds_all(moment)] or moments

    def sense_caveat(self) -> Iterator[Piece]:
        """Say that what sounded or moved is not known, if the question named it."""
        if not self.select.terms or any(map(self.holds_all, self.of_sense())):
            return
        if "sound" in self.inquiry.senses:
            yield Piece(text=" " + self.phrases.no_sound_names)
        elif "motion" in self.inquiry.senses:
            yield Piece(text=" " + self.phrases.no_motion_names)

    def holds_all(self, moment: Moment) -> bool:
        """Return whether a moment's text holds enough of the question's words, if it has any."""
        wanted = self.select.terms
        return bool(wanted) and coverage(wanted, moment.text) >= self.select.min_coverage

    def holds_any(self, moment: Moment, terms: Sequence[str]) -> bool:
        """Return whether a moment's text holds any of `terms`."""
        return bool(terms) and coverage(terms, moment.text) > 0

    def terms_beside(self, anchor: Moment) -> tuple[str, ...]:
        """Return the question's terms that the anchor does not account for."""
        return tuple(
            term
            for term in self.select.terms
            if term not in _RELATION_WORDS and not coverage((term,), anchor.text)
        )

    def watched(self) -> Iterator[Piece]:
        """Say what time memory covers."""
        if self.retrieval.watched:
            spans = self.wording.watched(self.retrieval.watched)
            yield Piece(text=" " + self.phrases.watched.format(spans=spans))
        else:
            yield Piece(text=" " + self.phrases.watched_nothing)


def listed(
    telling: Telling, moments: Sequence[Moment], *, lead: str = "", known: bool = True
) -> Iterator[Piece]:
    """Tell `moments` one after the other, after `lead`."""
    if lead:
        yield Piece(text=lead, known=known)
    yield from one_by_one(telling, moments, capital=not lead, known=known)
    if telling.inquiry.speaker and any(moment.kind == "speech" for moment in moments):
        yield Piece(text=" " + telling.phrases.no_voices)


def one_by_one(
    telling: Telling, moments: Sequence[Moment], *, capital: bool, known: bool = True
) -> Iterator[Piece]:
    """Tell `moments` as clauses of one sentence."""
    for i, moment in enumerate(moments):
        text = telling.wording.told(moment)
        text = sentence(text) if capital and i == 0 else text
        if i < len(moments) - 1:
            end = telling.phrases.sep
        else:
            end = "" if text.endswith(_ENDED) else telling.phrases.stop
        yield Piece(text=text + end, citations=(moment,), known=known)


def not_found(telling: Telling) -> Iterator[Piece]:
    """Say that nothing of the kind was perceived, what was watched, and what comes nearest."""
    frames, retrieval = telling.phrases, telling.retrieval
    lead = telling.no
    if retrieval.time_problem:
        yield Piece(text=retrieval.time_problem, known=False)
    elif retrieval.spans:
        span = telling.wording.spans(retrieval.spans)
        yield Piece(text=lead + sentence(frames.not_in_span.format(span=span)), known=False)
    else:
        yield Piece(text=lead + frames.not_found, known=False)
    yield from telling.watched()
    near = [one.moment for one in telling.select.ranked(()) if one.coverage > 0]
    if near and not retrieval.time_problem:
        yield Piece(text=" " + frames.nearest, known=False)
        yield from one_by_one(telling, near[:1], capital=False, known=False)
