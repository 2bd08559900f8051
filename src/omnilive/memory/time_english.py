"""Reads English time words: a distance from now, a position in a film, or a day and a clock time.

Day, part of the day and clock time may stand anywhere in the question and are put together:
"what did she say two days ago, in the evening, at about half past nine".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from omnilive.memory.time_patterns import (
    A_WHILE,
    AGO,
    AGO_SHORT,
    ALONE,
    AT,
    AT_MINUTE,
    AT_SECONDS,
    BEGINNING,
    BETWEEN,
    DAY,
    END,
    ENDS_TIME,
    FIRST,
    HALF,
    INTO,
    JUST_NOW,
    MEAL,
    MEALS,
    MINUTES,
    MINUTES_AFTER,
    MONTHS,
    NUMBERS,
    PART,
    PARTS,
    RECENT,
    UNITS,
    WEEKDAYS,
)
from omnilive.memory.time_readings import (
    ANY_DAY,
    DAY_S,
    HOUR_S,
    MINUTE_S,
    WEEK_S,
    Ago,
    Calendar,
    Day,
    Period,
    Position,
    Reading,
    Recent,
    Since,
    TimeMention,
    Unit,
    Until,
    clock_readings,
    hours_meant,
    mention,
)

_PERIODS: dict[str, Unit] = {"week": "week", "weekend": "weekend", "month": "month", "year": "year"}
_UNIT_S = {"week": WEEK_S, "month": 30 * DAY_S, "year": 365 * DAY_S}


def parse_english(text: str) -> TimeMention | None:
    """Return the English time words of a question, or None if it has none."""
    for pattern, read in _READERS:
        if found := pattern.search(text):
            readings = read(found)
            if readings:
                return mention(text, [found], readings)
    return _parse_calendar(text)


def _parse_calendar(text: str) -> TimeMention | None:
    found_day = next((m for m in DAY.finditer(text) if not _is_verb(m)), None)
    day, part, how = (ANY_DAY, None, "") if found_day is None else _read_day(found_day)
    found = [found_day] if found_day else []
    found_part = next((m for m in PART.finditer(text) if not _overlap(m, found_day)), None)
    if found_part is not None and isinstance(day, Day) and part is None:
        day, part = _read_part(found_part, day)
        found.append(found_part)
    for pattern in (BETWEEN, AT, MEAL, ALONE):
        for match in pattern.finditer(text) if isinstance(day, Day) else ():
            if any(_overlap(match, other) for other in found):
                continue
            if pattern is not MEAL and _is_bare(match) and not _ends(text, match, found):
                continue  # "about three people", "between 3 and 4 boxes"
            assert isinstance(day, Day)
            readings = _read_clock(match, day, part)
            if readings:
                return mention(text, [*found, match], readings)
    if not found:
        return None
    return mention(text, found, _whole(day, part, how))


def _whole(day: Day | Period, part: tuple[int, int] | None, how: str) -> list[Reading]:
    """Return what a day, a part of it or a period means without a clock time."""
    of: list[Calendar | Period]
    if isinstance(day, Day):
        start_s, end_s = part or (0, DAY_S)
        of = [Calendar(day, start_s, end_s)]
        if day.weekday is not None and day.week is None:
            # "on Friday", asked on a Friday, or meaning the Friday of last week.
            of += [
                Calendar(Day(weekday=day.weekday, week=week), start_s, end_s) for week in (0, -1)
            ]
    else:
        of = [day]
    readings: list[Reading] = []
    for one in of:
        if how == "since":
            readings.append(Since(one))
        elif how in ("before", "until"):
            readings.append(Until(one))
        elif how == "after" and isinstance(one, Calendar):
            readings.append(Since(Calendar(one.day, one.end_s, one.end_s + MINUTE_S)))
        elif how == "after":
            readings.append(Since(one))
        else:
            readings.append(one)
    if isinstance(day, Period) and not how and day.offset == -1 and day.unit in _UNIT_S:
        # "last week", asked of somebody who has watched only since Monday.
        readings.append(Recent(_UNIT_S[day.unit]))
    return readings


def _read_recent(match: re.Match[str]) -> list[Reading]:
    seconds = _seconds(match)
    if match["half"]:
        seconds += 0.5 * UNITS[_unit(match["unit"])]
    if match["num"] is None and match["unit"].lower().startswith("day"):
        return [Recent(DAY_S)]
    return [Position(-seconds, None)] if match["of"] else [Recent(seconds)]


def _read_half(match: re.Match[str]) -> list[Reading]:
    unit = _unit(match["unit"] or match["unit2"])
    seconds = (_number(match["num"] or match["num2"]) + 0.5) * UNITS[unit]
    return [Ago(seconds, max(15.0, 0.15 * seconds))]


def _read_ago(match: re.Match[str]) -> list[Reading]:
    seconds = _seconds(match)
    words = match["num"].lower()
    is_rough = "few" in words or words == "several"
    if low := match["low"]:
        scale = UNITS[_unit(match["unit"])]
        low_s, high_s = sorted((_number(low) * scale, seconds))
        return [Ago((low_s + high_s) / 2, (high_s - low_s) / 2 + 0.05 * high_s)]
    if _unit(match["unit"]) == "day" and not is_rough and seconds % DAY_S == 0:
        return []  # a day of the calendar, which a part or a clock time may follow
    if is_rough:
        return [Ago(seconds, 0.5 * seconds)]
    return [Ago(seconds, max(15.0, 0.2 * seconds))]


def _read_minutes(match: re.Match[str]) -> list[Reading]:
    scale = UNITS[_unit(match["unit"])]
    start_s, end_s = _number(match["a"]) * scale, _number(match["b"]) * scale
    return [Position(start_s, end_s)] if start_s < end_s else []


def _read_at_minute(match: re.Match[str]) -> list[Reading]:
    scale = UNITS[_unit(match["unit"])]
    start_s = _number(match["num"]) * scale
    return [Position(max(0.0, start_s - 5.0), start_s + max(scale, 5.0))]


def _read_into(match: re.Match[str]) -> list[Reading]:
    return [_around(_seconds(match))]


def _read_day(match: re.Match[str]) -> tuple[Day | Period, tuple[int, int] | None, str]:
    part = next(
        (match[name] for name in ("this", "lp", "p2", "p3", "p4") if match[name] is not None), None
    )
    window = PARTS[part.lower()] if part else None
    edge = (match["edge"] or "").lower()
    how = _how(match["how"])
    day: Day | Period
    if match["ton"]:
        day, window = Day(offset=0), (17 * HOUR_S, 30 * HOUR_S)
    elif match["lastn"]:
        window = (18 * HOUR_S, 30 * HOUR_S) if match["lp"].lower() == "night" else window
        day = Day(offset=-1)
    elif match["this"] or match["today"]:
        day = Day(offset=0)
    elif match["yest"]:
        day = Day(offset=-1 if match["yest"].lower() == "yesterday" else -2)
    elif match["ndays"]:
        day = Day(offset=-int(_number(match["ndays"])))
    elif weekday := next((match[f"wd{i}"] for i in ("", 2, 3, 4, 5, 6) if match[f"wd{i}"]), None):
        is_this = (match["which"] or "").lower() == "this"
        day = Day(weekday=WEEKDAYS.index(weekday.lower()), week=0 if is_this else None)
    else:
        day = _read_date(match)
    if window is not None:
        window = _edge(window, edge)
    elif edge and isinstance(day, Day):
        window = (0, 10 * HOUR_S) if edge == "early" else (20 * HOUR_S, DAY_S)
    return day, window, how


def _read_date(match: re.Match[str]) -> Day | Period:
    if match["period"]:
        return Period(
            _PERIODS[match["unit"].lower()], -1 if match["period"].lower() == "last" else 0
        )
    if match["weekend"]:
        return Period("weekend")
    if match["wbefore"]:
        return Period(_PERIODS[match["wbefore"].lower()], -2)
    if match["y"]:
        return Day(year=int(match["y"]), month=int(match["mo"]), day=int(match["d"]))
    if match["y3"]:
        return Day(year=int(match["y3"]), month=int(match["mo3"]), day=int(match["d3"]))
    if match["dn4"]:
        return Day(day=int(match["dn4"]))
    if match["mn3"]:
        year = int(match["y4"]) if match["y4"] else None
        return Period("month", month=_month(match["mn3"]), year=year)
    if match["y5"]:
        return Period("year", year=int(match["y5"]))
    month, number = match["mn"] or match["mn2"], match["dn"] or match["dn2"]
    year = int(match["y2"]) if match["y2"] else None
    return Day(month=_month(month), day=int(number), year=year)


def _read_part(match: re.Match[str], day: Day) -> tuple[Day, tuple[int, int]]:
    if match["over"]:
        return (Day(offset=-1) if day == ANY_DAY else day), PARTS["night"]
    word = (match["p1"] or match["p2"]).lower()
    if word in ("noon", "midday"):
        return day, (12 * HOUR_S, 12 * HOUR_S + MINUTE_S)
    edge = match["edge"] or match["edge2"] or ""
    return day, _edge(PARTS[word], edge.lower())


def _edge(window: tuple[int, int], edge: str) -> tuple[int, int]:
    middle = (window[0] + window[1]) // 2
    return {"early": (window[0], middle), "late": (middle, window[1])}.get(edge, window)


def _read_clock(match: re.Match[str], day: Day, part: tuple[int, int] | None) -> list[Reading]:
    """Return clock times and, for "1:20", positions, that one or two times can mean."""
    groups = match.groupdict()
    if "b" in groups:
        return _read_between(groups["a"] or groups["a2"], groups["b"] or groups["b2"], day, part)
    how = "around" if groups.get("soft") else _how(groups.get("how"))
    if "meal" in groups:
        start_s, end_s = MEALS[groups["meal"].lower()]
        if how in ("since", "after"):
            start_s = end_s if how == "after" else start_s
            return [*clock_readings([(start_s, end_s)], day, how)]
        if how in ("before", "until"):
            return [Calendar(day, 0, start_s)]
        return [Calendar(day, *PARTS.get(groups["meal"].lower(), (start_s, end_s)))]
    times = _clock_seconds(groups["a"], part)
    readings: list[Reading] = [
        *clock_readings([(start_s, start_s + width_s) for start_s, width_s in times], day, how)
    ]
    position_s = _position_seconds(groups["a"])
    if position_s is not None and day == ANY_DAY:
        if how in ("since", "after"):
            readings.append(Position(position_s, None))
        elif how in ("before", "until"):
            readings.append(Position(0.0, position_s))
        else:
            readings.append(_around(position_s))
    return readings


def _read_between(first: str, second: str, day: Day, part: tuple[int, int] | None) -> list[Reading]:
    half = re.compile(r"([ap])\.?m", re.IGNORECASE)
    readings: list[Reading] = []
    if (marked := half.search(second)) and not half.search(first):
        readings += _pairs(f"{first} {marked[1]}m", second, day, part)
    readings = readings or _pairs(first, second, day, part)
    start_s, end_s = _position_seconds(first), _position_seconds(second)
    if day == ANY_DAY and start_s is not None and end_s is not None and start_s < end_s:
        readings.append(Position(start_s, end_s))
    return readings


def _pairs(first: str, second: str, day: Day, part: tuple[int, int] | None) -> list[Reading]:
    """Return the spans of at most 12 hours that two clock times can make; short ones first."""
    spans = []
    for rank, (start_s, _) in enumerate(_clock_seconds(first, part)):
        for end_s, _ in _clock_seconds(second, None if part is None else (0, 2 * DAY_S)):
            while end_s <= start_s:
                end_s += DAY_S  # "between 10 pm and 2 am"
            if end_s - start_s <= 12 * HOUR_S:
                spans.append((rank, end_s - start_s, start_s, end_s))
    return [Calendar(day, start_s, end_s) for _, _, start_s, end_s in sorted(spans)]


def _clock_seconds(words: str, part: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return (second of the day, how long that minute or second is), likelier first."""
    text = " ".join(words.strip().lower().replace("-", " ").split())
    if text.startswith(("noon", "midday")):
        return [(12 * HOUR_S, MINUTE_S)]
    if text.startswith("midnight"):
        return [(0, MINUTE_S), (DAY_S, MINUTE_S)]
    is_marked = False
    width = MINUTE_S
    if relative := re.match(r"(.+?)(?: minutes?)? (past|to|after) (\w+)", text):
        minute = {"half": 30, "quarter": 15, "a quarter": 15}.get(relative[1])
        minute = int(_number(relative[1])) if minute is None else minute
        hour, second = int(_number(relative[3])), 0
        if relative[2] == "to":
            hour, minute = hour - 1 or 12, 60 - minute
    elif number := re.match(r"(\d{1,2})(?:[:.h](\d{2}))?(?:[:.](\d{2}))?", text):
        hour, minute, second = (int(group or 0) for group in number.groups())
        width = 10 if number[3] else MINUTE_S
        is_marked = re.match(r"0\d", text) is not None
    else:
        spelt = re.split(r"\s*(?:\b[ap]\.?m\b|o'?clock)", text)[0].split(" ", 1)
        hour, second = int(_number(spelt[0])), 0
        minute = int(_number(spelt[1].removeprefix("oh "))) if len(spelt) > 1 else 0
    if hour > 24 or minute > 59 or second > 59:
        return []
    rest = minute * MINUTE_S + second
    meridiem = re.search(r"\b([ap])\.?m|\d([ap])\.?m", text)
    if meridiem:
        if hour > 12:
            return []
        is_late = "p" in (meridiem[1], meridiem[2])
        return [((hour % 12 + (12 if is_late else 0)) * HOUR_S + rest, width)]
    return [(h * HOUR_S + rest, width) for h in hours_meant(hour, part, marked=is_marked)]


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
    return _number(match["num"] or "one") * UNITS[_unit(match["unit"])]


