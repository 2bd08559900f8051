"""What time words can mean, before it is known what was watched.

A reading is relative to a question: `omnilive.memory.time_spans` turns it into stretches of a
stream with the question's instant, the stream's zone and its anchors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
WEEK_S = 604_800

Unit: TypeAlias = Literal["week", "weekend", "month", "year"]


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
    """A local day: counted from today, by weekday (0 is Monday), or a date.

    A weekday is the newest one before today, or the one of the week that is `week` from this one.
    A day without a month is the newest of that number. All None means any day, the newest that
    was watched at the time asked about.
    """

    offset: int | None = None
    weekday: int | None = None
    week: int | None = None
    month: int | None = None
    day: int | None = None
    year: int | None = None


ANY_DAY = Day()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local seconds of a day; `end_s` may pass 86400 into the next day, `start_s` be before 0."""

    day: Day
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar week (from Monday), weekend, month or year: counted from this one, or named.

    `month` names one, of `year` or the newest that has begun; `year` alone names a year.
    """

    unit: Unit
    offset: int = 0
    month: int | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """From the start of a day, a time of day or a period until now."""

    of: Calendar | Period


@dataclass(frozen=True, slots=True)
class Until:
    """From the beginning until the start of a day, a time of day or a period."""

    of: Calendar | Period


Reading: TypeAlias = Ago | Recent | Position | Calendar | Period | Since | Until


@dataclass(frozen=True, slots=True)
class TimeMention:
    """The time words of a question and how they can be read, likelier readings first.

    Attributes:
        words: the time words, as they were written.
        readings: what they can mean.
        rest: the question without them.
        chinese: whether they are Chinese: so is what is said of them.
        sayable: whether they could as well be words that were said ("on Friday", "at noon").
    """

    words: str
    readings: tuple[Reading, ...]
    rest: str
    chinese: bool = False
    sayable: bool = False


def mention(
    text: str,
    found: list[re.Match[str]],
    readings: list[Reading],
    *,
    chinese: bool = False,
) -> TimeMention:
    """Return a mention of the matches `found` in `text`; readings are kept once, in order."""
    found = sorted(found, key=lambda match: match.start())
    rest, at = [], 0
    for match in found:
        rest.append(text[at : match.start()])
        at = match.end()
    rest.append(text[at:])
    words = ("" if chinese else " ").join(match[0].strip() for match in found)
    kept = tuple(dict.fromkeys(readings))
    sayable = all(isinstance(one, Calendar | Period | Since | Until) for one in kept)
    return TimeMention(words, kept, " ".join(rest), chinese, sayable)


def clock_readings(
    spans: list[tuple[float, float]], day: Day, how: str
) -> list[Calendar | Since | Until]:
    """Return what clock times on a day mean with "since", "before", "around" or alone.

    Args:
        spans: start and end of the minute (or second) that was named, in seconds of the day.
        day: the day they are on.
        how: "since", "after", "before", "until", "around" or "".
    """
    readings: list[Calendar | Since | Until] = []
    for start_s, end_s in spans:
        if how == "since":
            readings.append(Since(Calendar(day, start_s, end_s)))
        elif how == "after":
            readings.append(Calendar(day, start_s, max(DAY_S, start_s + 6 * HOUR_S)))
        elif how in ("before", "until"):
            readings.append(Calendar(day, 0 if start_s > 0 else start_s - 6 * HOUR_S, start_s))
        elif how == "around":
            readings.append(Calendar(day, start_s - 600, end_s + 600))
        else:
            readings.append(Calendar(day, start_s, end_s))
    return readings


def hours_meant(hour: int, part: tuple[int, int] | None, *, marked: bool = False) -> list[int]:
    """Return which hours of the day a number between 0 and 24 can mean, likelier first.

    Args:
        hour: as it was said.
        part: the part of the day it was said of, in seconds; hours past 24 are of the next day.
        marked: whether it was written as an hour of 24 ("03:00").
    """
    if hour > 12 or hour == 0 or marked:
        hours = [hour]
    else:
        morning, evening = hour % 12, hour % 12 + 12
        # Without a.m. or p.m. people mean the hours they are awake.
        hours = [evening, morning] if hour < 7 or hour == 12 else [morning, evening]
    if part is None:
        return hours
    # "3 in the morning" is before the morning begins.
    first = 0 if part[1] <= 12 * HOUR_S else part[0]
    late = [hour + 24 for hour in hours] if part[1] > DAY_S else []
    inside = [h for h in [*hours, *late] if first <= h * HOUR_S < part[1]]
    return inside or [h for h in hours if h * HOUR_S == part[1]] or hours


def valid_date(year: int, month: int, day: int) -> date | None:
    """Return a date, or None if there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None
