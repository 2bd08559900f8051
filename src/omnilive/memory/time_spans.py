"""What a time mention means for the streams at hand: the reading that was really watched.

"Now" is when the question was asked. Of several readings the first one that touches what was
watched wins; positions come first for files whose clock time is a guess, clock times for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from omnilive.events import NS_PER_S, Span
from omnilive.memory.time_expressions import (
    Ago,
    Calendar,
    Day,
    Position,
    Reading,
    Recent,
    TimeMention,
    valid_date,
)
from omnilive.memory.timeline import Timeline, local_datetime

MAX_DAYS_TRIED = 400


class ResolvedTime(NamedTuple):
    """Spans that were watched, or one sentence that says why there are none."""

    spans: tuple[Span, ...]
    problem: str


def resolve(
    mention: TimeMention,
    lines: Sequence[Timeline],
    ends: Mapping[int, int],
    now_wall_ns: int,
) -> ResolvedTime:
    """Return what time words mean for some streams.

    Args:
        mention: the time words and their readings.
        lines: the streams asked about.
        ends: for each of them, the end (stream time) of what the asker can know.
        now_wall_ns: UTC of the question.
    """
    lines = [line for line in lines if line.epochs]
    if not lines:
        return ResolvedTime((), "Nothing has been watched yet.")
    for reading in _ordered(mention.readings, lines):
        spans = tuple(
            span for line in lines for span in _spans(reading, line, ends[line.stream], now_wall_ns)
        )
        if spans:
            return ResolvedTime(spans, "")
    return ResolvedTime((), _not_watched(mention.words, lines, ends))


def _ordered(readings: Sequence[Reading], lines: Sequence[Timeline]) -> list[Reading]:
    def is_late(reading: Reading) -> bool:
        by_position = all(
            line.is_file and line.epochs[-1].origin in ("creation", "watching") for line in lines
        )
        return by_position != isinstance(reading, Position)

    return sorted(readings, key=is_late)


def _spans(reading: Reading, line: Timeline, end_ns: int, now_wall_ns: int) -> list[Span]:
    if isinstance(reading, Position):
        return _of_position(reading, line, end_ns)
    if isinstance(reading, Recent | Ago):
        return _of_recent(reading, line, end_ns, now_wall_ns)
    if isinstance(reading, Calendar):
        zone = line.zone_at(end_ns)
        for day in _days(reading.day, line, end_ns, now_wall_ns, zone):
            start = _wall(day, reading.start_s, zone)
            spans = _of_wall(line, end_ns, start, _wall(day, reading.end_s, zone))
            if spans:
                return spans
    return []


def _of_position(reading: Position, line: Timeline, end_ns: int) -> list[Span]:
    last = _stretches(line, end_ns)[-1:] or [(line.start_ns, end_ns)]
    origin_ns, length_end_ns = line.start_ns, last[0][1]
    if line.is_file:
        # Positions in a file are its own time, whenever its parts were watched.
        epoch = line.epoch_at(length_end_ns - 1)
        origin_ns = epoch.start_ns - epoch.file_start_ns
    start_ns = (length_end_ns if reading.start_s < 0 else origin_ns) + _ns(reading.start_s)
    stop_ns = length_end_ns if reading.end_s is None else origin_ns + _ns(reading.end_s)
    return _cut(line, end_ns, start_ns, stop_ns)


def _of_recent(reading: Recent | Ago, line: Timeline, end_ns: int, now_wall_ns: int) -> list[Span]:
    epoch = line.epochs[-1]
    nows = [max(epoch.start_ns, epoch.at_wall(now_wall_ns))]
    if line.is_file:
        # "The last five minutes" of a file that was watched long ago are its own last minutes.
        nows.append(end_ns)
    for now_ns in nows:
        if isinstance(reading, Recent):
            start_ns, stop_ns = now_ns - _ns(reading.seconds), now_ns + 1
        else:
            start_ns = now_ns - _ns(reading.seconds + reading.slack_s)
            stop_ns = now_ns - _ns(max(0.0, reading.seconds - reading.slack_s))
        spans = _cut(line, end_ns, start_ns, stop_ns)
        if spans:
            return spans
    return []


def _of_wall(line: Timeline, end_ns: int, start_wall_ns: int, end_wall_ns: int) -> list[Span]:
    spans: list[Span] = []
    for index, epoch in enumerate(line.epochs):
        after = line.epochs[index + 1 :]
        limit_ns = min(after[0].start_ns if after else end_ns, max(epoch.end_ns, epoch.start_ns))
        start_ns = max(epoch.start_ns, epoch.at_wall(start_wall_ns))
        stop_ns = min(limit_ns, end_ns, epoch.at_wall(end_wall_ns))
        if start_ns < stop_ns:
            spans.append(_span(line, start_ns, stop_ns))
    return spans


def _cut(line: Timeline, end_ns: int, start_ns: int, stop_ns: int) -> list[Span]:
    return [
        _span(line, max(start_ns, first), min(stop_ns, last))
        for first, last in _stretches(line, end_ns)
        if max(start_ns, first) < min(stop_ns, last)
    ]


def _stretches(line: Timeline, end_ns: int) -> list[tuple[int, int]]:
    return [(start, min(stop, end_ns)) for start, stop in line.watched() if start < end_ns]


def _span(line: Timeline, start_ns: int, end_ns: int) -> Span:
    return Span(line.stream, start_ns, end_ns, line.local_at(start_ns), line.local_at(end_ns))


def _days(day: Day, line: Timeline, end_ns: int, now_wall_ns: int, zone: tzinfo) -> list[date]:
    today = local_datetime(now_wall_ns, zone).date()
    if day.offset is not None:
        return [today + timedelta(days=max(day.offset, -200_000))]
    if day.weekday is not None:
        back = (today.weekday() - day.weekday) % 7 or 7
        return [today - timedelta(days=back)]
    if day.month is not None and day.day is not None:
        years = [day.year] if day.year is not None else [today.year, today.year - 1]
        found = [valid_date(year, day.month, day.day) for year in years]
        return [one for one in found if one is not None]
    days = {today: None}
    for start_ns, stop_ns in reversed(_stretches(line, end_ns)):
        first = local_datetime(line.wall_at(start_ns), zone).date()
        last = local_datetime(line.wall_at(stop_ns), zone).date()
        while last >= first and len(days) < MAX_DAYS_TRIED:
            days[last] = None
            last -= timedelta(days=1)
    return [one for one in days if one <= today] or [today]


def _wall(day: date, seconds: float, zone: tzinfo) -> int:
    extra, seconds = divmod(seconds, 86_400)
    midnight = datetime.combine(day + timedelta(days=int(extra)), time(), zone)
    # Local clock arithmetic: "9 in the morning" is 9 also on the day that the clocks change.
    local = midnight.replace(
        hour=int(seconds // 3600), minute=int(seconds % 3600 // 60), second=int(seconds % 60)
    )
    return int(local.timestamp()) * NS_PER_S


def _not_watched(words: str, lines: Sequence[Timeline], ends: Mapping[int, int]) -> str:
    watched = []
    for line in lines:
        stretches = _stretches(line, ends[line.stream])
        if stretches:
            first, last = line.local_at(stretches[0][0]), line.local_at(stretches[-1][1])
            watched.append(f"{line.name} from {_shown(first)} to {_shown(last)}")
    if not watched:
        return "Nothing has been watched yet."
    return f'Nothing was watched "{words}"; what is remembered: {", ".join(watched[:3])}.'


def _shown(local: str) -> str:
    return local[:19].replace("T", " ")


def _ns(seconds: float) -> int:
    return round(min(seconds, 1e10) * NS_PER_S)