def _unit(word: str) -> str:
    word = word.lower()
    return word if len(word) == 1 else word.rstrip("s")


def _number(words: str) -> float:
    words = " ".join(words.lower().replace("-", " ").split())
    return float(NUMBERS[words]) if words in NUMBERS else float(words)


def _month(name: str) -> int:
    return MONTHS.index(name.lower()) + 1


def _how(word: str | None) -> str:
    word = " ".join((word or "").lower().split())
    return {"till": "until", "by": "until", "up to": "until", "about": "around"}.get(word, word)


def _is_bare(match: re.Match[str]) -> bool:
    """Whether a clock time is a lone number, which could count anything."""
    groups = match.groupdict()
    last = groups.get("b") or groups.get("b2") or groups["a"]
    marks = r"[:.]|[ap]m|clock|noon|midday|midnight|\bpast\b|\bto\b|thirty|fifteen|\dh"
    return not re.search(marks, last, re.IGNORECASE)


def _ends(text: str, match: re.Match[str], found: list[re.Match[str]]) -> bool:
    """Whether nothing follows a lone number that it could count."""
    if ENDS_TIME.match(text, match.end()):
        return True
    return any(text[match.end() : other.start()].isspace() for other in found)


def _is_verb(match: re.Match[str]) -> bool:
    """Whether "may 5" or "march 3" is no date but a verb: without capital, "on", "th" or year."""
    is_plain = re.fullmatch(r"(?:may|march)\s+\d+", match[0].strip()) is not None
    return is_plain or re.fullmatch(r"(?:during|last)\s+may", match[0].strip()) is not None


def _overlap(a: re.Match[str], b: re.Match[str] | None) -> bool:
    return b is not None and a.start() < b.end() and b.start() < a.end()


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[Reading]]], ...] = (
    (RECENT, _read_recent),
    (JUST_NOW, lambda match: [Recent(300.0)]),
    (A_WHILE, lambda match: [Recent(3600.0)]),
    (HALF, _read_half),
    (AGO, _read_ago),
    (AGO_SHORT, lambda match: [Ago(_seconds(match), max(15.0, 0.2 * _seconds(match)))]),
    (FIRST, lambda match: [Position(0.0, _seconds(match))]),
    (BEGINNING, lambda match: [Position(0.0, 60.0)]),
    (END, lambda match: [Position(-60.0, None)]),
    (MINUTES, _read_minutes),
    (MINUTES_AFTER, _read_minutes),
    (AT_MINUTE, _read_at_minute),
    (INTO, _read_into),
    (AT_SECONDS, _read_into),
)
