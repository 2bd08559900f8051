"""The two ways a moment can answer a question: by its words and by its vector.

Each channel returns only what passed its own floor, best first, with a score in 0..1. Moments of
the store have their row id as key, pending ones -1, -2, ... in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.events import Span
from omnilive.memory.database import Database
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.floors import BACKGROUND, dense_floor, term_weights
from omnilive.memory.moments import MomentRow, by_ids
from omnilive.memory.text_index import frequencies, moments_with
from omnilive.memory.tokens import QueryWord, index_terms
from omnilive.memory.vector_cache import VectorCache
from omnilive.memory.view import View

MAX_POSTINGS = 20_000
MAX_CHECKED = 400
UNKNOWN_NAME_WEIGHT = 0.4
MAX_FRAMING = 0.4  # what framing words may weigh, beside 1 for the rest


class Hit(NamedTuple):
    """A candidate that passed a floor; `row` is None for a pending moment."""

    key: int
    score: float
    row: MomentRow | None


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
    coverage: dict[int, float] = {}
    for term, share in shares.items():
        for key in moments_with(database, term, MAX_POSTINGS):
            coverage[key] = coverage.get(key, 0.0) + share
    passed = [(score, key) for key, score in coverage.items() if score >= floor]
    passed.sort(reverse=True)
    hits: list[Hit] = []
    for start in range(0, len(passed), MAX_CHECKED):
        part = passed[start : start + MAX_CHECKED]
        for (score, key), row in _with_rows(database, part):
            if view.allows(row, spans):
                hits.append(Hit(key, min(1.0, score), row))
        if len(hits) >= limit or start >= MAX_POSTINGS:
            break
    for place, moment in view.pending_in(spans):
        own = set(index_terms(moment.text))
        score = sum(share for term, share in shares.items() if term in own)
        if score >= floor:
            hits.append(Hit(-1 - place, min(1.0, score), None))
    # Among equals the shorter text says it most plainly.
    hits.sort(key=lambda hit: (-round(hit.score, 6), _length(view, hit), hit.key))
    return hits[:limit]


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
    seen = _seen(cache, view, spans)
    cosines = cache.matrix @ asked
    searched = int(seen.sum()) + len(pending)
    floor = dense_floor(
        vectors[1 : 1 + len(BACKGROUND)] @ asked,
        searched,
        false_rate=false_rate,
        minimum=minimum,
    )
    above = np.flatnonzero(seen & (cosines >= floor))
    best = above[np.argsort(-cosines[above], kind="stable")][: 4 * limit]
    scored = [(_score(float(cosines[i]), floor), int(cache.moments[i, 0])) for i in best]
    hits = [
        Hit(key, score, row)
        for (score, key), row in _with_rows(database, scored)
        if view.allows(row, spans)
    ]
    for (place, _), vector in zip(pending, vectors[1 + len(BACKGROUND) :], strict=True):
        cosine = float(vector @ asked)
        if cosine >= floor:
            hits.append(Hit(-1 - place, _score(cosine, floor), None))
    hits.sort(key=lambda hit: (-hit.score, hit.key))
    return hits[:limit]


def fuse(text: Sequence[Hit], dense: Sequence[Hit], limit: int) -> list[Hit]:
    """Join the channels by rank; a moment's score is its better one.

    Words weigh more than vectors: static vectors of short sentences confuse topics.
    """
    ranks: dict[int, float] = {}
    best: dict[int, Hit] = {}
    for weight, hits in ((1.0, text), (0.6, dense)):
        for rank, hit in enumerate(hits):
            ranks[hit.key] = ranks.get(hit.key, 0.0) + weight / (10 + rank)
            if hit.key not in best or hit.score > best[hit.key].score:
                best[hit.key] = hit
    ordered = sorted(best.values(), key=lambda hit: (-ranks[hit.key], -hit.score, hit.key))
    return ordered[:limit]


def _shares(database: Database, words: Sequence[QueryWord], question: str) -> dict[str, float]:
    counts = frequencies(database, [term for word in words for term in word.terms])
    total = int(database.value("SELECT coalesce(max(id), 0) FROM moment"))
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


def _seen(cache: VectorCache, view: View, spans: Sequence[Span]) -> NDArray[np.bool_]:
    _ids, streams, starts, ends = cache.moments.T
    seen = np.zeros(len(starts), dtype=bool)
    for stream in view.lines:
        seen |= (streams == stream) & (starts < view.bound(stream))
    if spans:
        inside = np.zeros(len(starts), dtype=bool)
        for span in spans:
            inside |= (
                (streams == span.stream)
                & (starts < span.end_ns)
                & (np.maximum(ends, starts + 1) > span.start_ns)
            )
        seen &= inside
    return seen


def _length(view: View, hit: Hit) -> int:
    return len(view.pending[-1 - hit.key].text if hit.row is None else hit.row.text)


def _score(cosine: float, floor: float) -> float:
    return round(min(1.0, 0.5 + 0.5 * (cosine - floor) / max(1e-6, 1.0 - floor)), 4)
