"""A digest: what happened in a stretch of time, grouped by kind, of bounded length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omnilive.events import Kind, Moment
from omnilive.reasoning.answering import Piece
from omnilive.reasoning.telling import Telling, not_found
from omnilive.reasoning.wording import sentence

_ORDER: tuple[Kind, ...] = ("speech", "screen", "sound", "motion", "picture")


def tell_digest(telling: Telling) -> Iterator[Piece]:
    """Tell a selection of what was said, shown and heard, and what moved, kind by kind."""
    retrieval, select, frames = telling.retrieval, telling.select, telling.phrases
    if not retrieval.watched and not retrieval.within and not retrieval.hits:
        yield from not_found(telling)
        return
    kinds = telling.inquiry.senses
    moments = select.of_kinds(retrieval.within, kinds)
    if not retrieval.spans and not moments:
        moments = select.everything(kinds)
    if select.terms:
        about = [moment for moment in moments if telling.holds_any(moment, select.terms)]
        about = about or [one.moment for one in select.answers(kinds)]
        if not about:
            yield from not_found(telling)
            return
        moments = select.usable(about)
    moments = [moment for moment in moments if moment.text.strip() or moment.kind != "picture"]
    span = telling.wording.spans(retrieval.spans or retrieval.watched)
    if not moments:
        text = frames.digest_quiet.format(span=span) if span else frames.now_nothing
        yield Piece(text=sentence(text), known=bool(span))
        return
    yield Piece(text=sentence(frames.digest.format(span=span)) if span else frames.digest_all)
    shown = 0
    for kind in _ORDER:
        group = [moment for moment in moments if moment.kind == kind]
        if not group:
            continue
        chosen = spread(group, telling.max_digest)
        items = frames.sep.join(telling.wording.brief(moment) for moment in chosen)
        text = _heading(telling, kind).format(count=len(group), items=items)
        yield Piece(text=("" if shown == 0 else " ") + text, citations=tuple(chosen))
        shown += len(chosen)
    total = max(len(moments), 0 if kinds or select.terms else retrieval.within_total)
    if total > shown:
        yield Piece(text=" " + frames.digest_more.format(count=total))


def spread(moments: Sequence[Moment], count: int) -> list[Moment]:
    """Return at most `count` of `moments`, evenly spread, with the first and the last."""
    if len(moments) <= count:
        return list(moments)
    if count == 1:
        return [moments[0]]
    return [moments[round(i * (len(moments) - 1) / (count - 1))] for i in range(count)]


def _heading(telling: Telling, kind: Kind) -> str:
    frames = telling.phrases
    return {
        "speech": frames.digest_speech,
        "screen": frames.digest_screen,
        "sound": frames.digest_sound,
        "motion": frames.digest_motion,
        "picture": frames.digest_picture,
    }[kind]
