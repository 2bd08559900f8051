"""Finds the words of a question that name a time, and every way they can be read.

Words alone do not decide: "1:20" is a clock time of a live camera and a position in a film. So a
mention holds its readings, and `omnilive.memory.time_spans` picks the one that lies inside what
was watched. Only English is read so far; another language is another `_parse_...` in `parse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from omnilive.memory.time_patterns import (
    AGO,
    AT,
    AT_MINUTE,
    AT_SECONDS,
    BEGINNING,
    BETWEEN,
    DAY_PART,
    DAY_S,
    END,
    ENDS_TIME,
    FIRST,
    HALF,
    HOUR_S,
    INTO,
    JUST_NOW,
    MINUTE_S,
    MINUTES,
    MINUTES_AFTER,
    MONTHS,
    NUMBERS,
    PARTS,
    RECENT,
    UNITS,
    WEEKDAYS,
)

MAX_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Ago:
    """About `seconds` before now, give or take `slack_s`."""

    seconds: float
    slack_s: float


@dataclass(frozen=True, slots=True)
class Recent:
    """The `seconds` before now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Position:
    """Seconds from the start of a stream; negative ones from its end, None is the end itself."""

    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: counted from today, the last one with a weekday (0 is Monday), or a date.

    All None means any day, the newest that fits.
    """

    offset: int | None = None
    weekday: int | None = None
    month: int | None = None
    day: int | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local seconds of a day; `end_s` may pass 86400 into the next day."""

    day: Day
    start_s: float
    end_s: float


Reading: TypeAlias = Ago | Recent | Position | Calendar


@dataclass(frozen=True, slots=True)
class TimeMention:
    """The time words of a question and how they can be read, likelier readings first."""

    words: str
    readings: tuple[Reading, ...]
    rest: str


def parse(question: str) -> TimeMention | None:
    """Return the time words of a question with all their readings, or None if it has none."""
    return _parse_english(question[:MAX_CHARACTERS])


def _parse_english(text: str) -> TimeMention | None:
    for pattern, read in _READERS:
        if found := pattern.search(text):
            readings = read(found)
            if readings:
                return _mention(text, [found], readings)
    return _parse_calendar(text)


def _parse_calendar(text: str) -> TimeMention | None:
    found_day = DAY_PART.search(text)
    day, part = (Day(), None) if found_day is None else _read_day(found_day)
    for pattern in (BETWEEN, AT):
        for found in pattern.finditer(text):
            if found_day is not None and _overlap(found, found_day):
                continue
            if _is_bare(found) and not ENDS_TIME.match(text, found.end()):
                continue  # "about three people", "between 3 and 4 boxes"
            readings = _read_clock(found, day, part)
            if readings:
                return _mention(text, [m for m in (found_day, found) if m], readings)
    if found_day is None:
        return None
    start_s, end_s = part or (0, DAY_S)
    return _mention(text, [found_day], [Calendar(day, start_s, end_s)])


def _read_recent(match: re.Match[str]) -> list[Reading]:
    seconds = _seconds(match)
    if match["num"] is None and match["unit"].lower().startswith("day"):
        return [Recent(DAY_S)]
    return [Position(-seconds, None)] if match["of"] else [Recent(seconds)]


def _read_half(match: re.Match[str]) -> list[Reading]:
    seconds = (_number(match["num"]) + 0.5) * HOUR_S
    return [Ago(seconds, 0.15 * seconds)]


