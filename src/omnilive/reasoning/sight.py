"""Questions that need eyes: say so, say what would give them, offer moments that may show it."""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.events import Moment
from omnilive.reasoning.answering import Piece
from omnilive.reasoning.telling import Telling, listed
from omnilive.reasoning.wording import is_caption
from omnilive.reasoning.words import coverage, stem, tokens, word_set

_COLOURS = word_set(
    """
    red green blue yellow orange purple violet pink brown black white grey gray golden
    silver beige turquoise
    """
)
_NUMBERS = word_set(
    """
    one two three four five six seven eight nine ten eleven twelve dozen twenty hundred
    """
)
_SIGHT_WORDS = frozenset(
    map(
        stem,
        word_set(
            """
    colour color colored coloured shape kind sort type holding doing visible
    """
        ),
    )
)
_VISIBLE = ("picture", "motion", "screen")


def tell_sight(telling: Telling) -> Iterator[Piece]:
    """Tell what words say of it; without any, that eyes are missing and where to look."""
    frames = telling.phrases
    why = {"colour": frames.no_eyes_colour, "number": frames.no_eyes_number}.get(
        telling.inquiry.sight, frames.no_eyes_look
    )
    told = _in_words(telling)
    if told:
        captions = [moment for moment in told if is_caption(moment)]
        if captions:
            yield from listed(telling, captions[: telling.max_quotes])
            return
        yield from listed(telling, told[: telling.max_quotes], lead=f"{why} {frames.but_words}")
        return
    yield Piece(text=f"{why} {frames.eyes_help}", known=False)
    offered = _may_show(telling)
    if offered:
        yield from listed(telling, offered, lead=" " + frames.may_show, known=False)


def _in_words(telling: Telling) -> list[Moment]:
    """Return moments whose words answer what eyes were asked for."""
    sight = telling.inquiry.sight
    subject = tuple(term for term in telling.select.terms if term not in _SIGHT_WORDS)
    if not subject:
        return []
    fitting = []
    for moment in telling.select.usable((*telling.retrieval.hits, *telling.retrieval.matched)):
        words = set(tokens(moment.text))
        if coverage(subject, moment.text) < telling.select.min_coverage:
            continue
        if sight == "colour":
            fits = bool(words & _COLOURS)
        elif sight == "number":
            fits = bool(words & _NUMBERS) or any(word.isdigit() for word in words)
        else:
            fits = is_caption(moment) or (len(subject) > 1 and coverage(subject, moment.text) == 1)
        if fits:
            fitting.append(moment)
    return fitting


def _may_show(telling: Telling) -> list[Moment]:
    """Return moments whose pictures may show it: where its words are, else where it was looked."""
    select, retrieval = telling.select, telling.retrieval
    subject = tuple(term for term in select.terms if term not in _SIGHT_WORDS)
    near = [one.moment for one in select.ranked((), subject) if subject and one.coverage > 0]
    if near:
        return select.usable(near[:2])
    looked = select.usable((*retrieval.within, *retrieval.hits)) or select.usable(
        retrieval.latest, in_spans=False
    )
    return [moment for moment in looked if moment.kind in _VISIBLE][-2:] or [
        moment for moment in select.usable(retrieval.latest) if moment.kind in _VISIBLE
    ][-2:]
