"""Keeps a store within its budget while it grows, and stops recording when the disk is nearly full.

Called after every clip and every tick, it does a bounded amount of work and remembers whether more
is to do, so a budget that was made smaller is reached step by step. Near a full disk only the
recording stops: words, pictures and answers are small, and go on.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from omnilive.errors import StoreError
from omnilive.events import NS_PER_S
from omnilive.memory.budget import GB, NAMES, BudgetConfig, LevelBudget, Limits
from omnilive.memory.database import Database
from omnilive.memory.eviction import CONVERSATION_STREAM, Evictor

_log = logging.getLogger(__name__)

_STEPS_A_CLIP = 4
_AGES_EVERY_NS = 60 * NS_PER_S
_ENOUGH = 1.25  # times the headroom must be free before recording goes on


class Keeper:
    """What stands between a growing store and a full disk. For the writer.

    Args:
        database: the writer's.
        evictor: drops what is over.
        config: the budget; it is written into the store, so that whoever reads it can tell.
        usage: free and total bytes of the disk that a path is on.
    """

    def __init__(
        self,
        database: Database,
        evictor: Evictor,
        config: BudgetConfig,
        usage: Callable[[Path], tuple[int, int]] | None = None,
    ) -> None:
        self.limits = Limits(config)
        self._database = database
        self._evictor = evictor
        self._usage = usage or _usage
        self._is_behind = True
        self._is_full = False
        self._wall_ns = 0
        self._looked_ns = 0
        self._notices: list[str] = []
        if database.write:
            save(database, config)

    # --- recording ----------------------------------------------------------------------

    def may_record(self, stream: int) -> bool:
        """Whether the next fragment of a stream is to be kept."""
        name = self._database.value("SELECT name FROM stream WHERE id = ?", (stream,)) or ""
        if self.limits.of(name, "recordings").is_nothing:
            return False
        free, size = self._usage(self._database.directory)
        config = self.limits.config
        headroom = max(config.headroom_gb * GB, config.headroom_share * size)
        if self._is_full and free > headroom * _ENOUGH:
            self._is_full = False
            self._notices.append("Recording goes on: there is room on the disk again.")
        elif not self._is_full and free < headroom:
            self._stop(f"only {free / GB:.1f} GB are free on the disk")
        return not self._is_full

    def could_not_record(self, error: StoreError) -> bool:
        """Whether a failed write of a recording means a full disk; then recording stops."""
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            return False
        self._stop("the disk is full")
        return True

    def notices(self) -> list[str]:
        """Return what the user should be told, once."""
        told, self._notices = self._notices, []
        return told

    def _stop(self, why: str) -> None:
        if not self._is_full:
            self._is_full = True
            self._notices.append(
                f"Recording has stopped because {why}; what is said and shown is still remembered. "
                "Make room, or lower memory.budget.total_gb."
            )

    # --- dropping -----------------------------------------------------------------------

    def after_clip(self) -> None:
        """Do a step after something was committed."""
        try:
            self._is_behind = self._evictor.step(self.limits, self._now_ns, _STEPS_A_CLIP)
        except StoreError as error:
            # What cannot be dropped now is dropped later; what was remembered is not touched.
            _log.warning("the budget could not be kept: %s", error)
            self._is_behind = True

    def after_tick(self, wall_ns: int) -> None:
        """Do a step if one is due: there is more to drop, or a minute has passed.

        Args:
            wall_ns: what the clock shows; 0 from a source that has no clock of its own.
        """
        self._wall_ns = wall_ns or self._wall_ns
        if self._is_behind or abs(wall_ns - self._looked_ns) >= _AGES_EVERY_NS:
            self._looked_ns = wall_ns
            self.after_clip()

    def _now_ns(self, stream: int) -> int | None:
        """Return the present of a stream in its own time.

        A live stream grows older while nobody watches it; what was watched in a file does not.
        """
        if stream == CONVERSATION_STREAM:
            return self._wall_ns or None
        newest = self._database.value(
            "SELECT end_ns FROM node WHERE stream = ? AND level = 0 ORDER BY start_ns DESC LIMIT 1",
            (stream,),
        )
        epoch = self._database.row(
            "SELECT start_ns, wall_ns, live FROM epoch WHERE stream = ? "
            "ORDER BY start_ns DESC, id DESC LIMIT 1",
            (stream,),
        )
        if epoch is None or not epoch[2] or not self._wall_ns:
            return None if newest is None else int(newest)
        return max(int(newest or 0), int(epoch[0]) + self._wall_ns - int(epoch[1]))


def save(database: Database, config: BudgetConfig) -> None:
    """Write the budget in force into the store."""
    text = json.dumps(asdict(config))
    if database.value("SELECT value FROM meta WHERE key = 'budget'") != text:
        with database.transaction():
            database.run("INSERT OR REPLACE INTO meta VALUES('budget', ?)", (text,))


def load(database: Database) -> BudgetConfig:
    """Return the budget that the last writer kept to; the default if none did."""
    text = database.value("SELECT value FROM meta WHERE key = 'budget'")
    if text is None:
        return BudgetConfig()
    try:
        values = json.loads(text)
        levels = {name: LevelBudget(**values.pop(name)) for name in NAMES if name in values}
        return BudgetConfig(**values | levels | {"streams": tuple(values["streams"])})
    except (ValueError, TypeError, KeyError):
        return BudgetConfig()  # another version wrote it


def _usage(path: Path) -> tuple[int, int]:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return 1 << 62, 1 << 62
    return usage.free, usage.total
