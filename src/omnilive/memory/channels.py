"""The two ways a moment can answer a question: by its words and by its vector.

Each channel returns only what passed its own floor, best first, with a score in 0..1. Moments of
the store have their row id as key, pending ones -1, -2, ... in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from omnilive.events import Span
from omnilive.memory.database import Database
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.floors import BACKGROUND, background_of, dense_floor, term_weights
from omnilive.memory.moments import MomentRow, by_ids
from omnilive.memory.postings import coverage
from omnilive.memory.ranking import fused_ranks, same, without_drift
from omnilive.memory.row_ranges import num_moments, rows_of, windows_of
from omnilive.memory.text_index import frequencies
from omnilive.memory.tokens import QueryWord, index_terms
from omnilive.memory.vector_cache import VectorCache
from omnilive.memory.view import View

CHECKED_AT_ONCE = 200
MAX_CHECKED = 4_000
UNKNOWN_NAME_WEIGHT = 0.4
MAX_FRAMING = 0.4  # what framing words may weigh, beside 1 for the rest


class Hit(NamedTuple):
    """A candidate that passed a floor; `row` is None for a pending moment."""

    key: int
    score: float
    row: MomentRow | None
    length: int


def text_hits(
    database: Database,
    view: View,
    words: Sequence[QueryWord],
    question: str,
    spans: Sequence[Span],
    *,
    floor: float,
    limit: int,
) -> list[Hit]:
    """Return moments that hold at least `floor` of what the question asks for."""
    shares = _shares(database, words, question)
    if not shares:
        return []
    counts = frequencies(database, shares)
    total = num_moments(database)
    held = coverage(database, shares, counts, rows_of(database, view, spans), total, floor)
    found = [(round(score, 9), key) for key, score in held.items()]
    passed = without_drift(found, lambda pair: -pair[0], lambda pair: pair[1])
    hits: list[Hit] = []
    for start in range(0, min(len(passed), MAX_CHECKED), CHECKED_AT_ONCE):
        part = passed[start : start + CHECKED_AT_ONCE]
        for (score, key), row in _with_rows(database, part):
            if view.allows(row, spans):
                hits.append(Hit(key, min(1.0, score), row, len(row.text)))
        if len(hits) >= limit:
            break
    for place, moment in view.pending_in(spans):
        own = set(index_terms(moment.text))
        score = sum(share for term, share in shares.items() if term in own)
        if score >= floor:
            hits.append(Hit(-1 - place, min(1.0, score), None, len(moment.text)))
    # Among equals the shorter text says it most plainly.
    return without_drift(hits, lambda hit: (-same(hit.score), hit.length), _age)[:limit]


def dense_hits(
    cache: VectorCache,
    embedder: TextEmbedder,
    view: View,
    question: str,
    spans: Sequence[Span],
    *,
    false_rate: float,
    minimum: float,
    limit: int,
    database: Database,
) -> list[Hit]:
    """Return moments whose vectors are nearer than unrelated ones come by chance."""
    pending = [
        (place, moment)
        for place, moment in view.pending_in(spans)
        if moment.kind in ("speech", "screen", "picture")
    ]
    vectors = embedder.embed([question, *BACKGROUND, *(moment.text for _, moment in pending)])
    asked = vectors[0]
    if not asked.any():
        return []
    cache.refresh()
    windows = windows_of(view, spans)
    searched = cache.num_within(windows) + len(pending)
    others = background_of(database, embedder.model, embedder.dimension)
    floor = max(
        dense_floor(background @ asked, searched, false_rate=false_rate, minimum=minimum)
        for background in (vectors[1 : 1 + len(BACKGROUND)], others)
        if len(background)
    )
    near = cache.nearest(asked, windows, floor=floor, limit=4 * limit)
    scored = [(_score(one.cosine, floor), one.moment) for one in near]
    hits = [
        Hit(key, score, row, len(row.text))
        for (score, key), row in _with_rows(database, scored)
        if view.allows(row, spans)
    ]
    for (place, moment), vector in zip(pending, vectors[1 + len(BACKGROUND) :], strict=True):
        cosine = float(vector @ asked)
        if cosine >= floor:
            hits.append(Hit(-1 - place, _score(cosine, floor), None, len(moment.text)))
    return without_drift(hits, lambda hit: -same(hit.score), _age)[:limit]


def fuse(text: Sequence[Hit], dense: Sequence[Hit], limit: int) -> list[Hit]:
    """Join the channels by rank; a moment's score is its better one.

    Words weigh more than vectors: static vectors of short sentences confuse topics.
    """
    best: dict[int, Hit] = {}
    for hit in (*text, *dense):
        if hit.key not in best or hit.score > best[hit.key].score:
            best[hit.key] = hit
    channels = ((1.0, text), (0.6, dense))
    ranks = fused_ranks(
        [(weight, [(hit.key, hit.score) for hit in hits]) for weight, hits in channels]
    )
    ordered = without_drift(
        list(best.values()),
        lambda hit: (-same(ranks[hit.key]), -same(hit.score), hit.length),
        _age,
    )
    return ordered[:limit]


def _age(hit: Hit) -> tuple[bool, int]:
    """Sort the older before the newer: what is pending is the newest, its keys count down."""
    return (hit.key < 0, abs(hit.key))


def _shares(database: Database, words: Sequence[QueryWord], question: str) -> dict[str, float]:
    counts = frequencies(database, [term for word in words for term in word.terms])
    total = num_moments(database)
    weights = term_weights(counts, total)
    shares: dict[str, float] = {}
    for word in words:
        weight = word.weight
        if not any(counts[term] for term in word.terms) and _is_name(word.surface, question):
            # Nobody is called by name in a transcript as reliably as in a question.
            weight *= UNKNOWN_NAME_WEIGHT
        for term in word.terms:
            shares[term] = shares.get(term, 0.0) + weight * weights[term] / len(word.terms)
    framing = {term for word in words if word.weight < 1.0 for term in word.terms}
    around = sum(share for term, share in shares.items() if term in framing)
    core = sum(shares.values()) - around
    # However many words frame it ("the title on the slide"), what is asked for must decide.
    scale = min(1.0, core * MAX_FRAMING / around) if core and around else 1.0
    shares = {term: share * (scale if term in framing else 1.0) for term, share in shares.items()}
    whole = sum(shares.values())
    return {term: share / whole for term, share in shares.items()} if whole else {}


def _is_name(surface: str, question: str) -> bool:
    pattern = rf"(?<=[^.?!\s])\s+{re.escape(surface)}\b"
    return any(
        match[0].strip()[:1].isupper() for match in re.finditer(pattern, question, re.IGNORECASE)
    )


def _with_rows(
    database: Database, scored: Sequence[tuple[float, int]]
) -> list[tuple[tuple[float, int], MomentRow]]:
    rows = {row.id: row for row in by_ids(database, [key for _, key in scored])}
    return [(pair, rows[pair[1]]) for pair in scored if pair[1] in rows]


def _score(cosine: float, floor: float) -> float:
    return round(min(1.0, 0.5 + 0.5 * (cosine - floor) / max(1e-6, 1.0 - floor)), 4)
