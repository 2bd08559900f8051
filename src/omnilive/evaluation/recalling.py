"""What a question would have found at a moment of a stream that has been watched to its end.

The store holds what came later too. A bound on stream time keeps that out of every search; what
had begun and not ended at the moment is cut here, as it would not have been remembered yet: an
unfinished sentence, the clip that was open. The newest frame, which live memory keeps raw, is
given from outside, because a store keeps none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import UsageError
from omnilive.events import (
    NS_PER_S,
    MemoryTokens,
    Moment,
    Question,
    Retrieval,
    SelectedClip,
    UpTo,
    moment_id,
)
from omnilive.memory.moments import MomentQuery
from omnilive.system import System

_END_SLACK_NS = NS_PER_S // 2
_CONTEXT_CHARACTERS = 48_000
_MOST_OF_WINDOW = 0.75  # the rest is for the prompt's words, newest pictures and the answer
_MOST_SHOWN = 200


class Recalling:
    """One stream of an open store.

    Args:
        system: made with `write=False` and without a wall clock, so that "now" is the moment of
            the question.
        name: of the stream; the only one if "".

    Raises:
        UsageError: the store has no such stream.
    """

    def __init__(self, system: System, name: str = "") -> None:
        lines = {line.name: line for line in system.store.timelines().values() if line.epochs}
        if not name and len(lines) == 1:
            name = next(iter(lines))
        if name not in lines:
            known = ", ".join(sorted(lines)) or "none"
            raise UsageError(f'The memory has no stream "{name}"; there are: {known}.')
        self.system = system
        self.name = name
        self._line = lines[name]
        self.number = self._line.stream
        self.begin_ns = self._line.epochs[0].start_ns
        self.end_ns = self._line.epochs[-1].end_ns
        self.most_in_context = 1_000_000
        self._longest_ns = round(system.config.seeing.clips.max_clip_s * NS_PER_S)

    def moment_ns(self, position_s: float) -> int:
        """Return the stream time of a position; at the very end everything counts."""
        at_ns = self.begin_ns + round(position_s * NS_PER_S)
        return self.end_ns if abs(at_ns - self.end_ns) <= _END_SLACK_NS else at_ns

    def position_s(self, at_ns: int) -> float:
        """Return the position of a stream time."""
        return (at_ns - self.begin_ns) / NS_PER_S

    @property
    def began_s(self) -> float:
        """Local time of day at position 0, in seconds."""
        hour, minute, second = self._line.local_at(self.begin_ns)[11:23].split(":")
        return int(hour) * 3600 + int(minute) * 60 + float(second)

    # --- what was found -----------------------------------------------------------------

    def recall(self, question: Question, at_ns: int, newest: bytes = b"") -> Retrieval:
        """Return what memory finds at `at_ns`; `newest` is the newest frame then, as JPEG."""
        found = self._finished(self._push(question, at_ns), at_ns)
        known_ns = self._known_before(at_ns)
        if known_ns < at_ns and (found.tokens is not None or not newest):
            # Its tokens and its picture are made when a clip is over.
            earlier = self._push(question, known_ns)
            found = replace(found, tokens=earlier.tokens, latest_picture=earlier.latest_picture)
        return replace(found, latest_picture=newest) if newest else found

    def everything(self, question: Question, at_ns: int, newest: bytes) -> Retrieval | str:
        """Return all that was remembered before `at_ns`; or why it does not fit."""
        found = self.recall(question, at_ns, newest)
        if found.tokens is not None and self.system.reasoner is not None:
            rows = self._all_rows(at_ns)
            num = sum(len(each.short_term) for each in rows) + len(found.tokens.long_term)
            window = self.system.reasoner.network.window
            if num > window * _MOST_OF_WINDOW:
                return f"{num} memory tokens do not fit the language model's window of {window}."
            tokens = replace(found.tokens, selected=tuple(rows))
            return _narrowed(found, (), tokens)
        moments = self.system.store.moments(
            MomentQuery(stream=self.number, end_ns=at_ns, limit=_CONTEXT_CHARACTERS)
        )
        kept = [one for one in self._finished_ones(moments, at_ns) if one.text]
        characters = sum(len(one.text) for one in kept)
        if characters > _CONTEXT_CHARACTERS:
            return (
                f"What was remembered has more than {_CONTEXT_CHARACTERS} characters, which is all "
                "that is told to a server."
            )
        return replace(_narrowed(found, (), None), within=tuple(kept), within_total=len(kept))

    def evidence(
        self,
        question: Question,
        at_ns: int,
        newest: bytes,
        spans: Sequence[tuple[float, float]],
    ) -> Retrieval:
        """Return what was remembered of `spans` (positions in seconds), and nothing else."""
        found = self.recall(question, at_ns, newest)
        if question.needs == "present":
            return found
        bounds = [
            (self.moment_ns(start), max(self.moment_ns(end), self.moment_ns(start) + 1))
            for start, end in spans
        ]
        shown: dict[str, Moment] = {}
        for start_ns, end_ns in bounds:
            query = MomentQuery(
                stream=self.number, start_ns=start_ns, end_ns=end_ns, limit=_MOST_SHOWN
            )
            for one in self._finished_ones(self.system.store.moments(query), at_ns):
                if one.voice != "own" and len(shown) < _MOST_SHOWN:
                    picture = self.system.store.get(one.id).picture
                    shown.setdefault(one.id, replace(one, score=1.0, picture=picture))
        tokens = found.tokens
        if tokens is not None:
            inside = [
                one
                for one in self._all_rows(at_ns, pictures=True)
                if any(
                    one.moment.start_ns < end_ns and start_ns < one.moment.end_ns
                    for start_ns, end_ns in bounds
                )
            ]
            tokens = replace(tokens, selected=tuple(inside))
        return _narrowed(found, tuple(shown.values()), tokens)

    # --- behind the scenes --------------------------------------------------------------

    def _push(self, question: Question, before_ns: int) -> Retrieval:
        bounded = replace(question, up_to=(UpTo(self.number, before_ns),), scope=self.name)
        for event in self.system.memory.push(bounded, Cancel()):
            if isinstance(event, Retrieval):
                return replace(event, question=question)
        raise AssertionError("Memory answers every question with one retrieval.")

    def _known_before(self, at_ns: int) -> int:
        """Return the start of the clip that was open at `at_ns`; `at_ns` if none was."""
        row = self.system.store.database.row(
            "SELECT start_ns, end_ns FROM node WHERE level = 0 AND stream = ? AND start_ns < ? "
            "ORDER BY start_ns DESC LIMIT 1",
            (self.number, at_ns),
        )
        if row is None or self._is_over(row[0], row[1], at_ns):
            return at_ns
        return int(row[0])

    def _is_over(self, start_ns: int, end_ns: int, at_ns: int) -> bool:
        # A row longer than any clip is a run of quiet ones: what it shows is its first clip's.
        return end_ns <= at_ns or start_ns + self._longest_ns <= at_ns

    def _finished_ones(self, moments: Iterable[Moment], at_ns: int) -> list[Moment]:
        kept = []
        for one in moments:
            if one.stream != self.number or one.end_ns <= at_ns:
                kept.append(one)
            elif one.start_ns < at_ns and (
                one.kind == "screen"
                or (one.kind == "picture" and self._is_over(one.start_ns, one.end_ns, at_ns))
            ):
                kept.append(replace(one, end_ns=at_ns))
        return kept

    def _finished(self, found: Retrieval, at_ns: int) -> Retrieval:
        def kept(moments: Sequence[Moment]) -> tuple[Moment, ...]:
            return tuple(self._finished_ones(moments, at_ns))

        matched, within = kept(found.matched), kept(found.within)
        anchor = kept((found.anchor,)) if found.anchor is not None else ()
        return replace(
            found,
            hits=kept(found.hits),
            matched=matched,
            matches=found.matches - len(found.matched) + len(matched),
            anchor=anchor[0] if anchor else None,
            around=kept(found.around),
            within=within,
            within_total=found.within_total - len(found.within) + len(within),
            digests=kept(found.digests),
            latest=kept(found.latest),
            look_alikes=kept(found.look_alikes),
        )

    def _all_rows(self, at_ns: int, *, pictures: bool = False) -> list[SelectedClip]:
        """Return H of every clip that was over at `at_ns`, in order of time."""
        learned, store = self.system.learned, self.system.store
        if learned is None:
            return []
        rows = store.database.rows(
            "SELECT n.start_ns, n.end_ns, n.name, t.data FROM node n "
            "JOIN clip_token t ON t.node = n.id "
            "WHERE n.level = 0 AND n.stream = ? AND n.start_ns < ? ORDER BY n.start_ns",
            (self.number, at_ns),
        )
        clips = []
        for start_ns, end_ns, name, data in rows:
            if self._is_over(start_ns, end_ns, at_ns):
                moment = store.get(name or moment_id("c", self.number, start_ns))
                clips.append(
                    SelectedClip(
                        clip=moment.clip,
                        short_term=np.frombuffer(data, dtype="<f2").reshape(-1, learned.width),
                        score=1.0,
                        moment=moment if pictures else replace(moment, picture=b""),
                    )
                )
        return clips


def _narrowed(
    found: Retrieval, shown: tuple[Moment, ...], tokens: MemoryTokens | None
) -> Retrieval:
    """Return a retrieval that found `shown` and nothing else.

    Time words and what a question refers to ("after the concert") keep their meaning.
    """
    ids = {one.id for one in shown}
    matched = tuple(one for one in shown if one.id in {each.id for each in found.matched})
    within = tuple(one for one in found.within if one.id in ids)
    return replace(
        found,
        hits=shown,
        matched=matched,
        matches=len(matched),
        around=shown if found.relation else (),
        within=within,
        within_total=len(within),
        digests=(),
        look_alikes=(),
        tokens=tokens,
    )
