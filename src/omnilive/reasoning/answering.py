"""What an answering backend is: from a retrieval and the dialogue so far to pieces of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.events import Moment, Retrieval
from omnilive.reasoning.conversation import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A delta of an answer and the moments that it rests on.

    `known` is False in the piece that says that this was not perceived or cannot be known; one
    such piece makes the whole answer unknown.
    """

    text: str
    citations: tuple[Moment, ...] = ()
    known: bool = True


class AnswerBackend(Protocol):
    """Writes answers; holds nothing between two of them."""

    def answer(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        """Yield the answer piece by piece.

        Raises:
            BackendError: the answer could not be written or finished.
            Cancelled: the turn was cut.
        """
        ...

    def close(self) -> None:
        """Release what the backend holds."""
        ...
