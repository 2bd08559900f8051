"""What a question means, by the paper's network: long-term memory and the clips it selects.

The question pass gives the question's vector behind the long-term memory of each stream; clips are
compared with it by their H-hat (paper, section 3.2). Candidates are what words, times and pictures
have found, and the clips whose H-hat is nearest; a threshold selects among them, never among all
there is, so it means the same whatever the age of the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import BackendError, UnknownMoment
from omnilive.events import MemoryTokens, Moment, Retrieval, SelectedClip, moment_id
from omnilive.memory import clip_tokens, moments
from omnilive.memory.clip_tokens import GLOBALS
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.memory.integration import Integration
from omnilive.memory.learned import LearnedMemory
from omnilive.memory.row_ranges import windows_of
from omnilive.memory.store import Store
from omnilive.memory.vector_cache import VectorCache
from omnilive.memory.view import View

_TEMPERATURE = 0.1  # of the release's softmax
_MOST_FOUND = 256  # clips that words and times found


class _Candidate(NamedTuple):
    """A clip that may be meant."""

    node: int
    stream: int
    start_ns: int
    cosine: float


class TokenRecall:
    """Asks one store by one network."""

    def __init__(self, store: Store, learned: LearnedMemory, config: CompressorConfig) -> None:
        self.integration = Integration(store.database, learned, config)
        self._store = store
        self._learned = learned
        self._config = config
        self._globals = VectorCache(store.database, learned.model, learned.width, GLOBALS)

    def keep_up(self, stream: int) -> None:
        """Take note that tokens of a clip were stored; see `Integration.keep_up`."""
        self._globals.keep_up()
        self.integration.keep_up(stream)

    def recall(self, text: str, view: View, found: Retrieval) -> MemoryTokens:
        """Return the memory tokens for a question.

        Args:
            text: what was asked, of bounded length.
            view: what it may see.
            found: what words and times have found.
        """
        try:
            return self._recall(text, view, found)
        except BackendError as error:
            nothing = self._learned.as_array([])
            return MemoryTokens(model=self._learned.model, long_term=nothing, problem=str(error))

    def _recall(self, text: str, view: View, found: Retrieval) -> MemoryTokens:
        streams, parts, problem = [], [], ""
        for stream in sorted(view.lines):
            memory = self.integration.long_term(stream, view.bound(stream))
            problem = problem or memory.problem
            if memory.parts:
                streams.append(stream)
                parts.append(memory.parts)
        selected: tuple[SelectedClip, ...] = ()
        if streams and text.strip():
            vectors = self._learned.question(parts, text)
            asked = dict(zip(streams, vectors, strict=True))
            with self._store.snapshot():
                selected = self._select(self._candidates(asked, view, found))
        return MemoryTokens(
            model=self._learned.model,
            long_term=self._learned.as_array([each for part in parts for each in part]),
            selected=selected,
            problem=problem,
        )

    # --- candidates ---------------------------------------------------------------------

    def _candidates(
        self, asked: dict[int, NDArray[np.float32]], view: View, found: Retrieval
    ) -> list[_Candidate]:
        """Return the clips that may be meant, each with its cosine, once."""
        nodes = set(self._nodes_of(found))
        if not found.time_problem:
            self._globals.refresh()
            floor = self._config.min_cosine if self._config.select == "cosine" else -1.0
            windows = windows_of(view, found.spans)
            for stream, vector in asked.items():
                inside = [window for window in windows if window.stream == stream]
                near = self._globals.nearest(
                    vector, inside, floor=floor, limit=self._config.num_candidates
                )
                nodes.update(each.moment for each in near)
        model = clip_tokens.model_of(self._store.database, self._learned.model)
        candidates = []
        for node in sorted(nodes):
            row = self._store.database.row(
                "SELECT n.stream, n.start_ns, g.data FROM node n JOIN global_memory g "
                "ON g.node = n.id WHERE n.id = ? AND g.model = ?",
                (node, model),
            )
            if row is None or row[0] not in asked or row[1] >= view.bound(row[0]):
                continue
            (unit,) = clip_tokens.unpack([row[2]], self._learned.width)
            candidates.append(_Candidate(node, row[0], row[1], float(unit @ asked[row[0]])))
        return candidates

    def _nodes_of(self, found: Retrieval) -> Iterable[int]:
        """Yield the clips in which words and times have found something, the best first."""
        several: list[Moment] = [*found.hits, *found.around, *found.matched, *found.within]
        if found.anchor is not None:
            several.append(found.anchor)
        several += found.look_alikes
        clips = list(dict.fromkeys(moment.clip for moment in several))[:_MOST_FOUND]
        for clip in clips:
            try:
                node = moments.find(self._store.database, clip).node
            except UnknownMoment:
                continue  # not remembered yet
            if node is not None:
                yield node

    # --- selection ----------------------------------------------------------------------

    def _select(self, candidates: list[_Candidate]) -> tuple[SelectedClip, ...]:
        """Return the best candidates that pass the threshold and whose H is there, by time."""
        scores = np.array([each.cosine for each in candidates], dtype=np.float64)
        least = self._config.min_cosine
        if self._config.select == "probability" and len(scores):
            powers = np.exp((scores - scores.max()) / _TEMPERATURE)
            scores, least = powers / powers.sum(), self._config.min_probability
        database, lines = self._store.database, self._store.timelines()
        chosen: list[tuple[int, SelectedClip]] = []
        for place in np.argsort(-scores, kind="stable"):
            # "Above", as in the release.
            if not scores[place] > least or len(chosen) == self._config.most_selected:
                break
            node, stream, start_ns, _ = candidates[place]
            data = database.value("SELECT data FROM clip_token WHERE node = ?", (node,))
            if data is None:
                continue  # the budget has taken it
            clip = database.value("SELECT name FROM node WHERE id = ?", (node,))
            moment = self._store.get(clip or moment_id("c", stream, start_ns))
            rows = np.frombuffer(data, dtype="<f2").reshape(-1, self._learned.width)
            picked = SelectedClip(
                clip=moment.clip,
                short_term=rows,
                score=round(float(scores[place]), 6),
                moment=moment,
            )
            chosen.append((lines[stream].wall_at(start_ns), picked))
        return tuple(picked for _, picked in sorted(chosen, key=lambda each: each[0]))
