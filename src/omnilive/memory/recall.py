"""Answers a question with everything it may rest on: the one `Retrieval`.

The memory stage and other processes (`omnilive ask`) use the same class: the stage passes the
moments that are not committed yet as values, a reader has none. All reads of one question see one
generation of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from omnilive.events import NS_PER_S, Kind, Moment, Question, Retrieval, Span
from omnilive.memory.channels import Hit, dense_hits, fuse, text_hits
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.listing import (
    around_anchor,
    latest_moments,
    latest_picture,
    matching,
    newest_loud_sound,
    within_spans,
)
from omnilive.memory.look_alikes import PendingPicture, look_alikes
from omnilive.memory.moments import KINDS, Presenter
from omnilive.memory.overview import overview
from omnilive.memory.relations import EventRelation, parse_relation
from omnilive.memory.remains import remains
from omnilive.memory.store import Store
from omnilive.memory.text_index import frequencies
from omnilive.memory.time_expressions import parse
from omnilive.memory.time_readings import TimeMention
from omnilive.memory.time_spans import ResolvedTime, resolve
from omnilive.memory.token_recall import TokenRecall
from omnilive.memory.tokens import (
    MAX_QUESTION_CHARACTERS,
    QueryWord,
    content_words,
    index_terms,
    query_words,
    settled,
)
from omnilive.memory.vector_cache import VectorCache
from omnilive.memory.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallConfig:
    """How much a question may bring back, and when something counts as found.

    Attributes:
        num_hits: moments in `Retrieval.hits`.
        num_matched: moments in `Retrieval.matched`.
        num_within: moments in `Retrieval.within`.
        num_digests: digests in `Retrieval.digests`.
        num_around: moments in `Retrieval.around`.
        num_latest: newest moments of each kind in `Retrieval.latest`.
        around_s: how far before or after an anchor `around` reaches, in seconds.
        text_floor: share of the question's meaning (idf) that a moment's words must hold.
        dense_false_rate: chance that vectors find something unrelated, over the whole search.
        dense_minimum: no cosine below this counts, whatever the background says.
        picture_floor: least cosine of two pictures that look alike.
        picture_margin: how far below the best of them another may lie.
        num_look_alikes: pictures in `Retrieval.look_alikes`.
    """

    num_hits: int = 8
    num_matched: int = 200
    num_within: int = 200
    num_digests: int = 40
    num_around: int = 12
    num_latest: int = 3
    around_s: float = 120.0
    text_floor: float = 0.55
    dense_false_rate: float = 0.02
    dense_minimum: float = 0.45
    picture_floor: float = 0.9
    picture_margin: float = 0.03
    num_look_alikes: int = 8


class _Anchored(NamedTuple):
    relation: EventRelation
    anchor: Moment | None
    key: int


class Recall:
    """Finds moments in one store; keeps the vectors of that store in memory between questions."""

    def __init__(
        self,
        store: Store,
        embedder: TextEmbedder,
        config: RecallConfig | None = None,
        tokens: TokenRecall | None = None,
    ) -> None:
        """Keep what is searched; `tokens` asks the paper's memory, if there is one."""
        self._tokens = tokens
        self._store = store
        self._embedder = embedder
        self._config = config or RecallConfig()
        self._vectors = VectorCache(store.database, embedder.model, embedder.dimension)

    def keep_up(self) -> None:
        """Note that a clip was remembered: every so often its vectors go into the cache files."""
        self._vectors.keep_up()

    def retrieve(
        self,
        question: Question,
        pending: Sequence[Moment] = (),
        now_wall_ns: int | None = None,
        pictures: Sequence[PendingPicture] = (),
    ) -> Retrieval:
        """Return everything that an answer to `question` may rest on.

        Args:
            question: what was asked, with its bounds.
            pending: moments that are perceived but not committed.
            now_wall_ns: UTC of the question; None takes the newest instant it can know of.
            pictures: descriptors of pending clips.
        """
        with self._store.snapshot():
            view = View(question, self._store.timelines(), pending)
            found = self._retrieve(question, view, now_wall_ns, pictures)
        if self._tokens is None or question.needs == "present":
            return found
        # A network takes its time, and must not hold a snapshot meanwhile.
        text = question.text[:MAX_QUESTION_CHARACTERS]
        return replace(found, tokens=self._tokens.recall(text, view, found))

    def _retrieve(
        self,
        question: Question,
        view: View,
        now_wall_ns: int | None,
        pictures: Sequence[PendingPicture],
    ) -> Retrieval:
        config, database = self._config, self._store.database
        presenter = Presenter(database, self._store.timelines())
        latest = latest_moments(database, presenter, view, config.num_latest)
        present = Retrieval(
            turn_id=question.turn_id,
            question=question,
            generation=database.generation,
            latest=latest,
            latest_picture=latest_picture(database, view),
            watched=view.watched(),
        )
        if question.needs == "present":
            return present
        text = question.text[:MAX_QUESTION_CHARACTERS]
        time = parse(text)
        resolved = ResolvedTime((), "")
        if time is not None:
            text = time.rest
            now = view.now_wall_ns if now_wall_ns is None else now_wall_ns
            resolved = resolve(time, list(view.lines.values()), view.ends, now)
            if resolved.problem and (said := self._said_when(view, time, question)):
                # "Who travels on Friday?": the day is what was said, not when it was said.
                text, time, resolved = said, None, ResolvedTime((), "")
        if question.picture:
            return self._looked_like(presenter, view, present, time, resolved, pictures)
        anchored = self._anchor(view, presenter, text, resolved.spans)
        if anchored is not None:
            text = anchored.relation.rest
        words = self._words(text)
        content = content_words(words)
        hits: list[Hit] = []
        matched: tuple[Moment, ...] = ()
        num_matches = 0
        if not any(word.weight >= 1.0 for word in content) and (time or anchored):
            content = ()  # "what was said in the first minute": the time is all that is asked for
        # Time words that cannot be met make every finding one from another time.
        if content and not resolved.problem:
            spans: Sequence[Span] = resolved.spans
            if anchored is not None:
                spans = self._side_of(view, anchored, spans)
            hits = self._search(view, text, spans)
            matched, num_matches = matching(
                database, presenter, view, content, spans, config.num_matched
            )
        within: tuple[Moment, ...] = ()
        num_within = 0
        is_overview = time is None and not any(word.weight >= 1.0 for word in content)
        if resolved.spans or is_overview:
            # "what was said?" asks for everything there is.
            within, num_within = within_spans(
                database, presenter, view, resolved.spans, config.num_within
            )
        digests: tuple[Moment, ...] = ()
        if num_within > config.num_within:
            digests = overview(database, view, resolved.spans, config.num_digests)
        elif resolved.spans:
            digests = remains(database, view, resolved.spans, config.num_digests)
        return Retrieval(
            turn_id=question.turn_id,
            question=question,
            generation=present.generation,
            hits=self._present_hits(presenter, view, hits),
            matches=num_matches,
            matched=matched,
            time_words=time.words if time else "",
            spans=resolved.spans,
            time_problem=resolved.problem,
            time_note=resolved.note,
            relation=anchored.relation.relation if anchored else "",
            anchor=anchored.anchor if anchored else None,
            around=self._around(presenter, view, anchored),
            within=within,
            within_total=num_within,
            digests=digests,
            content_words=tuple(word.surface for word in content),
            latest=latest,
            latest_picture=present.latest_picture,
            watched=present.watched,
        )

    def _looked_like(
        self,
        presenter: Presenter,
        view: View,
        present: Retrieval,
        time: TimeMention | None,
        resolved: ResolvedTime,
        pictures: Sequence[PendingPicture],
    ) -> Retrieval:
        """Return what looks like the picture that the question shows; its words only say when."""
        config = self._config
        alike: tuple[Moment, ...] = ()
        if not resolved.problem:
            alike = look_alikes(
                self._store.database,
                presenter,
                view,
                present.question,
                resolved.spans,
                pictures,
                floor=config.picture_floor,
                margin=config.picture_margin,
                limit=config.num_look_alikes,
            )
        return replace(
            present,
            time_words=time.words if time else "",
            spans=resolved.spans,
            time_problem=resolved.problem,
            time_note=resolved.note,
            look_alikes=alike,
        )

    def _search(
        self, view: View, text: str, spans: Sequence[Span], kinds: Sequence[Kind] = ()
    ) -> list[Hit]:
        config, database = self._config, self._store.database
        words = self._words(text)
        by_words = text_hits(database, view, words, text, spans, floor=config.text_floor, limit=50)
        by_vectors = dense_hits(
            self._vectors,
            self._embedder,
            view,
            " ".join(word.surface for word in words),
            spans,
            false_rate=config.dense_false_rate,
            minimum=config.dense_minimum,
            limit=50,
            database=database,
        )
        hits = fuse(by_words, by_vectors, 50)
        if kinds:
            of_kind = [hit for hit in hits if _kind_of(view, hit) in kinds]
            hits = of_kind or hits
        return hits[: config.num_hits]

    def _words(self, text: str) -> tuple[QueryWord, ...]:
        words = query_words(text)
        terms = [term for word in words for term in word.terms]
        return settled(words, frequencies(self._store.database, terms))

    def _said_when(self, view: View, time: TimeMention, question: Question) -> str:
        """Return the whole question if its time words were said in what answers it, else ""."""
        words = query_words(time.words) if time.sayable and not question.picture else ()
        if not words or not any(word.weight >= 1.0 for word in query_words(time.rest)):
            return ""
        text = question.text[:MAX_QUESTION_CHARACTERS]
        said = {term for word in words for term in word.terms}
        for hit in self._search(view, text, ()):
            found = view.pending[-1 - hit.key].text if hit.row is None else hit.row.text
            if said <= set(index_terms(found)):
                return text
        return ""

    def _anchor(
        self, view: View, presenter: Presenter, text: str, spans: Sequence[Span]
    ) -> _Anchored | None:
        relation = parse_relation(text)
        if relation is None:
            return None
        hits = self._search(view, relation.clause, spans, relation.kinds)
        if relation.is_sound and not any(_kind_of(view, hit) == "sound" for hit in hits):
            # Without a classifier a sound is only known as loud; the anchor says so itself.
            loud = newest_loud_sound(self._store.database, presenter, view, spans)
            if loud is not None:
                return _Anchored(relation, loud, 0)
        if not hits:
            return _Anchored(relation, None, 0)
        best = max(hits, key=lambda hit: (round(hit.score, 2), -hits.index(hit)))
        return _Anchored(relation, self._present_hits(presenter, view, [best])[0], best.key)

    def _side_of(self, view: View, anchored: _Anchored, spans: Sequence[Span]) -> list[Span]:
        """Return the part of `spans` (or of the anchor's stream) before or after the anchor."""
        anchor = anchored.anchor
        if anchor is None:
            return list(spans)
        line = view.lines[anchor.stream]
        start_ns, end_ns = line.start_ns, view.ends[anchor.stream]
        if anchored.relation.relation == "after":
            start_ns = max(start_ns, anchor.start_ns + 1)
        else:
            end_ns = min(end_ns, anchor.start_ns)
        sides = [
            (max(start_ns, span.start_ns), min(end_ns, span.end_ns))
            for span in spans
            if span.stream == anchor.stream
        ] or [(start_ns, end_ns)]
        return [
            Span(anchor.stream, start, end, line.local_at(start), line.local_at(end))
            for start, end in sides
            if start < end
        ] or [Span(anchor.stream, end_ns, end_ns, line.local_at(end_ns), line.local_at(end_ns))]

    def _around(
        self, presenter: Presenter, view: View, anchored: _Anchored | None
    ) -> tuple[Moment, ...]:
        if anchored is None or anchored.anchor is None:
            return ()
        return around_anchor(
            self._store.database,
            presenter,
            view,
            anchored.anchor,
            anchored.relation.relation,
            reach_ns=round(self._config.around_s * NS_PER_S),
            limit=self._config.num_around,
        )

    def _present_hits(
        self, presenter: Presenter, view: View, hits: Sequence[Hit]
    ) -> tuple[Moment, ...]:
        rows = [hit.row for hit in hits if hit.row is not None]
        scores = {hit.key: round(hit.score, 4) for hit in hits}
        shown = {
            row.id: moment
            for row, moment in zip(
                rows, presenter.present(rows, pictures=True, scores=scores), strict=True
            )
        }
        return tuple(
            shown[hit.key] if hit.row is not None else _scored(view.pending[-1 - hit.key], hit)
            for hit in hits
        )


def _scored(moment: Moment, hit: Hit) -> Moment:
    return replace(moment, score=round(hit.score, 4))


def _kind_of(view: View, hit: Hit) -> Kind:
    return view.pending[-1 - hit.key].kind if hit.row is None else KINDS[hit.row.kind]
