"""What a memory may take on disk, in gigabytes and days: the settings, and the limits they come to.

Every stream has a budget for each rung of the ladder, and the whole store has one besides. The
ladder says in which order things are forgotten when the whole is too large: what is big and can
be said in words goes first, what sums up the most time goes last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

GB = 1_000_000_000
_ENTRY = re.compile(r"\s*([a-z]+)\.(gb|days)\s*=\s*(\S+)\s*")


class Rung(NamedTuple):
    """A step of the ladder: what is forgotten together. `levels` are those of the tree."""

    name: str
    levels: tuple[int, ...]


# Levels above 0 are blocks, those below 0 local hours, days and months.
LADDER = (
    Rung("recordings", (0,)),
    Rung("tokens", (0,)),
    Rung("thumbnails", (0,)),
    Rung("moments", (0,)),
    Rung("conversation", ()),
    Rung("blocks", (1, -1)),
    Rung("overviews", (2, 3, 4, 5, 6, 7, 8, -2, -3)),
)
NAMES = tuple(rung.name for rung in LADDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBudget:
    """How much of one kind is kept, of each stream.

    Attributes:
        gb: gigabytes (of 10^9 bytes) on disk; 0 keeps none, inf sets no limit.
        days: what is older goes; inf sets no limit.
    """

    gb: float = math.inf
    days: float = math.inf

    def __post_init__(self) -> None:
        # `not >=` also refuses what is no number at all.
        if not self.gb >= 0 or not self.days >= 0:
            raise ValueError("gb and days must be at least 0; inf sets no limit.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """What the memory may take on disk. Levels are per stream, `total_gb` is for the whole store.

    Attributes:
        total_gb: files, database and write-ahead log together; when it is reached, the stream that
            takes most gives way, recordings first and overviews last.
        recordings: what a live source sent, to be played again.
        tokens: memory tokens, where a compressor makes them: H of clips, then H-bar of blocks; what
            the newest blocks are integrated from stays.
        thumbnails: a picture of each clip in which something was new.
        moments: what was said, shown and heard, clip by clip, findable by words and meaning.
        conversation: questions and answers (of the whole store).
        blocks: digests of about 5 minutes and of every local hour.
        overviews: digests of hours to months.
        headroom_gb: with less than this free on the disk, nothing more is recorded.
        headroom_share: the same as a share of the disk; the larger of the two counts.
        streams: exceptions, such as "door: recordings.gb=20, recordings.days=3".
    """

    total_gb: float = 200.0
    recordings: LevelBudget = field(default_factory=lambda: LevelBudget(gb=100.0, days=30.0))
    tokens: LevelBudget = field(default_factory=lambda: LevelBudget(gb=40.0, days=365.0))
    thumbnails: LevelBudget = field(default_factory=lambda: LevelBudget(gb=20.0, days=365.0))
    moments: LevelBudget = field(default_factory=lambda: LevelBudget(gb=20.0, days=1_095.0))
    conversation: LevelBudget = field(default_factory=lambda: LevelBudget(gb=1.0))
    blocks: LevelBudget = field(default_factory=lambda: LevelBudget(gb=5.0))
    overviews: LevelBudget = field(default_factory=lambda: LevelBudget(gb=5.0))
    headroom_gb: float = 1.0
    headroom_share: float = 0.02
    streams: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.total_gb > 0:
            raise ValueError("total_gb must be more than 0; inf sets no limit.")
        if not 0 <= self.headroom_gb < math.inf or not 0 <= self.headroom_share < 1:
            raise ValueError("headroom_gb must be at least 0, headroom_share from 0 to below 1.")
        for line in self.streams:
            exceptions(line)


class Limit(NamedTuple):
    """What a stream may keep of a rung; math.inf where there is no limit."""

    num_bytes: float
    age_ns: float

    @property
    def is_nothing(self) -> bool:
        """Whether none of it is kept at all."""
        return self.num_bytes == 0 or self.age_ns == 0


class Limits:
    """The budget in force, looked up by stream and rung."""

    def __init__(self, config: BudgetConfig) -> None:
        self.config = config
        self.total_bytes = config.total_gb * GB
        self._common = {name: _limit(getattr(config, name)) for name in NAMES}
        self._own: dict[str, dict[str, Limit]] = {}
        for line in config.streams:
            stream, changes = exceptions(line)
            own = self._own.setdefault(stream, dict(self._common))
            for (level, unit), value in changes.items():
                budget = {"gb": own[level].num_bytes / GB, "days": own[level].age_ns / _DAY_NS}
                own[level] = _limit(LevelBudget(**(budget | {unit: value})))

    def of(self, stream: str, rung: str) -> Limit:
        """Return what the stream of this name may keep of a rung."""
        return self._own.get(stream, self._common)[rung]


def exceptions(line: str) -> tuple[str, Mapping[tuple[str, str], float]]:
    """Return the stream and the (level, unit) values of "door: recordings.gb=20, moments.days=90".

    Raises:
        ValueError: it is not written that way.
    """
    name, colon, rest = line.rpartition(":")
    values = {}
    for entry in rest.split(","):
        match = _ENTRY.fullmatch(entry)
        value = _number(match[3]) if match else None
        if not colon or not name.strip() or match is None or value is None:
            raise ValueError(
                'an entry of streams is written "NAME: recordings.gb=20, recordings.days=3".'
            )
        if match[1] not in NAMES or match[1] == "conversation":
            known = ", ".join(level for level in NAMES if level != "conversation")
            raise ValueError(f"streams: there is no level {match[1]}; there are {known}.")
        LevelBudget(gb=value)  # says what is wrong with a negative number
        values[match[1], match[2]] = value
    return name.strip(), values


_DAY_NS = 86_400 * 1_000_000_000


def _limit(budget: LevelBudget) -> Limit:
    return Limit(budget.gb * GB, budget.days * _DAY_NS)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
