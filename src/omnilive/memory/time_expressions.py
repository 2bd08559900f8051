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

from omnilive.memory.wordlists import words

MAX_CHARACTERS = 2_000
MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400


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


_SMALL = words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
    """
)
_NUMBERS: dict[str, float] = {word: number for number, word in enumerate(_SMALL)} | {
    "a": 1,
    "an": 1,
    "the": 1,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "half a": 0.5,
    "half an": 0.5,
    "a couple of": 2,
    "couple of": 2,
    "couple": 2,
    "a few": 4,
    "few": 4,
    "several": 5,
}
_UNITS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
_UNITS["week"] = 604800
_NUMBER_WORDS = "|".join(sorted(map(re.escape, _NUMBERS), key=len, reverse=True))
_NUM = rf"(?:\d{{1,5}}(?:\.\d{{1,3}})?|{_NUMBER_WORDS})"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|days?|weeks?)"
_CLOCK_WORDS = "|".join(_SMALL[1:13])
_CLOCK = (
    r"(?:\d{1,2}(?:[:.]\d{2}){1,2}|\d{1,2}|noon|midnight|"
    + _CLOCK_WORDS
    + r")(?:\s*(?:[ap]\.?m\b\.?|o'?clock))?(?![\w:%])"
)
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTHS = words(
    """
    january february march april may june july august september october november december
    """
)
_PARTS = {
    "morning": (5 * HOUR_S, 12 * HOUR_S),
    "noon": (11 * HOUR_S, 14 * HOUR_S),
    "lunchtime": (11 * HOUR_S, 14 * HOUR_S),
    "afternoon": (12 * HOUR_S, 18 * HOUR_S),
    "evening": (17 * HOUR_S, 24 * HOUR_S),
    "night": (20 * HOUR_S, 30 * HOUR_S),
}
_PART = r"(?:morning|noon|lunchtime|afternoon|evening|night)"
_WEEKDAY = rf"(?:{'|'.join(_WEEKDAYS)})"
_MONTH = rf"(?:{'|'.join(_MONTHS)})"
_OF = r"(?:\s+of\s+(?:the|this|that)\s+(?:video|film|movie|recording|file|clip|talk|stream|audio))?"


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_RECENT = _re(
    rf"\b(?:in|during|within|over|for|from)?\s*(?:the\s+)?(?:last|past|previous)\s+"
    rf"(?:(?P<num>{_NUM})\s+)?(?P<unit>{_UNIT})\b(?P<of>{_OF})"
)
_JUST_NOW = _re(r"\b(?:just now|a moment ago|recently|a (?:little )?while ago)\b")
_AGO = _re(rf"\b(?:(?:about|around|some)\s+)?(?P<num>{_NUM})\s+(?P<unit>{_UNIT})\s+(?:ago|back)\b")
_HALF = _re(r"\b(?P<num>(?:an|one|two|\d+)) and a half hours? ago\b")
_FIRST = _re(
    rf"\b(?:in|during|within|for|over)?\s*(?:the\s+)?(?:very\s+)?first\s+"
    rf"(?:(?P<num>{_NUM})\s+)?(?P<unit>{_UNIT})\b{_OF}"
)
_BEGINNING = _re(rf"\b(?:at|in|near|from)\s+the\s+(?:very\s+)?(?:beginning|start){_OF}\b")
_END = _re(rf"\b(?:at|near|towards?)\s+the\s+(?:very\s+)?end{_OF}\b(?!\s+of)")
_MINUTES = _re(
    rf"\b(?:between|from)\s+(?P<unit>minute|second|hour)s?\s+(?P<a>{_NUM})\s+(?:and|to|until)\s+"
    rf"(?:(?:minute|second|hour)\s+)?(?P<b>{_NUM})\b"
)
_MINUTES_AFTER = _re(
    rf"\b(?:between|from)\s+(?P<a>{_NUM})\s+(?:and|to|until)\s+(?P<b>{_NUM})\s+"
    rf"(?P<unit>seconds?|secs?|minutes?|mins?)\b"
)
_AT_MINUTE = _re(rf"\b(?:at|around|in|by)\s+(?:the\s+)?(?P<unit>minute|second)\s+(?P<num>{_NUM})\b")
_AT_SECONDS = _re(
    rf"\b(?:at|around)\s+(?P<num>{_NUM})\s+(?P<unit>seconds?|secs?|minutes?|mins?)\b(?:\s+in(?:to)?"
    r"(?:\s+the\s+\w+)?)?"
)
_INTO = _re(rf"\b(?P<num>{_NUM})\s+(?P<unit>seconds?|minutes?|hours?)\s+in(?:to\s+the\s+\w+)?\b")
_BETWEEN = _re(rf"\b(?:between|from)\s+(?P<a>{_CLOCK})\s+(?:and|to|until|till|-)\s+(?P<b>{_CLOCK})")
_AT = _re(
    rf"\b(?P<how>at|around|about|since|after|before|until|till|by)\s+(?P<a>{_CLOCK})"
    rf"(?!\s+{_UNIT})"
)
_ENDS_TIME = _re(
    r"\s*(?:$|[?.!,;]|(?:today|yesterday|tonight|in|on|this|last|and|what|who|where|did|was|were|"
    r"there|happened)\b)"
)
_DAY_PART = _re(
    rf"\b(?:(?P<this>this)\s+(?P<p1>{_PART})|(?P<ton>tonight)|(?P<lastn>last)\s+night"
    rf"|(?P<yest>(?:the\s+day\s+before\s+)?yesterday)(?:\s+(?P<p2>{_PART}))?"
    rf"|(?P<today>today)|(?:on|last|this)\s+(?P<wd>{_WEEKDAY})(?:\s+(?P<p3>{_PART}))?"
    rf"|(?:on\s+)?(?P<y>\d{{4}})-(?P<mo>\d{{2}})-(?P<d>\d{{2}})"
    rf"|on\s+(?:the\s+)?(?:(?P<mn>{_MONTH})\s+(?P<dn>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<dn2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<mn2>{_MONTH}))"
    rf"|in\s+the\s+(?P<p4>morning|afternoon|evening)|at\s+(?P<p5>night))\b"
)


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
    found_day = _DAY_PART.search(text)
    day, part = (Day(), None) if found_day is None else _read_day(found_day)
    for pattern in (_BETWEEN, _AT):
        for found in pattern.finditer(text):
            if found_day is not None and _overlap(found, found_day):
                continue
            if _is_bare(found) and not _ENDS_TIME.match(text, found.end()):
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
    scale = _UNITS[match["unit"].lower().rstrip("s")]
    start_s, end_s = _number(match["a"]) * scale, _number(match["b"]) * scale
    return [Position(start_s, end_s)] if start_s < end_s else []


def _read_at_minute(match: re.Match[str]) -> list[Reading]:
    scale = _UNITS[match["unit"].lower()]
    start_s = _number(match["num"]) * scale
    return [Position(max(0.0, start_s - 5.0), start_s + max(scale, 5.0))]


def _read_into(match: re.Match[str]) -> list[Reading]:
    return [_around(_seconds(match))]


def _read_day(match: re.Match[str]) -> tuple[Day, tuple[int, int] | None]:
    part = next((match[name] for name in ("p1", "p2", "p3", "p4", "p5") if match[name]), None)
    window = _PARTS[part.lower()] if part else None
    if match["ton"]:
        return Day(offset=0), (17 * HOUR_S, 30 * HOUR_S)
    if match["lastn"]:
        return Day(offset=-1), (18 * HOUR_S, 30 * HOUR_S)
    if match["this"] or match["today"]:
        return Day(offset=0), window
    if match["yest"]:
        return Day(offset=-1 if match["yest"].lower() == "yesterday" else -2), window
    if match["wd"]:
        return Day(weekday=_WEEKDAYS.index(match["wd"].lower())), window
    if match["y"]:
        return Day(year=int(match["y"]), month=int(match["mo"]), day=int(match["d"])), window
    month, number = match["mn"] or match["mn2"], match["dn"] or match["dn2"]
    if month:
        return Day(month=_MONTHS.index(month.lower()) + 1, day=int(number)), window
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
    return _number(match["num"] or "one") * _UNITS[unit]


def _number(words: str) -> float:
    words = " ".join(words.lower().split())
    return float(_NUMBERS[words]) if words in _NUMBERS else float(words)


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
    (_RECENT, _read_recent),
    (_JUST_NOW, lambda match: [Recent(300.0)]),
    (_HALF, _read_half),
    (_AGO, _read_ago),
    (_FIRST, lambda match: [Position(0.0, _seconds(match))]),
    (_BEGINNING, lambda match: [Position(0.0, 60.0)]),
    (_END, lambda match: [Position(-60.0, None)]),
    (_MINUTES, _read_minutes),
    (_MINUTES_AFTER, _read_minutes),
    (_AT_MINUTE, _read_at_minute),
    (_INTO, _read_into),
    (_AT_SECONDS, _read_into),
)


def valid_date(year: int, month: int, day: int) -> date | None:
    """Return a date, or None if there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None
