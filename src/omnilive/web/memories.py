"""Open memories for the routes: one thread at a time each, so several are kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from omnilive.api import OpenedMemory
from omnilive.errors import StoreError
from omnilive.web.errors import Refusal

MOST_OPEN = 4
_PATIENCE_S = 20.0


class Memories:
    """Lends open memories, the one used last first; any thread may borrow.

    Looking and asking do not share one: an answer may take as long as a server takes to give it,
    and its dialogue would go on into somebody else's question.

    Args:
        open_memory: opens the store for reading.
    """

    def __init__(self, open_memory: Callable[[], OpenedMemory]) -> None:
        self._open = open_memory
        self._idle: list[OpenedMemory] = []
        self._lock = threading.Lock()
        self._free = threading.Semaphore(MOST_OPEN)
        self._closed = False

    @contextlib.contextmanager
    def looking(self) -> Iterator[OpenedMemory]:
        """Lend one for looking.

        Raises:
            StoreError: the store cannot be read.
            Refusal: all are in use for long.
        """
        if not self._free.acquire(timeout=_PATIENCE_S):
            raise Refusal(
                503, "busy", "The memory is busy; try again.", headers={"Retry-After": "5"}
            )
        try:
            with self._lock:
                memory = self._idle.pop() if self._idle else None
            memory = memory or self._open()
            broken = False
            try:
                yield memory
            except StoreError:
                # What could not be read may be the connection's fault: the next one is new.
                broken = True
                raise
            finally:
                self._give_back(memory, broken)
        finally:
            self._free.release()

    @contextlib.contextmanager
    def asking(self) -> Iterator[OpenedMemory]:
        """Lend a new one, without any dialogue in it, for one question."""
        with self._open() as memory:
            yield memory

    def close(self) -> None:
        """Close those that are idle now, and the others when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for memory in idle:
            memory.close()

    def _give_back(self, memory: OpenedMemory, broken: bool) -> None:
        with self._lock:
            if not (broken or self._closed):
                self._idle.append(memory)
                return
        memory.close()
