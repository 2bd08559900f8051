"""The writer's errands: what other processes asked for, and forgetting in parts.

What shall be forgotten is written down before it begins and finished when nothing is left of it, so
that the next opening goes on where a crash cut it off. Of a long forgetting one part is done a
step: a writer that watches a stream keeps up with it meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from omnilive.errors import OmniLiveError
from omnilive.events import Forget
from omnilive.memory import commands, forgetting
from omnilive.memory.commands import Command
from omnilive.memory.database import Database
from omnilive.memory.forget_request import ForgetRequest, Forgotten
from omnilive.memory.segments import Recordings

_log = logging.getLogger(__name__)


class Errands:
    """What one writer has to do beside remembering.

    Attributes:
        on_forget: drops what is not yet remembered; returns whether there was any of it.
    """

    def __init__(self, database: Database, recordings: Recordings, cache: Path) -> None:
        self.on_forget: Callable[[ForgetRequest], bool] | None = None
        self._database = database
        self._recordings = recordings
        self._cache = cache
        self._running: dict[int, tuple[Iterator[Forgotten], Forgotten]] = {}
        # A crash may have left forgotten words in the write-ahead log.
        self._owes_truncation = database.write

    @property
    def is_busy(self) -> bool:
        """Whether a forgetting has begun that another step would go on with."""
        return bool(self._running)

    def forget(self, request: ForgetRequest, *, watching: bool) -> Forgotten:
        """Carry out a request from its beginning to its end; see `Store.forget`."""
        number = commands.note(self._database, request)
        try:
            self._start(number, request, watching)
            while number in self._running:
                done = self._go_on(number)
        except OmniLiveError as failure:
            self._running.pop(number, None)
            commands.finish(self._database, number, str(failure))
            raise
        return done

    def step(self, perform: Callable[[Command], object], *, watching: bool) -> None:
        """Do what was asked for, of every forgetting one part, and what a reader held up before.

        Args:
            perform: carries out any other command.
            watching: whether streams are being remembered, which keep their names.
        """
        if self._owes_truncation:
            self._owes_truncation = not self._database.truncate_wal(wait_ms=0)
        for number, command in commands.pending(self._database):
            error = ""
            try:
                if isinstance(command, Forget):
                    command = ForgetRequest(moments=(command.moment,))
                if isinstance(command, ForgetRequest):
                    if number not in self._running:
                        self._start(number, command, watching)
                    self._go_on(number)
                    continue
                perform(command)
            except OmniLiveError as failure:
                error = str(failure)
                self._running.pop(number, None)
            commands.finish(self._database, number, error)

    def _start(self, number: int, request: ForgetRequest, watching: bool) -> None:
        dropped = self.on_forget is not None and self.on_forget(request)
        steps = forgetting.forget(
            self._database,
            self._recordings,
            request,
            cache=self._cache,
            keep_open_epochs=watching,
            may_miss=dropped,
        )
        self._running[number] = (steps, Forgotten())

    def _go_on(self, number: int) -> Forgotten:
        """Do the next part; the command is finished when there is none."""
        steps, done = self._running[number]
        part = next(steps, None)
        if part is not None:
            done = done.plus(part)
            self._running[number] = (steps, done)
            return done
        del self._running[number]
        done = done._replace(wal_truncated=self._database.truncate_wal())
        if not done.wal_truncated:
            _log.warning("a reader holds the write-ahead log; it is emptied when it is done")
        commands.finish(self._database, number, "", done)
        # What was asked for is wiped too.
        self._owes_truncation = not self._database.truncate_wal(wait_ms=0)
        return done
