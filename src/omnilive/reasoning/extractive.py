"""The embedded answerer: tells what was perceived in the words it was perceived in.

It composes, it never writes: every fact in an answer is a quotation, a time or a count of
retrieved moments. Where the senses cannot know, it says so and what would give it eyes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from omnilive.cancel import Cancel
from omnilive.events import Moment, Retrieval
from omnilive.reasoning.answering import AnswererConfig, Piece
from omnilive.reasoning.conversation import Turn
from omnilive.reasoning.digest import tell_digest
from omnilive.reasoning.inquiry import Asked, understand
from omnilive.reasoning.look_alikes import tell_look_alikes
from omnilive.reasoning.selection import Selector
from omnilive.reasoning.sight import tell_sight
from omnilive.reasoning.telling import Telling, listed, not_found, one_by_one
from omnilive.reasoning.wording import Wording, is_caption
from omnilive.reasoning.words import is_chinese


class ExtractiveBackend:
    """Answers from quotations, times and counts of retrieved moments alone."""

    def __init__(self, config: AnswererConfig | None = None) -> None:
        self._config = config or AnswererConfig()

    def answer(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        """Yield the answer, a clause a piece."""
        cancel.check()
        question = retrieval.question
        inquiry = understand(question.text, retrieval.time_words)
        if question.follows and not understand(question.follows).follow_up:
            # Memory was asked for everything because the words alone named nothing.
            inquiry = understand(question.follows)
        telling = Telling(
            retrieval=retrieval,
            inquiry=inquiry,
            wording=Wording(retrieval, chinese=is_chinese(question.follows or question.text)),
            select=Selector(
                retrieval=retrieval,
                inquiry=inquiry,
                min_coverage=self._config.min_coverage,
                sure_score=self._config.sure_score,
            ),
            max_quotes=self._config.max_quotes,
            max_times=self._config.max_times,
            max_digest=self._config.max_digest,
            max_digest_said=self._config.max_digest_said,
        )
        yield from _route(telling, dialogue)
        if retrieval.time_note:
            yield Piece(text=" " + retrieval.time_note)

    def close(self) -> None:
        """Nothing is held."""


_SEE = re.compile(r"\bsee\b|看", re.IGNORECASE)


def _route(telling: Telling, dialogue: tuple[Turn, ...]) -> Iterator[Piece]:
    retrieval, inquiry = telling.retrieval, telling.inquiry
    if retrieval.question.picture:
        return tell_look_alikes(telling)
    if inquiry.follow_up == "when" and not inquiry.terms:
        return _tell_again(telling, dialogue)
    if retrieval.time_problem:
        return not_found(telling)
    if retrieval.question.follows and retrieval.spans and not retrieval.relation:
        return _tell_next(telling, dialogue)
    if retrieval.relation:
        return _tell_around(telling)
    return _TELLERS[inquiry.asked](telling)


def _tell_open(telling: Telling) -> Iterator[Piece]:
    """Tell what holds the question's words best; without any, what lies in the time asked about."""
    inquiry, select = telling.inquiry, telling.select
    if not select.terms:
        yield from _tell_within(telling)
        return
    lead = telling.yes
    answers = select.answers(inquiry.senses)
    if not answers:
        answers, lead = select.answers(()), telling.elsewhere
    if not answers:
        yield from not_found(telling)
        return
    if inquiry.pick:
        chosen = select.best(answers, len(answers))
        chosen = chosen[:1] if inquiry.pick == "first" else chosen[-1:]
    else:
        chosen = select.best(answers, telling.max_quotes)
    yield from listed(telling, chosen, lead=lead)


def _tell_within(telling: Telling) -> Iterator[Piece]:
    inquiry, select, retrieval = telling.inquiry, telling.select, telling.retrieval
    pool = (*retrieval.hits, *retrieval.matched)
    inside = select.of_kinds(
        (*retrieval.within, *(() if retrieval.spans else pool)), inquiry.senses
    )
    if not inside:
        # Where the clips have gone, what sums them up is left.
        from_above = retrieval.digests and not select.terms
        yield from (tell_digest if from_above else not_found)(telling)
        return
    if inquiry.pick:
        inside = inside[:1] if inquiry.pick == "first" else inside[-1:]
    if (retrieval.digests or not inquiry.senses) and len(inside) > telling.max_times:
        yield from tell_digest(telling)
        return
    shown = inside[: telling.max_times]
    yield from listed(telling, shown, lead=telling.yes)
    total = retrieval.within_total if not inquiry.senses else len(inside)
    if total > len(shown):
        yield Piece(text=" " + telling.phrases.digest_more.format(count=total))


def _tell_when(telling: Telling) -> Iterator[Piece]:
    """Tell every moment that the words or the sense of the question mean."""
    inquiry, select = telling.inquiry, telling.select
    if not select.terms or set(inquiry.senses) & {"sound", "motion"}:
        yield from _tell_sense(telling)
        return
    chosen = _meant(telling)
    if not chosen:
        yield from not_found(telling)
        return
    if inquiry.pick:
        chosen = chosen[:1] if inquiry.pick == "first" else chosen[-1:]
    yield from listed(telling, chosen[: telling.max_times])


def _tell_count(telling: Telling) -> Iterator[Piece]:
    """Count distinct moments and list them."""
    inquiry, select, retrieval = telling.inquiry, telling.select, telling.retrieval
    by_sense = bool(set(inquiry.senses) & {"sound", "motion"}) or not select.terms
    chosen = telling.of_sense() if by_sense else _meant(telling)
    if not chosen:
        yield from not_found(telling)
        return
    total = len(chosen)
    if not by_sense and len(chosen) == len(select.usable(retrieval.matched)):
        total = max(total, retrieval.matches)
    shown, frames = chosen[: telling.max_times], telling.phrases
    if total == 1:
        lead = frames.counted_once
    elif total == len(shown):
        lead = frames.counted.format(count=total)
    else:
        lead = frames.counted_shown.format(count=total, shown=len(shown))
    yield from listed(telling, shown, lead=lead)
    yield from telling.sense_caveat()


