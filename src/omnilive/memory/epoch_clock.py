"""Local times of a store's epochs, kept between clips: blocks and digests ask at every one.

A time is counted from the last anchor at or before it, never from a later one, so what was derived
from it once comes out the same when it is derived again years later.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from omnilive.events import NS_PER_S
from omnilive.memory.timeline import LocalMinute, local_minute

if TYPE_CHECKING:
    from omnilive.memory.database import Database

_MAX_EPOCHS = 64
_REACH_NS = 86_400 * NS_PER_S  # anchors are read for a day around what is asked for


class _Epoch(NamedTuple):
    zone: str
    starts: list[int]
    walls: list[int]
    first_ns: int
    last_ns: int


class EpochClock:
    """Says what the wall clock showed in an epoch. `clear` it when epochs or anchors changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epochs: dict[int, _Epoch] = {}

    def clear(self) -> None:
        """Forget what was read; the next call reads again."""
        self._epochs.clear()

    def day(self, epoch: int, at_ns: int) -> date:
        """Return the local date at a stream time."""
        return self._minute(epoch, at_ns)[0].day

    def hour(self, epoch: int, at_ns: int) -> str:
        """Return the local hour at a stream time with its offset: "2026-05-04T13+02:00"."""
        minute, _ = self._minute(epoch, at_ns)
        return minute.prefix[:13] + minute.suffix

    def time(self, epoch: int, at_ns: int) -> str:
        """Return the local time of day at a stream time: "13:05:09"."""
        minute, second = self._minute(epoch, at_ns)
        return f"{minute.prefix[11:]}{second:02d}"

    def _minute(self, epoch: int, at_ns: int) -> tuple[LocalMinute, int]:
        known = self._epochs.get(epoch)
        if known is None or not known.first_ns <= at_ns <= known.last_ns:
            known = self._load(epoch, at_ns)
        index = max(0, bisect_right(known.starts, at_ns) - 1)
        seconds = (known.walls[index] + at_ns - known.starts[index]) // NS_PER_S
        minute, second = divmod(seconds, 60)
        return local_minute(minute, known.zone), second

    def _load(self, epoch: int, at_ns: int) -> _Epoch:
        row = self._database.row("SELECT start_ns, wall_ns, zone FROM epoch WHERE id = ?", (epoch,))
        assert row is not None
        first_ns, last_ns = at_ns - _REACH_NS, at_ns + _REACH_NS
        points = [(row[0], row[1])]
        points += self._database.rows(
            "SELECT at_ns, wall_ns FROM anchor WHERE epoch = ? AND at_ns <= ? "
            "ORDER BY at_ns DESC LIMIT 1",
            (epoch, first_ns),
        )
        points += self._database.rows(
            "SELECT at_ns, wall_ns FROM anchor WHERE epoch = ? AND at_ns > ? AND at_ns <= ? "
            "ORDER BY at_ns",
            (epoch, first_ns, last_ns),
        )
        if len(self._epochs) >= _MAX_EPOCHS:
            self._epochs.clear()
        starts, walls = [at for at, _ in points], [wall for _, wall in points]
        known = _Epoch(row[2], starts, walls, first_ns, last_ns)
        self._epochs[epoch] = known
        return known
