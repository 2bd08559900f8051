"""What a stage is: an object that accepts some event types and answers each with events.

There is no base class. A stage owns no clock, thread or socket; the session (live) or the
offline driver (a `for` loop) feeds it. `push` is a generator, which gives token streaming;
only the worker that iterates a generator closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.events import Event


class Stage(Protocol):
    """A part of the system with one entrance."""

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types this stage wants."""
        ...

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield what follows from it, as soon as it is known."""
        ...

    def close(self) -> None:
        """Release what the stage holds (child processes, files). Safe to call twice."""
        ...
