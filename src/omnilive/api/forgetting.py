"""What a user names to be forgotten, as a request that a store understands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from omnilive.errors import UsageError
from omnilive.events import NS_PER_S, Moment
from omnilive.memory.forget_request import ForgetRequest, StreamSpan
from omnilive.memory.matching import moments_holding, within_span
from omnilive.memory.moments import Presenter
from omnilive.memory.store import Store
from omnilive.memory.timeline import Epoch, Timeline

_SHOWN = 50
_POSITION = re.compile(r"(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:\.\d+)?)s?")
_NEVER_NS = 1 << 62
_OPEN_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPreview:
    """What would go.

    Attributes:
        request: what a store is asked to forget.
        moments: the first of the moments that go, in order of time.
        num_moments, num_clips: how many there are; clips only where whole ones go.
    """

    request: ForgetRequest
    moments: tuple[Moment, ...]
    num_moments: int
    num_clips: int


def preview(
    store: Store,
    *,
    moment: str = "",
    span: tuple[str, str] | None = None,
    stream: str = "",
    query: str = "",
    pinned: bool = False,
) -> ForgetPreview:
    """Return what would be forgotten; an id stands alone, the others narrow one another.

    Args:
        store: where.
        moment: id of a moment, clip or block.
        span: two ISO 8601 times (local to the stream unless they carry an offset) or positions
            in a stream ("90", "1:30", "1:02:03").
        stream: only this one; alone: all of it.
        query: only moments that hold all these words.
        pinned: also what is pinned.

    Raises:
        UsageError: the arguments say nothing, or contradict one another.
        UnknownMoment: nothing has this id.
    """
    if moment:
        if span or stream or query:
            raise UsageError("Give an id, or --span, --stream and --query, not both.")
        found = store.get(moment)
        request = ForgetRequest(moments=(moment,), pinned=pinned)
        return ForgetPreview(request=request, moments=(found,), num_moments=1, num_clips=0)
    lines = _lines(store.timelines(), stream)
    spans = _spans(lines, span) if span else ()
    if query:
        return _of_query(store, query, tuple(lines) if stream else (), spans, pinned)
    if spans:
        return _of_spans(store, ForgetRequest(spans=spans, pinned=pinned), spans)
    if stream:
        whole = tuple(StreamSpan(number, 0, _NEVER_NS) for number in lines)
        return _of_spans(store, ForgetRequest(streams=tuple(lines), pinned=pinned), whole)
    raise UsageError("Say what to forget: an id, --span START END, --stream NAME or --query WORDS.")


def _of_query(
    store: Store, query: str, streams: Sequence[int], spans: Sequence[StreamSpan], pinned: bool
) -> ForgetPreview:
    rows = sorted(
        moments_holding(store.database, query, streams, spans),
        key=lambda row: (row.stream, row.start_ns),
    )
    if not rows:
        raise UsageError("No moment holds all these words; nothing was forgotten.")
    return ForgetPreview(
        request=ForgetRequest(moments=tuple(row.public_id for row in rows), pinned=pinned),
        moments=Presenter(store.database, store.timelines()).present(rows[:_SHOWN]),
        num_moments=len(rows),
        num_clips=0,
    )


def _of_spans(store: Store, request: ForgetRequest, spans: Sequence[StreamSpan]) -> ForgetPreview:
    within = [within_span(store.database, span, _SHOWN) for span in spans]
    rows = [row for each in within for row in each.first][:_SHOWN]
    return ForgetPreview(
        request=request,
        moments=Presenter(store.database, store.timelines()).present(rows),
        num_moments=sum(each.num_moments for each in within),
        num_clips=sum(each.num_clips for each in within),
    )


def _lines(timelines: Mapping[int, Timeline], stream: str) -> dict[int, Timeline]:
    if not stream:
        return dict(timelines)
    found = {number: line for number, line in timelines.items() if line.name == stream}
    if not found:
        known = ", ".join(sorted(line.name for line in timelines.values())) or "none yet"
        raise UsageError(f'There is no stream "{stream}"; there are: {known}.')
    return found


def _spans(lines: Mapping[int, Timeline], given: tuple[str, str]) -> tuple[StreamSpan, ...]:
    positions = [_position(text) for text in given]
    if None not in positions:
        start_ns, end_ns = positions
        assert start_ns is not None
        assert end_ns is not None
        if start_ns >= end_ns:
            raise UsageError("The span ends before it starts.")
        if len(lines) != 1:
            raise UsageError("A span of positions needs --stream, or times like 2026-05-01T12:30.")
        return tuple(StreamSpan(number, start_ns, end_ns) for number in lines)
    start, end = (_time(text) for text in given)
    found = []
    for number, line in lines.items():
        for index, epoch in enumerate(line.epochs):
            is_last = index + 1 == len(line.epochs)
            # What is not remembered yet lies closely behind the end.
            until_ns = epoch.end_ns + _OPEN_NS if is_last else line.epochs[index + 1].start_ns
            start_ns = max(epoch.start_ns, epoch.at_wall(_wall(start, line, epoch)))
            end_ns = min(until_ns, epoch.at_wall(_wall(end, line, epoch)))
            if start_ns < end_ns:
                found.append(StreamSpan(number, start_ns, end_ns))
    if not found:
        raise UsageError("Nothing was watched in that span; nothing was forgotten.")
    return tuple(found)


def _position(text: str) -> int | None:
    match = _POSITION.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return round((hours * 3600 + minutes * 60 + seconds) * NS_PER_S)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f'"{text[:40]}" is no time; write it like 2026-05-01T12:30, or as a position like 1:30.'
        ) from None


def _wall(when: datetime, line: Timeline, epoch: Epoch) -> int:
    if when.tzinfo is None:
        when = when.replace(tzinfo=line.zone_at(epoch.start_ns))
    return round(when.replace(microsecond=0).timestamp()) * NS_PER_S + when.microsecond * 1000