def _read_ago(match: re.Match[str]) -> list[Reading]:
    seconds = _seconds(match)
    if match["unit"].lower().startswith("day") and seconds == int(seconds):
        return [Calendar(Day(offset=-int(seconds // DAY_S)), 0, DAY_S)]
    return [Ago(seconds, max(15.0, 0.2 * seconds))]


def _read_minutes(match: re.Match[str]) -> list[Reading]:
    scale = UNITS[match["unit"].lower().rstrip("s")]
    start_s, end_s = _number(match["a"]) * scale, _number(match["b"]) * scale
    return [Position(start_s, end_s)] if start_s < end_s else []


def _read_at_minute(match: re.Match[str]) -> list[Reading]:
    scale = UNITS[match["unit"].lower()]
    start_s = _number(match["num"]) * scale
    return [Position(max(0.0, start_s - 5.0), start_s + max(scale, 5.0))]


def _read_into(match: re.Match[str]) -> list[Reading]:
    return [_around(_seconds(match))]


def _read_day(match: re.Match[str]) -> tuple[Day, tuple[int, int] | None]:
    part = next((match[name] for name in ("p1", "p2", "p3", "p4", "p5") if match[name]), None)
    window = PARTS[part.lower()] if part else None
    if match["ton"]:
        return Day(offset=0), (17 * HOUR_S, 30 * HOUR_S)
    if match["lastn"]:
        return Day(offset=-1), (18 * HOUR_S, 30 * HOUR_S)
    if match["this"] or match["today"]:
        return Day(offset=0), window
    if match["yest"]:
        return Day(offset=-1 if match["yest"].lower() == "yesterday" else -2), window
    if match["wd"]:
        return Day(weekday=WEEKDAYS.index(match["wd"].lower())), window
    if match["y"]:
        return Day(year=int(match["y"]), month=int(match["mo"]), day=int(match["d"])), window
    month, number = match["mn"] or match["mn2"], match["dn"] or match["dn2"]
    if month:
        return Day(month=MONTHS.index(month.lower()) + 1, day=int(number)), window
    return Day(), window


def _read_clock(match: re.Match[str], day: Day, part: tuple[int, int] | None) -> list[Reading]:
    """Return clock times and, for "1:20", positions, that one or two times can mean."""
    groups = match.groupdict()
    how = (groups.get("how") or "").lower()
    if "b" in groups:
        return _read_between(match["a"], match["b"], day, part)
    readings: list[Reading] = []
    for start_s, width_s in _clock_seconds(match["a"], part):
        if how in ("since", "after"):
            readings.append(Calendar(day, start_s, DAY_S))
        elif how in ("before", "until", "till", "by"):
            readings.append(Calendar(day, 0, start_s))
        elif how in ("around", "about"):
            readings.append(Calendar(day, start_s - 600, start_s + 600 + width_s))
        else:
            readings.append(Calendar(day, start_s, start_s + width_s))
    position_s = _position_seconds(match["a"])
    if position_s is not None and day == Day():
        if how in ("since", "after"):
            readings.append(Position(position_s, None))
        elif how in ("before", "until", "till", "by"):
            readings.append(Position(0.0, position_s))
        else:
            readings.append(_around(position_s))
    return readings


def _read_between(first: str, second: str, day: Day, part: tuple[int, int] | None) -> list[Reading]:
    if re.search(r"[ap]\.?m", second, re.IGNORECASE) and not re.search(
        r"[ap]\.?m", first, re.IGNORECASE
    ):
        meridiem = second.strip().lower()[-2:] if "." not in second else second[-4:]
        readings = _pairs(first + meridiem, second, day, part) or _pairs(first, second, day, part)
    else:
        readings = _pairs(first, second, day, part)
    positions = _position_seconds(first), _position_seconds(second)
    if day == Day():
        start_s, end_s = positions
        if start_s is not None and end_s is not None and start_s < end_s:
            readings.append(Position(start_s, end_s))
    return readings


def _pairs(first: str, second: str, day: Day, part: tuple[int, int] | None) -> list[Reading]:
    """Return the spans of at most 12 hours that two clock times can make."""
    return [
        Calendar(day, start_s, end_s)
        for start_s, _ in _clock_seconds(first, part)
        for end_s, _ in _clock_seconds(second, part)
        if 0 < end_s - start_s < 12 * HOUR_S
    ]


def _clock_seconds(words: str, part: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return (second of the day, how long that minute or second is), likelier first."""
    text = words.strip().lower()
    if text.startswith("noon"):
        return [(12 * HOUR_S, MINUTE_S)]
    if text.startswith("midnight"):
        return [(0, MINUTE_S), (DAY_S, MINUTE_S)]
    number = re.match(r"(\d{1,2})(?:[:.](\d{2}))?(?:[:.](\d{2}))?", text)
    if number:
        hour, minute, second = (int(group or 0) for group in number.groups())
        width = 10 if number[3] else MINUTE_S
    else:
        hour, minute, second = int(_number(re.split(r"\s|o'", text)[0])), 0, 0
        width = MINUTE_S
    if hour > 24 or minute > 59 or second > 59:
        return []
    rest = minute * MINUTE_S + second
    meridiem = re.search(r"([ap])\.?m", text)
    if meridiem:
        if hour > 12:
            return []
        return [((hour % 12 + (12 if meridiem[1] == "p" else 0)) * HOUR_S + rest, width)]
    if hour > 12 or hour == 0 or re.match(r"0\d", text):
        return [(hour * HOUR_S + rest, width)]
    morning, evening = hour % 12, hour % 12 + 12
    # Without a.m. or p.m. people mean the hours they are awake.
    hours = [evening, morning] if hour < 7 or hour == 12 else [morning, evening]
    seconds = [hour * HOUR_S + rest for hour in hours]
    if part is not None:
        # "3 in the morning" is before the morning begins.
        first = 0 if part[1] <= 12 * HOUR_S else part[0]
        seconds = [s for s in seconds if first <= s < part[1]] or seconds
    return [(s, width) for s in seconds]


def _position_seconds(words: str) -> float | None:
    number = re.fullmatch(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?", words.strip())
    if number is None or int(number[2]) > 59:
        return None
    if number[3] is None:
        return int(number[1]) * 60.0 + int(number[2])
    return int(number[1]) * 3600.0 + int(number[2]) * 60.0 + int(number[3])


def _around(position_s: float) -> Position:
    return Position(max(0.0, position_s - 5.0), position_s + 5.0)


def _seconds(match: re.Match[str]) -> float:
    unit = match["unit"].lower().rstrip("s")
    return _number(match["num"] or "one") * UNITS[unit]


def _number(words: str) -> float:
    words = " ".join(words.lower().split())
    return float(NUMBERS[words]) if words in NUMBERS else float(words)


def _is_bare(match: re.Match[str]) -> bool:
    """Whether a clock time is a lone number, which could count anything."""
    groups = match.groupdict()
    last = groups.get("b") or match["a"]
    return not re.search(r"[:.]|[ap]m|clock|noon|midnight", last, re.IGNORECASE)


def _overlap(a: re.Match[str], b: re.Match[str]) -> bool:
    return a.start() < b.end() and b.start() < a.end()


def _mention(text: str, found: list[re.Match[str]], readings: list[Reading]) -> TimeMention:
    found = sorted(found, key=lambda match: match.start())
    rest, at = [], 0
    for match in found:
        rest.append(text[at : match.start()])
        at = match.end()
    rest.append(text[at:])
    words = " ".join(match[0].strip() for match in found)
    return TimeMention(words, tuple(readings), " ".join(rest))


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[Reading]]], ...] = (
    (RECENT, _read_recent),
    (JUST_NOW, lambda match: [Recent(300.0)]),
    (HALF, _read_half),
    (AGO, _read_ago),
    (FIRST, lambda match: [Position(0.0, _seconds(match))]),
    (BEGINNING, lambda match: [Position(0.0, 60.0)]),
    (END, lambda match: [Position(-60.0, None)]),
    (MINUTES, _read_minutes),
    (MINUTES_AFTER, _read_minutes),
    (AT_MINUTE, _read_at_minute),
    (INTO, _read_into),
    (AT_SECONDS, _read_into),
)


def valid_date(year: int, month: int, day: int) -> date | None:
    """Return a date, or None if there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None
