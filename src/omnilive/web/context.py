"""What the routes work with; one for each application."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from omnilive.cancel import Cancel
from omnilive.system import Config
from omnilive.web.clip_cache import ClipCache
from omnilive.web.door import Door
from omnilive.web.hosts import AllowedHosts
from omnilive.web.house import House
from omnilive.web.limits import RequestLimits
from omnilive.web.memories import Memories
from omnilive.web.metrics import Metrics

_MOST_ASKING = 4
_MOST_WAITING = 32


class Asking:
    """The questions that are being answered over HTTP."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(_MOST_ASKING, thread_name_prefix="omnilive asks")
        self._open: set[Cancel] = set()
        self._lock = threading.Lock()

    def begin(self) -> Cancel | None:
        """Return what cuts a new question; None if too many are open."""
        cancel = Cancel()
        with self._lock:
            if len(self._open) >= _MOST_WAITING:
                return None
            self._open.add(cancel)
        return cancel

    def end(self, cancel: Cancel) -> None:
        """Cut a question, or note that it has been answered."""
        cancel.set()
        with self._lock:
            self._open.discard(cancel)

    @property
    def num_open(self) -> int:
        """How many are being answered, or wait for it."""
        with self._lock:
            return len(self._open)

    def close(self) -> None:
        """Cut all of them."""
        with self._lock:
            waiting = list(self._open)
        for cancel in waiting:
            cancel.set()
        self.pool.shutdown(cancel_futures=True)


@dataclass(kw_only=True)
class Context:
    """What the routes work with.

    Attributes:
        config: what runs.
        page: folder of the page's files.
        door, hosts, limits: who may come in, by which names, how often.
        house: the writing side.
        memories: the reading side.
        clips: exported clips.
        metrics: figures.
        asking: the questions that are being answered over HTTP.
        leaves_machine: what is sent elsewhere, in sentences.
    """

    config: Config
    page: Path
    door: Door
    hosts: AllowedHosts
    limits: RequestLimits
    house: House
    memories: Memories
    clips: ClipCache
    metrics: Metrics
    asking: Asking = field(default_factory=Asking)
    leaves_machine: tuple[str, ...] = ()


def _context(connection: HTTPConnection) -> Context:
    context: Context = connection.app.state.context
    return context


Served: TypeAlias = Annotated[Context, Depends(_context)]
"""A route's parameter of this type is the application's context."""
