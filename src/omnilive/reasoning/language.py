"""The answerer that asks a vision-language server, with the embedded one to fall back on.

The server's words pass through filters that take ids out; what it says can cite, but not do:
no word of a model reaches memory, settings or another stage except as the text of an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import Retrieval
from omnilive.reasoning.answering import AnswerBackend, AnswererConfig, Piece
from omnilive.reasoning.citations import CitationFilter, NotSeenFilter
from omnilive.reasoning.conversation import Turn
from omnilive.reasoning.phrases import CHINESE, ENGLISH
from omnilive.reasoning.prompt import messages, moments_given
from omnilive.reasoning.words import is_chinese
from omnilive.remote.chat import Message

_LOG = logging.getLogger(__name__)


class Chat(Protocol):
    """A model that replies to messages, piece by piece."""

    def stream(self, messages: Sequence[Message], cancel: Cancel) -> Iterator[str]:
        """Yield the reply; raises `BackendError` or `Cancelled`."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class LanguageBackend:
    """Answers in the words of a vision-language model, from the moments memory found."""

    def __init__(self, config: AnswererConfig, chat: Chat, fallback: AnswerBackend) -> None:
        self._config = config
        self._chat = chat
        self._fallback = fallback

    def answer(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        """Yield the model's answer as it comes; the embedded one if it says nothing at all."""
        said = False
        try:
            for piece in self._from_model(retrieval, dialogue, cancel):
                said = said or bool(piece.text)
                yield piece
            return
        except BackendError as problem:
            if said:
                raise
            _LOG.warning("Answered without the server: %s", problem)
        phrases = CHINESE if is_chinese(retrieval.question.text) else ENGLISH
        yield Piece(text=phrases.server_failed)
        yield from self._fallback.answer(retrieval, dialogue, cancel)

    def close(self) -> None:
        """Release the client."""
        self._chat.close()
        self._fallback.close()

    def _from_model(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        ids = CitationFilter(moments_given(retrieval, self._config.max_moments))
        start = NotSeenFilter()
        said = False
        for delta in self._chat.stream(messages(retrieval, dialogue, self._config), cancel):
            text = ids.feed(start.feed(delta))
            cited = ids.take_cited()
            said = said or bool(text.strip())
            if text or cited:
                yield Piece(text=text, citations=cited, known=not start.not_seen)
        text = ids.feed(start.finish()) + ids.finish()
        cited = ids.take_cited()
        said = said or bool(text.strip())
        if text or cited:
            yield Piece(text=text, citations=cited, known=not start.not_seen)
        if start.not_seen and not said:
            phrases = CHINESE if is_chinese(retrieval.question.text) else ENGLISH
            yield Piece(text=phrases.not_found, known=False)
        elif not said:
            raise BackendError("The vision-language server's answer held no words.")
