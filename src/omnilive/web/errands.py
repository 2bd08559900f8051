"""Calls into a conversation that must not hold up the loop that carries sound."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

_MOST = 1000  # about 20 s of sound pieces


class Errands:
    """Does one thing after the other in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST)
        self.num_refused = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, errand: Callable[[], None]) -> bool:
        """Queue an errand without waiting; False (and counted) if too many wait already."""
        try:
            self._queue.put_nowait(errand)
        except queue.Full:
            self.num_refused += 1
            return False
        return True

    def finish(self, last: Callable[[], None]) -> None:
        """Do `last` behind what waits, then end. If too much waits, that is left out."""
        while not self.do(last):
            self._drop_one()
        while True:
            try:
                self._queue.put_nowait(None)
                return
            except queue.Full:
                self._drop_one()

    def join(self, timeout: float) -> bool:
        """Wait for the end after `finish`; False if it has not come in time."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _drop_one(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return

    def _run(self) -> None:
        while True:
            errand = self._queue.get()
            if errand is None:
                return
            try:
                errand()
            except Exception as error:  # a defect of ours must not end the connection's thread
                _log.warning("An errand of a connection failed (%s).", type(error).__name__)
