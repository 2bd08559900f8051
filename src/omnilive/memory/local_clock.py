"""Local clock times as instants, on days on which the clocks change too.

An hour that comes twice in autumn is meant both times; one that is left out in spring was never
shown by any clock, so nothing happened in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeAlias

from omnilive.events import NS_PER_S

Range: TypeAlias = tuple[int, int]  # wall time (UTC, ns), end exclusive
_DAY_S = 86_400


def wall_ranges(day: date, start_s: float, end_s: float, zone: tzinfo) -> list[Range]:
    """Return when a local clock showed `start_s` to `end_s` of a day, as wall time in order.

    Seconds may lie before or after the day itself. Clock arithmetic is local: "9 in the morning" is
    9 also on a day of 23 or 25 hours, and a whole day is from midnight to midnight.
    """
    # Midnight is named once even where it comes twice: a day ends when it first is the next one.
    folds = [fold for fold in (0, 1) if fold == 0 or start_s % _DAY_S or end_s % _DAY_S]
    ranges = []
    for fold in folds:
        start = _instant(day, start_s, zone, fold if start_s % _DAY_S else 0)
        end = _instant(day, end_s, zone, fold if end_s % _DAY_S else 0)
        if start < end:
            ranges.append((start, end))
    return joined(ranges)


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges in order, those that touch made one."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _instant(day: date, seconds: float, zone: tzinfo, fold: int) -> int:
    extra, rest = divmod(seconds, _DAY_S)
    try:
        moment = datetime.combine(day, time(), zone) + timedelta(days=int(extra))
    except OverflowError:
        return 0 if extra < 0 else 1 << 62
    local = moment.replace(
        hour=int(rest // 3600), minute=int(rest % 3600 // 60), second=int(rest % 60), fold=fold
    )
    try:
        if _is_skipped(local):
            return _transition(local)
        return int(local.timestamp()) * NS_PER_S
    except (OverflowError, ValueError, OSError):
        return 0


def _is_skipped(local: datetime) -> bool:
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) != local.replace(tzinfo=None)


def _transition(local: datetime) -> int:
    """Return the instant at which the clock jumped over `local`."""
    low = int(local.replace(fold=1).timestamp())
    high = int(local.replace(fold=0).timestamp())
    assert local.tzinfo is not None
    before = datetime.fromtimestamp(low, UTC).astimezone(local.tzinfo).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        offset = datetime.fromtimestamp(middle, UTC).astimezone(local.tzinfo).utcoffset()
        low, high = (middle, high) if offset == before else (low, middle)
    return high * NS_PER_S
