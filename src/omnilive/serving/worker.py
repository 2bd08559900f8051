"""One stage in its own thread, behind its mailbox.

Only the worker iterates its stage's generators and only the worker closes them. A stage that
raises becomes `StageFailed` and the next letter is taken: the session lives on.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from omnilive.cancel import Cancel
from omnilive.errors import Cancelled, OmniLiveError
from omnilive.events import Event
from omnilive.serving.mailbox import Mailbox
from omnilive.stage import Stage

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """Work to be done in the worker's thread, between two events."""

    work: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """An event that is kept small while it waits."""

    unpack: Callable[[], Event]


Letter = Event | _Call | Packed


class Worker:
    """Feeds one stage from one mailbox.

    Args:
        name: of the stage, unique in the session ("hearing 1", "memory").
        stage: what the events are pushed into.
        capacity: of the mailbox, in letters.
        emit: called with everything the stage yields, in this worker's thread.
        fail: called with the event and the error when the stage raised.
        cancel_for: the cancel flag an event is worked on under.
        delivered: called just before an event is pushed (the journal).
        done: called after an event and all that followed from it was handled.
        ready: whether an event may be worked on yet; one that is not waits aside at most
            `patience_s`, while others go on.
    """

    patience_s = 0.3

    def __init__(
        self,
        name: str,
        stage: Stage,
        *,
        capacity: int,
        emit: Callable[[Event], None],
        fail: Callable[[str, Event, str], None],
        cancel_for: Callable[[Event], Cancel],
        delivered: Callable[[str, Event], None],
        done: Callable[[str, Event], None],
        ready: Callable[[Event], bool] | None = None,
    ) -> None:
        self.name = name
        self.stage = stage
        self.mailbox: Mailbox[Letter] = Mailbox(capacity)
        self._emit = emit
        self._fail = fail
        self._cancel_for = cancel_for
        self._delivered = delivered
        self._done = done
        self._ready = ready
        self._waiting: list[tuple[float, Event]] = []
        self._thread = threading.Thread(target=self._run, name=f"omnilive {name}", daemon=True)

    def start(self) -> None:
        """Begin to take letters."""
        self._thread.start()

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Run `work` in this worker's thread, ahead of what waits in the mailbox."""
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # handed to who waits for the future
                    future.set_exception(error)

        if not self.mailbox.put_now(_Call(run), first=True):
            future.set_exception(OmniLiveError(f"The {self.name} stage has ended."))
        return future

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the closed mailbox was worked off; False if it takes longer than `timeout`."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            letter = self.mailbox.get(timeout=0.02 if self._waiting else None)
            if letter is None and not self._waiting and self.mailbox.closed:
                break
            if isinstance(letter, _Call):
                letter.work()
            elif isinstance(letter, Packed):
                self._take(letter.unpack())
            elif letter is not None:
                self._take(letter)
            self._retry()
        self.stage.close()

    def _take(self, event: Event) -> None:
        if self._ready is not None and not self._ready(event):
            self._waiting.append((time.monotonic() + self.patience_s, event))
        else:
            self._work(event)

    def _retry(self) -> None:
        if not self._waiting:
            return
        now = time.monotonic()
        due = [
            (deadline, event)
            for deadline, event in self._waiting
            if deadline <= now
            or self.mailbox.closed
            or (self._ready is not None and self._ready(event))
        ]
        for item in due:
            self._waiting.remove(item)
            self._work(item[1])

    def _work(self, event: Event) -> None:
        self._delivered(self.name, event)
        cancel = self._cancel_for(event)
        try:
            outcome = self.stage.push(event, cancel)
            try:
                for product in outcome:
                    self._emit(product)
            finally:
                close = getattr(outcome, "close", None)
                if close is not None:
                    close()
        except Cancelled:
            self._fail(self.name, event, "")
        except OmniLiveError as error:
            self._fail(self.name, event, str(error))
        except Exception as error:  # a defect of ours: the session lives on, and says so
            # The type and place only: the message of an unknown error may hold what was heard.
            _log.error("%s failed on %s", self.name, type(event).__name__)
            _log.debug("%s at\n%s", type(error).__name__, places(error))
            where = _place(error)
            self._fail(self.name, event, f"{type(error).__name__} in {where}")
        self._done(self.name, event)


def places(error: BaseException) -> str:
    """Return the lines of code an error went through, without its message."""
    return "".join(traceback.format_tb(error.__traceback__))


def _place(error: BaseException) -> str:
    """Return "file:line" of where the error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
