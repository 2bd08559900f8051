"""What each stream holds of each rung, against its budget, and what it is going to lose next.

A forecast from what is kept: how fast a rung grows is its bytes over the time watched since its
oldest, so it needs no history of its own. "A day" is always a day of watching.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from omnilive.events import NS_PER_S
from omnilive.memory import totals
from omnilive.memory.budget import NAMES, Limits
from omnilive.memory.database import Database
from omnilive.memory.disk_use import Disk, charged
from omnilive.memory.eviction import CONVERSATION, CONVERSATION_STREAM, Target, oldest_ns
from omnilive.memory.timeline import Timeline, local_time

_DAY_NS = 86_400 * NS_PER_S
_SHORTEST_NS = 60 * NS_PER_S  # of watching, before a growth can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelUse:
    """One rung of one stream ("" is the conversation). None stands for "no limit" or "unknown".

    Attributes:
        stream: its name.
        level: the rung: recordings, thumbnails, moments, conversation, blocks, overviews.
        bytes: what it takes on disk.
        budget_bytes, budget_days: its own limits.
        over_bytes: what is above them and is being dropped step by step.
        bytes_a_day: how fast it grows, for a day of watching.
        full_in_days: until it reaches its limit; 0 if it has: the oldest goes as the newest comes.
        oldest_at: local time of the oldest that can go.
        goes_at: about when that goes, if watching goes on.
        why: what makes it go: "days", "budget" or "total".
    """

    stream: str
    level: str
    bytes: int
    budget_bytes: int | None
    budget_days: float | None
    over_bytes: int
    bytes_a_day: int | None
    full_in_days: float | None
    oldest_at: str
    goes_at: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The store against its budget. `next` is what goes first, soonest first."""

    disk_bytes: int
    budget_bytes: int | None
    bytes_a_day: int
    full_in_days: float | None
    use: tuple[LevelUse, ...]
    next: tuple[LevelUse, ...]


def outlook(
    database: Database, timelines: Mapping[int, Timeline], limits: Limits, disk: Disk
) -> Outlook:
    """Look at what is there and where it leads."""
    taken = charged(totals.read(database), disk)
    growth = {key: _growth(database, timelines, Target(*key), size) for key, size in taken.items()}
    rates = 0.0
    for (stream, rung), size in taken.items():
        limit = limits.of(_name(timelines, stream), NAMES[rung])
        rate = growth[stream, rung]
        rates += rate if rate is not None and size < limit.num_bytes else 0.0
    total_days = _days_until(limits.total_bytes, disk.total, rates)
    lowest = min((rung for _, rung in taken), default=0)
    use = []
    for stream, rung in sorted(taken, key=lambda key: (key[0] == CONVERSATION_STREAM, *key)):
        shared_days = total_days if rung == lowest else None
        use.append(
            _level_use(
                database,
                timelines,
                limits,
                Target(stream, rung),
                taken[stream, rung],
                growth[stream, rung],
                shared_days,
            )
        )
    going = [each for each in use if each.goes_at]
    return Outlook(
        disk_bytes=disk.total,
        budget_bytes=_whole(limits.total_bytes),
        bytes_a_day=round(sum(rate or 0.0 for rate in growth.values())),
        full_in_days=total_days,
        use=tuple(use),
        next=tuple(sorted(going, key=lambda each: each.goes_at)[:5]),
    )


def _level_use(
    database: Database,
    timelines: Mapping[int, Timeline],
    limits: Limits,
    target: Target,
    size: float,
    rate: float | None,
    shared_days: float | None,
) -> LevelUse:
    stream, rung = target
    name = _name(timelines, stream)
    limit = limits.of(name, NAMES[rung])
    begin_ns = oldest_ns(database, target)
    full_days = _days_until(limit.num_bytes, size, rate or 0.0)
    days = {}  # until the oldest goes, by reason
    if full_days is not None:
        days["budget"] = full_days
    if shared_days is not None:
        days["total"] = shared_days
    line = timelines.get(stream)
    if begin_ns is not None and limit.age_ns < math.inf and line is not None:
        days["days"] = max(0.0, (begin_ns + limit.age_ns - line.end_ns) / _DAY_NS)
    why = min(days, key=lambda reason: days[reason], default="")
    oldest_at = goes_at = ""
    if begin_ns is not None:
        if line is not None:
            oldest_at = line.local_at(begin_ns)
            if why:
                goes_at = line.local_at(line.end_ns + round(min(days[why], 36_500) * _DAY_NS))
        elif rung == CONVERSATION and begin_ns:
            oldest_at = local_time(begin_ns, "UTC")
    return LevelUse(
        stream=name,
        level=NAMES[rung],
        bytes=round(size),
        budget_bytes=_whole(limit.num_bytes),
        budget_days=None if limit.age_ns == math.inf else limit.age_ns / _DAY_NS,
        over_bytes=max(0, round(size - limit.num_bytes)) if limit.num_bytes < math.inf else 0,
        bytes_a_day=None if rate is None else round(rate),
        full_in_days=full_days,
        oldest_at=oldest_at,
        goes_at=goes_at,
        why=why if goes_at else "",
    )


def _growth(
    database: Database, timelines: Mapping[int, Timeline], target: Target, size: float
) -> float | None:
    """Return bytes for a day of watching; None if too little was watched to tell."""
    line = timelines.get(target.stream)
    begin_ns = oldest_ns(database, target)
    if line is None or begin_ns is None:
        return None
    watched_ns = sum(
        max(0, end_ns - max(start_ns, begin_ns)) for start_ns, end_ns in line.watched()
    )
    return size / watched_ns * _DAY_NS if watched_ns >= _SHORTEST_NS else None


def _days_until(limit: float, size: float, rate: float) -> float | None:
    if limit == math.inf:
        return None
    if size >= limit:
        return 0.0
    return (limit - size) / rate if rate else None


def _name(timelines: Mapping[int, Timeline], stream: int) -> str:
    return timelines[stream].name if stream in timelines else ""


def _whole(value: float) -> int | None:
    return None if value == math.inf else round(value)
