"""What one question may see: streams, bounds, and the moments that are never evidence.

The store's rows and the moments not yet committed pass the same conditions, once as SQL and once
in Python; a property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omnilive.events import Moment, Question, Span
from omnilive.memory.moments import VOICES, MomentRow
from omnilive.memory.timeline import Timeline

UNBOUNDED = 1 << 62
MAX_SPANS = 200
MAX_STRETCHES = 500
_OWN = VOICES.index("own")


class View:
    """The part of a store, and of what is pending, that a question may rest on."""

    def __init__(
        self,
        question: Question,
        timelines: Mapping[int, Timeline],
        pending: Sequence[Moment] = (),
    ) -> None:
        self.lines = {
            stream: line
            for stream, line in timelines.items()
            if not question.scope or line.name == question.scope
        }
        bounds: dict[int, int] = {}
        for stream, ns in question.up_to:
            bounds[stream] = min(ns, bounds.get(stream, UNBOUNDED))
        self._bounds = {stream: bounds.get(stream, UNBOUNDED) for stream in self.lines}
        self._utterance = question.utterance
        self.pending = tuple(
            moment
            for moment in pending
            if moment.stream in self.lines
            and moment.start_ns < self._bounds[moment.stream]
            and moment.voice != "own"
            and moment.id != question.utterance
        )
        self.ends = {
            stream: min(
                self._bounds[stream],
                max([line.end_ns] + [m.end_ns for m in self.pending if m.stream == stream]),
            )
            for stream, line in self.lines.items()
        }
        self._reach_pending()

    @property
    def now_wall_ns(self) -> int:
        """The newest instant the question can know of, as wall time; 0 with nothing watched."""
        return max(
            (self.lines[s].wall_at(end) for s, end in self.ends.items() if self.lines[s].epochs),
            default=0,
        )

    def condition(self, spans: Sequence[Span] = ()) -> tuple[str, list[Any]]:
        """Return a condition on `moment m` and its bindings; `spans` empty means any time."""
        parts: list[str] = []
        bindings: list[Any] = []
        if spans:
            for span in spans[:MAX_SPANS]:
                parts.append(
                    "(m.stream = ? AND m.start_ns < ? AND max(m.end_ns, m.start_ns + 1) > ?)"
                )
                bindings += [span.stream, min(span.end_ns, self._bound(span.stream)), span.start_ns]
        else:
            for stream, bound in self._bounds.items():
                parts.append("(m.stream = ? AND m.start_ns < ?)")
                bindings += [stream, bound]
        sql = f"({' OR '.join(parts) or '0'}) AND m.voice != ? AND m.asked = 0"
        return sql, [*bindings, _OWN]

    def allows(self, row: MomentRow, spans: Sequence[Span] = ()) -> bool:
        """Whether a row may be seen, and lies in one of the spans if there are any."""
        return (
            row.start_ns < self._bound(row.stream)
            and row.voice != _OWN
            and not row.asked
            and row.public_id != self._utterance
            and lies_in(row.stream, row.start_ns, row.end_ns, spans)
        )

    def bound(self, stream: int) -> int:
        """Return the stream time at and after which nothing of a stream may be seen."""
        return self._bound(stream)

    def pending_in(self, spans: Sequence[Span]) -> list[tuple[int, Moment]]:
        """Return the pending moments in these spans (all without spans), with their places."""
        return [
            (place, m)
            for place, m in enumerate(self.pending)
            if lies_in(m.stream, m.start_ns, m.end_ns, spans)
        ]

    def watched(self) -> tuple[Span, ...]:
        """Return the stretches that the question can know of: the first, and the newest ones."""
        return tuple(
            Span(
                stream,
                start,
                min(end, self.ends[stream]),
                line.local_at(start),
                line.local_at(stop),
            )
            for stream, line in self.lines.items()
            for start, end in _bounded(line.watched())
            if start < self.ends[stream]
            for stop in [min(end, self.ends[stream])]
        )

    def _bound(self, stream: int) -> int:
        return self._bounds.get(stream, 0)

    def _reach_pending(self) -> None:
        """Let the newest epoch of each stream reach as far as what is pending in it."""
        for moment in self.pending:
            line = self.lines[moment.stream]
            if line.epochs and line.epochs[-1].end_ns < moment.end_ns:
                last = line.epochs[-1]._replace(end_ns=min(moment.end_ns, self._bound(line.stream)))
                self.lines[moment.stream] = line._replace(epochs=(*line.epochs[:-1], last))


def _bounded(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leave out what lies between the first and the newest of very many stretches."""
    if len(stretches) <= MAX_STRETCHES:
        return stretches
    return [stretches[0], *stretches[1 - MAX_STRETCHES :]]


def lies_in(stream: int, start_ns: int, end_ns: int, spans: Sequence[Span]) -> bool:
    """Whether a stretch overlaps one of the spans; always true without spans."""
    end_ns = max(end_ns, start_ns + 1)
    return not spans or any(
        span.stream == stream and start_ns < span.end_ns and end_ns > span.start_ns
        for span in spans[:MAX_SPANS]
    )
