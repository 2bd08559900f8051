"""Searching for a question before it is one: while its asker may still be going on.

When a voice pauses, its words are searched for at once; if they turn out to be a question, its
answer is ready. It is used only if a search now could give nothing else: the same words and bounds,
the same generation of the store, the same pending moments. Nobody can tell it from the answer but
by the time it took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnilive.events import Moment, PartialUtterance, Question, Retrieval, UpTo
from omnilive.memory.recall import Recall
from omnilive.memory.store import Store
from omnilive.memory.view import View


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found, and all that it depends on."""

    text: str
    up_to: tuple[UpTo, ...]
    scope: str
    utterance: str
    pending: tuple[Moment, ...]
    retrieval: Retrieval


class Foresight:
    """Keeps the newest thing that was searched for ahead of time."""

    def __init__(self, store: Store, recall: Recall) -> None:
        self._store = store
        self._recall = recall
        self._found: _Found | None = None

    def look(self, heard: PartialUtterance, pending: Sequence[Moment]) -> None:
        """Search for what a user's voice has said up to its pause."""
        text = heard.text.strip()
        if not heard.settled or heard.voice != "user" or not text:
            return
        # As the gate will ask it, if it does (`omnilive.reasoning.gate`).
        question = Question(
            turn_id="",
            text=text,
            needs="past",
            up_to=(UpTo(heard.stream, heard.start_ns),),
            stream=heard.stream,
            utterance=heard.id,
        )
        found = self._found
        if found is not None and self._fits(found, question, pending):
            return
        self._found = _Found(
            text=text,
            up_to=question.up_to,
            scope=question.scope,
            utterance=question.utterance,
            pending=self._seen(question, pending),
            retrieval=self._recall.retrieve(question, pending),
        )

    def take(self, question: Question, pending: Sequence[Moment]) -> Retrieval | None:
        """Return the answer to `question` if it was found ahead of time and nothing changed."""
        found = self._found
        if found is None or not self._fits(found, question, pending):
            return None
        return replace(found.retrieval, turn_id=question.turn_id, question=question)

    def forget(self) -> None:
        """Drop what was found."""
        self._found = None

    def _fits(self, found: _Found, question: Question, pending: Sequence[Moment]) -> bool:
        return (
            found.text == question.text
            and found.up_to == question.up_to
            and found.scope == question.scope
            and found.utterance == question.utterance
            # A question about the present alone, or with a picture, is answered otherwise.
            and question.needs != "present"
            and not question.picture
            and found.retrieval.generation == self._store.database.generation
            and found.pending == self._seen(question, pending)
        )

    def _seen(self, question: Question, pending: Sequence[Moment]) -> tuple[Moment, ...]:
        return View(question, self._store.timelines(), pending).pending
