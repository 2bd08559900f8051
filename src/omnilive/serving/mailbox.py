"""A bounded queue that says what it pushes out.

Three ways in, by what the event is: media and what is perceived of it wait for room (nothing is
lost); frames of a live source push out the oldest frame (newest wins, counted); events of a turn
never wait, because the stages of a turn form a cycle (memory -> answerer -> memory) and waiting in
a cycle is a deadlock. Turns are few: the session limits how many may be open.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One worker's letters, in order of arrival."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("A mailbox holds at least one letter.")
        self.capacity = capacity
        self._letters: deque[T] = deque()
        self._condition = threading.Condition()
        self._closed = False

    def put(self, letter: T) -> bool:
        """Add `letter`, waiting for room; False if the mailbox was closed meanwhile."""
        with self._condition:
            while len(self._letters) >= self.capacity and not self._closed:
                self._condition.wait()
            return self._append(letter)

    def put_now(self, letter: T, *, first: bool = False) -> bool:
        """Add `letter` without waiting, over capacity if need be; `first` jumps the queue."""
        with self._condition:
            return self._append(letter, first=first)

    def put_newest(self, letter: T, same: Callable[[T], bool], limit: int) -> int | None:
        """Add `letter`; of what is the `same`, keep the newest `limit`.

        Returns how many were pushed out; None if the mailbox is closed.
        """
        with self._condition:
            queued = [each for each in self._letters if same(each)]
            old = queued[: max(0, len(queued) - limit + 1)]
            if not self._append(letter):
                return None
            for each in old:
                self._remove(each)
            return len(old)

    def put_thinned(self, letter: T, same: Callable[[T], bool], limit: int) -> int | None:
        """Add `letter`; where `limit` of the `same` wait already, every second of those goes.

        Returns how many were taken out; None if the mailbox is closed.
        """
        with self._condition:
            queued = [each for each in self._letters if same(each)]
            if not self._append(letter):
                return None
            gone = queued[1::2] if len(queued) >= limit else []
            for each in gone:
                self._remove(each)
            return len(gone)

    def get(self, timeout: float | None = None) -> T | None:
        """Return the next letter; None when the time is over or nothing will come any more."""
        with self._condition:
            self._condition.wait_for(lambda: self._letters or self._closed, timeout)
            if not self._letters:
                return None
            letter = self._letters.popleft()
            self._condition.notify_all()
            return letter

    def discard(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Take out every letter that is `unwanted` and return them."""
        with self._condition:
            gone = [each for each in self._letters if unwanted(each)]
            self._letters = deque(each for each in self._letters if not unwanted(each))
            self._condition.notify_all()
            return gone

    def close(self) -> None:
        """Refuse new letters; those inside can still be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether new letters are refused."""
        return self._closed

    def __len__(self) -> int:
        return len(self._letters)

    def _append(self, letter: T, *, first: bool = False) -> bool:
        if self._closed:
            return False
        if first:
            self._letters.appendleft(letter)
        else:
            self._letters.append(letter)
        self._condition.notify_all()
        return True

    def _remove(self, letter: T) -> None:
        for index, each in enumerate(self._letters):
            if each is letter:  # events may hold arrays: identity, not equality
                del self._letters[index]
                return
