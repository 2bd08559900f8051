"""What an answering backend is: from a retrieval and the dialogue so far to pieces of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.errors import ConfigError
from omnilive.events import Moment, Retrieval
from omnilive.reasoning.conversation import Turn


@dataclass(frozen=True, kw_only=True)
class AnswererConfig:
    """How answers are given.

    Attributes:
        max_turns: finished turns that are remembered as dialogue.
        max_citations: moments that an answer cites.
        min_coverage: share of the question's content words that an answer must hold, 0..1.
        sure_score: memory's score from which fewer words are enough, 0..1.
        max_quotes: moments quoted in an embedded answer.
        max_times: moments listed where every one counts ("how often", "when").
        max_digest: moments of a kind in a digest.
        max_digest_said: of what was said, which loses most by being left out.
        max_moments: moments told to a vision-language server.
        max_pictures: pictures sent to it with a question, the newest one among them.
        max_dialogue_chars: text of earlier turns told to it.
    """

    max_turns: int = 16
    max_citations: int = 24
    min_coverage: float = 0.7
    sure_score: float = 0.95
    max_quotes: int = 3
    max_times: int = 8
    max_digest: int = 6
    max_digest_said: int = 12
    max_moments: int = 40
    max_pictures: int = 5
    max_dialogue_chars: int = 4000

    def __post_init__(self) -> None:
        for name in ("min_coverage", "sure_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"answerer.{name} must be between 0 and 1.")
        for name in (
            "max_citations",
            "max_quotes",
            "max_times",
            "max_digest",
            "max_digest_said",
            "max_moments",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"answerer.{name} must be at least 1.")
        for name in ("max_turns", "max_pictures", "max_dialogue_chars"):
            if getattr(self, name) < 0:
                raise ConfigError(f"answerer.{name} must not be negative.")


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
