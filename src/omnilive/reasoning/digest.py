"""A digest: what happened in a stretch of time, grouped by kind, of bounded length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from omnilive.events import Kind, Moment
from omnilive.reasoning.answering import Piece
from omnilive.reasoning.from_above import lines_of
from omnilive.reasoning.telling import Telling, not_found
from omnilive.reasoning.wording import is_caption, sentence
from omnilive.reasoning.words import richness

MAX_LINES_OF_DIGEST = 4


def tell_digest(telling: Telling) -> Iterator[Piece]:
    """Tell a selection of what was said, shown and heard, and what moved, kind by kind."""
    retrieval, select, frames = telling.retrieval, telling.select, telling.phrases
    if not retrieval.watched and not retrieval.within and not retrieval.hits:
        yield from not_found(telling)
        return
    kinds = telling.inquiry.senses
    if retrieval.digests and not select.terms:
        yield from _tell_from_above(telling, kinds)
        return
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
    span = telling.wording.spans(retrieval.spans or retrieval.watched)
    if not moments:
        text = frames.digest_quiet.format(span=span) if span else frames.now_nothing
        yield Piece(text=sentence(text), known=bool(span))
        return
    yield Piece(text=sentence(frames.digest.format(span=span)) if span else frames.digest_all)
    shown = 0
    for heading, group in _groups(telling, moments):
        chosen = spread(group, _most(telling, group))
        items = frames.sep.join(telling.wording.brief(moment) for moment in chosen)
        text = heading.format(count=len(group), items=items)
        yield Piece(text=("" if shown == 0 else " ") + text, citations=tuple(chosen))
        shown += len(chosen)
    total = max(len(moments), 0 if kinds or select.terms else retrieval.within_total)
    if total > shown:
        yield Piece(text=" " + frames.digest_more.format(count=total))


def _tell_from_above(telling: Telling, kinds: Sequence[Kind]) -> Iterator[Piece]:
    """Tell a stretch too long to list from the digests over it, the telling line of each."""
    retrieval, frames = telling.retrieval, telling.phrases
    by_digest = list(lines_of(retrieval.digests, kinds))
    digests = {digest.id: digest for digest in retrieval.digests}
    span = telling.wording.spans(retrieval.spans or retrieval.watched)
    if not by_digest:
        text = frames.digest_quiet.format(span=span) if span else frames.now_nothing
        yield Piece(text=sentence(text), known=bool(span))
        return
    yield Piece(text=sentence(frames.digest.format(span=span)) if span else frames.digest_all)
    # A line of each digest before the second of any: no day is told at the cost of another.
    lines = [line for own in by_digest for line in spread(own, MAX_LINES_OF_DIGEST)]
    shown = 0
    for heading, group in _groups(telling, lines):
        chosen = spread(group, _most(telling, group))
        items = frames.sep.join(telling.wording.brief(line) for line in chosen)
        cited = _cited(digests, chosen)
        text = heading.format(count=len(group), items=items)
        yield Piece(text=("" if shown == 0 else " ") + text, citations=cited)
        shown += len(chosen)
    total = shown if kinds else retrieval.within_total
    if total > shown:
        yield Piece(text=" " + frames.digest_more.format(count=total))


def _cited(digests: Mapping[str, Moment], lines: Sequence[Moment]) -> tuple[Moment, ...]:
    """Return the digests that lines are from, each with no more text than those lines."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        texts.setdefault(line.id, []).append(f"{line.at[11:19]} {line.text}")
    return tuple(replace(digests[id_], text="; ".join(own)) for id_, own in texts.items())


def _most(telling: Telling, group: Sequence[Moment]) -> int:
    said = group[0].kind == "speech"
    return max(telling.max_digest, telling.max_digest_said) if said else telling.max_digest


def spread(moments: Sequence[Moment], count: int) -> list[Moment]:
    """Return at most `count` of `moments`: of each equal share of them the one that says most."""
    if len(moments) <= count:
        return list(moments)
    bounds = [round(i * len(moments) / count) for i in range(count + 1)]
    shares = (moments[start:end] for start, end in zip(bounds, bounds[1:], strict=False))
    return [max(share, key=lambda moment: richness(moment.text)) for share in shares]


def _groups(telling: Telling, moments: Sequence[Moment]) -> Iterator[tuple[str, list[Moment]]]:
    frames = telling.phrases
    kinds: tuple[tuple[str, Kind], ...] = (
        (frames.digest_speech, "speech"),
        (frames.digest_screen, "screen"),
        (frames.digest_sound, "sound"),
        (frames.digest_motion, "motion"),
    )
    groups = [(head, [one for one in moments if one.kind == kind]) for head, kind in kinds]
    pictures = [one for one in moments if one.kind == "picture"]
    groups.append((frames.digest_picture, [one for one in pictures if is_caption(one)]))
    groups.append((frames.digest_changes, [one for one in pictures if not is_caption(one)]))
    yield from ((head, group) for head, group in groups if group)
