"""What a time mention means for the streams at hand: the reading that was really watched.

"Now" is when the question was asked. Of several readings the likeliest one that lies in what was
watched wins; positions come first for files whose clock time is a guess, clock times for the
rest. Where more than one could be meant, a note says which was taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from typing import NamedTuple, TypeAlias

from omnilive.events import NS_PER_S, Span
from omnilive.memory.local_clock import Range, joined, wall_ranges
from omnilive.memory.time_readings import (
    DAY_S,
    Ago,
    Calendar,
    Day,
    Period,
    Position,
    Reading,
    Recent,
    Since,
    TimeMention,
    Until,
    valid_date,
)
from omnilive.memory.timeline import Timeline, local_datetime

Dated: TypeAlias = Calendar | Period | Since | Until

MAX_DAYS_TRIED = 400
_MOSTLY = 0.5


class ResolvedTime(NamedTuple):
    """Spans that were watched, or one sentence that says why there are none.

    `note` is one sentence that says how words of several meanings were taken; "" if plain.
    """

    spans: tuple[Span, ...]
    problem: str
    note: str = ""


class _Taken(NamedTuple):
    spans: tuple[Span, ...]
    is_whole: bool


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
        return ResolvedTime((), _nothing_watched(mention))
    ordered = _ordered(mention.readings, lines)
    found: dict[Reading, _Taken] = {}
    for reading in ordered:
        taken = _take(reading, lines, ends, now_wall_ns)
        if taken.spans:
            found[reading] = taken
    if not found:
        return ResolvedTime((), _not_watched(mention, lines, ends))
    chosen = next(iter(found))
    if isinstance(chosen, Calendar) and not found[chosen].is_whole:
        # Watched from eight to ten past three: "between 3 and 4" is rather at night, if that was.
        chosen = next((o for o, t in found.items() if _is_beside(o, chosen) and t.is_whole), chosen)
    spans = found[chosen].spans
    # Three in the afternoon or at night: both were watched, so it is said which was taken.
    is_open = any(_is_beside(one, chosen) and found[one].spans != spans for one in found)
    is_plain = chosen == ordered[0] and not is_open
    return ResolvedTime(spans, "", "" if is_plain else _note(mention, spans))


def _is_beside(one: Reading, other: Reading) -> bool:
    """Whether two readings are different clock times of the same day."""
    return isinstance(one, Calendar) and isinstance(other, Calendar) and one.day == other.day


def _ordered(readings: Sequence[Reading], lines: Sequence[Timeline]) -> list[Reading]:
    def is_late(reading: Reading) -> bool:
        by_position = all(
            line.is_file and line.epochs[-1].origin in ("creation", "watching") for line in lines
        )
        return by_position != isinstance(reading, Position)

    return sorted(readings, key=is_late)


def _take(
    reading: Reading, lines: Sequence[Timeline], ends: Mapping[int, int], now_wall_ns: int
) -> _Taken:
    """Return the spans of a reading, and whether most of what it names was watched."""
    spans: list[Span] = []
    asked_ns = 0
    for line in lines:
        own, length_ns = _spans(reading, line, ends[line.stream], now_wall_ns)
        spans += own
        asked_ns = max(asked_ns, length_ns)
    watched_ns = max(
        (
            sum(span.end_ns - span.start_ns for span in spans if span.stream == line.stream)
            for line in lines
        ),
        default=0,
    )
    return _Taken(tuple(spans), watched_ns >= _MOSTLY * asked_ns)


def _spans(
    reading: Reading, line: Timeline, end_ns: int, now_wall_ns: int
) -> tuple[list[Span], int]:
    if isinstance(reading, Position):
        spans = _of_position(reading, line, end_ns)
        return spans, sum(span.end_ns - span.start_ns for span in spans)
    if isinstance(reading, Recent | Ago):
        spans = _of_recent(reading, line, end_ns, now_wall_ns)
        return spans, sum(span.end_ns - span.start_ns for span in spans)
    zone = line.zone_at(end_ns)
    for ranges in _ranges(reading, line, end_ns, now_wall_ns, zone):
        spans = _of_wall(line, end_ns, ranges)
        if spans:
            own = ranges(zone)
            return spans, sum(stop - start for start, stop in own)
    return [], 0


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


def _named(reading: Dated) -> Calendar | Period:
    return reading if isinstance(reading, Calendar | Period) else reading.of


class _Ranges:
    """Stretches of wall time, which depend on the zone that an epoch's times are shown in."""

    def __init__(
        self, reading: Dated, day: date, now_wall_ns: int, last: date | None = None
    ) -> None:
        self._reading = reading
        self._day = day
        self._last = last or day
        self._now_wall_ns = now_wall_ns
        self._known: dict[tzinfo, list[Range]] = {}

    def __call__(self, zone: tzinfo) -> list[Range]:
        if zone not in self._known:
            self._known[zone] = self._in(zone)
        return self._known[zone]

    def _in(self, zone: tzinfo) -> list[Range]:
        reading = self._reading
        of = _named(reading)
        if isinstance(of, Calendar):
            ranges = wall_ranges(self._day, of.start_s, of.end_s, zone)
        else:
            days = (self._last - self._day).days + 1
            ranges = wall_ranges(self._day, 0, days * DAY_S, zone)
        if isinstance(reading, Calendar | Period) or not ranges:
            return ranges
        start_ns = ranges[0][0]
        if isinstance(reading, Since):
            return joined([(start_ns, self._now_wall_ns + 1)])
        return joined([(0, start_ns)])