def _tell_sense(telling: Telling) -> Iterator[Piece]:
    """Tell the moments of a sense that has no words of its own: sounds, silence, motion."""
    inquiry = telling.inquiry
    chosen = telling.of_sense()
    if inquiry.pick:
        chosen = chosen[:1] if inquiry.pick == "first" else chosen[-1:]
    if not chosen:
        yield from not_found(telling)
        return
    yield from listed(
        telling,
        chosen[: telling.max_times],
        lead=telling.yes if not telling.select.terms else "",
    )
    yield from telling.sense_caveat()


def _tell_lasted(telling: Telling) -> Iterator[Piece]:
    """Tell a duration; only sounds, silence and motion have an end that was perceived."""
    by_sense = set(telling.inquiry.senses) & {"sound", "motion"}
    chosen = telling.of_sense() if by_sense else _meant(telling)
    if not chosen:
        yield from not_found(telling)
        return
    frames = telling.phrases
    if not by_sense:
        yield from listed(
            telling, chosen[: telling.max_quotes], lead=frames.lasted_unknown, known=False
        )
        return
    lead = (
        frames.lasted.format(length=telling.wording.length(chosen[0])) if len(chosen) == 1 else ""
    )
    yield from listed(telling, chosen[: telling.max_times], lead=lead)
    yield from telling.sense_caveat()


def _tell_now(telling: Telling) -> Iterator[Piece]:
    """Tell the newest moment of each kind that was asked for."""
    inquiry, select, frames = telling.inquiry, telling.select, telling.phrases
    newest: dict[str, Moment] = {}
    for moment in select.usable(telling.retrieval.latest, in_spans=False):
        if moment.kind in (inquiry.senses or (moment.kind,)):
            newest[moment.kind] = moment
    chosen = select.usable(newest.values(), in_spans=False)
    if select.terms:
        fitting = [one for one in chosen if telling.holds_all(one)]
        if not fitting:
            yield from tell_sight(telling)
            return
        chosen = fitting
    if not chosen:
        yield Piece(text=frames.now_nothing, known=False)
        return
    yield from listed(telling, chosen, lead=frames.now)
    if _SEE.search(telling.retrieval.question.text) and not any(map(is_caption, chosen)):
        yield Piece(text=f" {frames.no_eyes_look} {frames.eyes_help}")


def _tell_around(telling: Telling) -> Iterator[Piece]:
    """Tell what came before or after the moment that the question refers to."""
    retrieval, select, frames = telling.retrieval, telling.select, telling.phrases
    anchor, after = retrieval.anchor, retrieval.relation == "after"
    if anchor is None:
        yield Piece(text=frames.no_anchor, known=False)
        yield from telling.watched()
        return
    named = telling.wording.told(anchor)
    around = [
        moment
        for moment in select.usable(retrieval.around, in_spans=False)
        if moment.id != anchor.id and moment.kind in (telling.inquiry.senses or (moment.kind,))
    ]
    about = telling.terms_beside(anchor)
    around = [moment for moment in around if telling.holds_any(moment, about)] or around
    if not around:
        frame = frames.nothing_after if after else frames.nothing_before
        yield Piece(text=frame.format(anchor=named), citations=(anchor,), known=False)
        return
    wide = telling.inquiry.asked in ("digest", "open")
    count = telling.max_quotes if wide else 1
    near = around[:count] if after else around[-count:]
    lead = (frames.after if after else frames.before).format(anchor=named)
    yield Piece(text=lead, citations=())
    yield from one_by_one(telling, near, capital=False)
    yield Piece(text="", citations=(anchor,))


def _tell_next(telling: Telling, dialogue: Sequence[Turn]) -> Iterator[Piece]:
    """Tell what came next to the moments of the last answer, before or after them."""
    told = {moment.id for turn in dialogue[-1:] for moment in turn.citations}
    inside = [one for one in telling.select.usable(telling.retrieval.within) if one.id not in told]
    # A change of the picture that nobody described is hardly what came next.
    inside = [one for one in inside if one.kind != "picture" or is_caption(one)] or inside
    if not inside:
        yield from not_found(telling)
        return
    before = understand(telling.retrieval.question.follows).follow_up == "before"
    count = telling.max_quotes
    yield from listed(telling, inside[-count:] if before else inside[:count])


def _tell_again(telling: Telling, dialogue: Sequence[Turn]) -> Iterator[Piece]:
    """Tell when the moments of the last answer were."""
    cited = dialogue[-1].citations if dialogue else ()
    if not cited:
        yield Piece(text=telling.phrases.no_before, known=False)
        return
    yield from listed(telling, telling.select.usable(cited, in_spans=False)[: telling.max_times])


def _meant(telling: Telling) -> list[Moment]:
    """Return all moments that the question's words mean, in order of time."""
    select, inquiry = telling.select, telling.inquiry
    whole = select.of_kinds(telling.retrieval.matched, inquiry.senses)
    if whole:
        return whole
    answers = select.answers(inquiry.senses) or select.answers(())
    return select.best(answers, len(answers))


_TELLERS: dict[Asked, Callable[[Telling], Iterator[Piece]]] = {
    "said": _tell_open,
    "shown": _tell_open,
    "open": _tell_open,
    "heard": _tell_sense,
    "moved": _tell_sense,
    "when": _tell_when,
    "count": _tell_count,
    "lasted": _tell_lasted,
    "digest": tell_digest,
    "now": _tell_now,
    "sight": tell_sight,
}
