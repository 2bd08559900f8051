"""When stream time was, in local time: the epochs of one stream and their anchors.

Stream time runs on through outages by the true gap, but a camera's clock drifts: between two
anchors wall time is interpolated, after the last one it runs at the same pace.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omnilive.events import NS_PER_S


class Anchor(NamedTuple):
    """At stream time `at_ns` the wall clock showed `wall_ns`."""

    at_ns: int
    wall_ns: int


class Epoch(NamedTuple):
    """What a stream's times mean from `start_ns` on.

    `end_ns` is the end of what was remembered in it. `anchors` begin with the epoch's own start.
    `file` is the path of a user's file, "" for other sources; `file_start_ns` is where in the file
    the epoch starts.
    """

    id: int
    start_ns: int
    end_ns: int
    wall_ns: int
    zone: str
    origin: str
    live: bool
    source: str
    file: str
    file_start_ns: int
    anchors: tuple[Anchor, ...]

    def wall_at(self, at_ns: int) -> int:
        """Return the wall time (UTC, ns) at stream time `at_ns`."""
        index = max(0, bisect_right(self.anchors, at_ns, key=lambda anchor: anchor.at_ns) - 1)
        before = self.anchors[index]
        if index + 1 == len(self.anchors):
            return before.wall_ns + at_ns - before.at_ns
        after = self.anchors[index + 1]
        share = (at_ns - before.at_ns) / (after.at_ns - before.at_ns)
        return before.wall_ns + round(share * (after.wall_ns - before.wall_ns))

    def at_wall(self, wall_ns: int) -> int:
        """Return the stream time at which the wall clock showed `wall_ns`; not clipped."""
        index = max(0, bisect_right(self.anchors, wall_ns, key=lambda anchor: anchor.wall_ns) - 1)
        before = self.anchors[index]
        if index + 1 == len(self.anchors):
            return before.at_ns + wall_ns - before.wall_ns
        after = self.anchors[index + 1]
        if after.wall_ns <= before.wall_ns:
            return before.at_ns
        share = (wall_ns - before.wall_ns) / (after.wall_ns - before.wall_ns)
        return before.at_ns + round(share * (after.at_ns - before.at_ns))


class Timeline(NamedTuple):
    """A stream and its epochs in order of time."""

    stream: int
    name: str
    epochs: tuple[Epoch, ...]

    @property
    def is_file(self) -> bool:
        """Whether positions in the stream are positions in a recording the user gave."""
        return bool(self.epochs) and not self.epochs[-1].live

    @property
    def end_ns(self) -> int:
        """End of what was remembered."""
        return max((epoch.end_ns for epoch in self.epochs), default=0)

    @property
    def start_ns(self) -> int:
        """Start of what was remembered."""
        return min((epoch.start_ns for epoch in self.epochs), default=0)

    def epoch_at(self, at_ns: int) -> Epoch:
        """Return the epoch that `at_ns` belongs to (the first one for what lies before it)."""
        index = bisect_right(self.epochs, at_ns, key=lambda epoch: epoch.start_ns) - 1
        return self.epochs[max(0, index)]

    def wall_at(self, at_ns: int) -> int:
        """Return the wall time (UTC, ns) at stream time `at_ns`."""
        return self.epoch_at(at_ns).wall_at(at_ns)

    def local_at(self, at_ns: int) -> str:
        """Return the local time at stream time `at_ns`, ISO 8601 with offset."""
        epoch = self.epoch_at(at_ns)
        return local_time(epoch.wall_at(at_ns), epoch.zone)

    def zone_at(self, at_ns: int) -> tzinfo:
        """Return the zone in which times at `at_ns` are shown."""
        return zone_named(self.epoch_at(at_ns).zone)

    def watched(self) -> list[tuple[int, int]]:
        """Return the stretches of stream time that were watched, neighbours joined."""
        stretches: list[tuple[int, int]] = []
        for epoch in self.epochs:
            if epoch.end_ns <= epoch.start_ns:
                continue
            if stretches and epoch.start_ns - stretches[-1][1] < NS_PER_S:
                stretches[-1] = (stretches[-1][0], epoch.end_ns)
            else:
                stretches.append((epoch.start_ns, epoch.end_ns))
        return stretches


@lru_cache(maxsize=64)
def zone_named(name: str) -> tzinfo:
    """Return the zone of an IANA name; UTC if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_datetime(wall_ns: int, zone: tzinfo) -> datetime:
    """Return a wall time (UTC, ns) as an aware local time, to the microsecond."""
    seconds, rest = divmod(wall_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).astimezone(zone)


class LocalMinute(NamedTuple):
    """A minute in a zone: "2026-05-04T13:05:", its offset "+02:00", and the local date."""

    prefix: str
    suffix: str
    day: date


@lru_cache(maxsize=4096)
def local_minute(minute: int, zone: str) -> LocalMinute:
    """Return a minute of wall time (UTC, minutes since 1970) as a zone shows it."""
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone_named(zone))
    shown = local.isoformat(timespec="seconds")
    return LocalMinute(shown[:17], shown[19:], local.date())


def local_time(wall_ns: int, zone: str) -> str:
    """Return a wall time (UTC, ns) in the zone, ISO 8601 with offset, to the millisecond."""
    minute, rest_ns = divmod(wall_ns, 60 * NS_PER_S)
    shown = local_minute(minute, zone)
    second, rest_ns = divmod(rest_ns, NS_PER_S)
    return f"{shown.prefix}{second:02d}.{rest_ns // 1_000_000:03d}{shown.suffix}"