def _ranges(
    reading: Dated,
    line: Timeline,
    end_ns: int,
    now_wall_ns: int,
    zone: tzinfo,
) -> Iterator[_Ranges]:
    """Yield what a reading of the calendar can be, newest first."""
    of = _named(reading)
    today = local_datetime(now_wall_ns, zone).date()
    if isinstance(of, Calendar):
        for day in _days(of.day, line, end_ns, today, zone):
            yield _Ranges(reading, day, now_wall_ns)
    else:
        for first, last in _periods(of, today):
            yield _Ranges(reading, first, now_wall_ns, last)


def _periods(period: Period, today: date) -> list[tuple[date, date]]:
    """Return first and last days that a period can mean, likelier first."""
    monday = today - timedelta(days=today.weekday())
    if period.unit == "week":
        first = monday + timedelta(weeks=period.offset)
        return [(first, first + timedelta(days=6))]
    if period.unit == "weekend":
        first = monday + timedelta(weeks=period.offset, days=5)
        found = [(first, first + timedelta(days=1))]
        # "The weekend", on a Wednesday, is the one that has been.
        back = timedelta(weeks=1)
        return found if first <= today else [(day - back, last - back) for day, last in found]
    if period.unit == "year":
        year = period.year if period.year is not None else today.year + period.offset
        return _month_span(year, 1, 12)
    if period.month is None:
        index = today.year * 12 + today.month - 1 + period.offset
        return _month_span(index // 12, index % 12 + 1, 1)
    if period.year is not None:
        return _month_span(period.year, period.month, 1)
    begun = today.year if period.month <= today.month else today.year - 1
    return [*_month_span(begun, period.month, 1), *_month_span(begun - 1, period.month, 1)]


def _month_span(year: int, month: int, count: int) -> list[tuple[date, date]]:
    index = year * 12 + month - 1 + count
    first = valid_date(year, month, 1)
    after = valid_date(index // 12, index % 12 + 1, 1)
    return [] if first is None or after is None else [(first, after - timedelta(days=1))]


def _of_wall(line: Timeline, end_ns: int, ranges: _Ranges) -> list[Span]:
    spans: list[Span] = []
    for index, epoch in enumerate(line.epochs):
        after = line.epochs[index + 1 : index + 2]
        limit_ns = min(after[0].start_ns if after else end_ns, max(epoch.end_ns, epoch.start_ns))
        limit_ns = min(limit_ns, end_ns)
        if limit_ns <= epoch.start_ns:
            continue
        for start_wall_ns, end_wall_ns in ranges(line.zone_at(epoch.start_ns)):
            start_ns = max(epoch.start_ns, epoch.at_wall(start_wall_ns))
            stop_ns = min(limit_ns, epoch.at_wall(end_wall_ns))
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


def _days(day: Day, line: Timeline, end_ns: int, today: date, zone: tzinfo) -> list[date]:
    """Return the dates that a day can be, likelier first."""
    if day.offset is not None:
        return [today + timedelta(days=max(day.offset, -200_000))]
    if day.weekday is not None:
        if day.week is not None:
            monday = today - timedelta(days=today.weekday())
            return [monday + timedelta(weeks=day.week, days=day.weekday)]
        back = (today.weekday() - day.weekday) % 7 or 7
        return [today - timedelta(days=back)]
    if day.month is not None and day.day is not None:
        years = [day.year] if day.year is not None else [today.year, today.year - 1]
        found = [valid_date(year, day.month, day.day) for year in years]
        return [one for one in found if one is not None]
    if day.day is not None:
        months = [divmod(today.year * 12 + today.month - 1 - back, 12) for back in range(13)]
        found = [valid_date(year, month + 1, day.day) for year, month in months]
        return [one for one in found if one is not None and one <= today]
    days = {today: None}
    for start_ns, stop_ns in reversed(_stretches(line, end_ns)):
        first = local_datetime(line.wall_at(start_ns), zone).date()
        last = local_datetime(line.wall_at(stop_ns), zone).date()
        while last >= first and len(days) < MAX_DAYS_TRIED:
            days[last] = None
            last -= timedelta(days=1)
    return [one for one in days if one <= today] or [today]


def _note(mention: TimeMention, spans: Sequence[Span]) -> str:
    first, last = min(span.start_at for span in spans), max(span.end_at for span in spans)
    start, end = _shown(first), _shown(last)
    end = end[11:] if start[:10] == end[:10] else end
    if mention.chinese:
        return f"我把\u201c{mention.words}\u201d理解为 {start} 到 {end}。"
    return f'I took "{mention.words}" as {start} to {end}.'


def _nothing_watched(mention: TimeMention) -> str:
    return "还没有观看过任何内容。" if mention.chinese else "Nothing has been watched yet."


def _not_watched(mention: TimeMention, lines: Sequence[Timeline], ends: Mapping[int, int]) -> str:
    watched = []
    for line in lines:
        stretches = _stretches(line, ends[line.stream])
        if stretches:
            first, last = line.local_at(stretches[0][0]), line.local_at(stretches[-1][1])
            joiner = (" 从 ", " 到 ") if mention.chinese else (" from ", " to ")
            watched.append(f"{line.name}{joiner[0]}{_shown(first)}{joiner[1]}{_shown(last)}")
    if not watched:
        return _nothing_watched(mention)
    if mention.chinese:
        return f"\u201c{mention.words}\u201d没有观看；记得的是：{'、'.join(watched[:3])}。"
    return f'Nothing was watched "{mention.words}"; what is remembered: {", ".join(watched[:3])}.'


def _shown(local: str) -> str:
    return local[:19].replace("T", " ")


def _ns(seconds: float) -> int:
    return round(min(seconds, 1e10) * NS_PER_S)
