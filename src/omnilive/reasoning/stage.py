"""The entrance of answering: one retrieval in, one answer out, told while it is being written.

A turn that leans on the one before ("and after that?") may ask memory one more question, with
the leaning spelled out; its retrieval comes back here with `follows` set.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Event,
    Heard,
    Moment,
    Outcome,
    Question,
    Retrieval,
)
from omnilive.reasoning.answering import AnswerBackend, AnswererConfig
from omnilive.reasoning.conversation import Conversation, Turn

__all__ = ["Answerer", "AnswererConfig"]


class Answerer:
    """Turns every `Retrieval` into an answer by its backend."""

    accepts: tuple[type[Event], ...] = (Retrieval, Heard)

    def __init__(self, config: AnswererConfig, backend: AnswerBackend) -> None:
        self._config = config
        self._backend = backend
        self._conversation = Conversation(config.max_turns)

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Answer one retrieval, delta by delta, or ask the turn's one follow-up question.

        What was heard of an earlier answer replaces it in the dialogue.
        """
        if isinstance(event, Heard):
            self._conversation.note_heard(event)
        if not isinstance(event, Retrieval):
            return
        question = event.question
        if not question.follows and not cancel.is_set:
            spelled_out = self._conversation.rephrased(event)
            if spelled_out:
                yield _follow_up(question, spelled_out)
                return
        yield from self._answer(event, question.follows or question.text, cancel)

    def close(self) -> None:
        """Release what the backend holds."""
        self._backend.close()

    def _answer(self, retrieval: Retrieval, asked: str, cancel: Cancel) -> Iterator[Event]:
        turn_id = retrieval.turn_id
        yield AnswerStarted(turn_id=turn_id, question=asked)
        said: list[str] = []
        cited: dict[str, Moment] = {}
        known, outcome, error = True, "completed", ""
        pieces = self._backend.answer(retrieval, self._conversation.turns, cancel)
        try:
            for piece in pieces:
                cancel.check()
                known = known and piece.known
                for moment in piece.citations:
                    cited.setdefault(moment.id, moment)
                if piece.text:
                    said.append(piece.text)
                    yield AnswerText(turn_id=turn_id, delta=piece.text)
            cancel.check()
        except Cancelled:
            outcome = "interrupted"
        except BackendError as problem:
            outcome, error = ("interrupted", "") if cancel.is_set else ("failed", str(problem))
        text = "".join(said)
        citations = tuple(cited.values())[: self._config.max_citations]
        if outcome != "failed":
            self._conversation.add(
                Turn(question=asked, answer=text, citations=citations, turn_id=turn_id)
            )
        yield AnswerEnded(
            turn_id=turn_id,
            question=asked,
            text=text,
            outcome=_outcome(outcome),
            known=known and outcome != "failed",
            citations=citations,
            error=error,
        )


def _outcome(name: str) -> Outcome:
    return "interrupted" if name == "interrupted" else "failed" if name == "failed" else "completed"


def _follow_up(question: Question, text: str) -> Question:
    return Question(
        turn_id=question.turn_id,
        text=text,
        needs="past",
        up_to=question.up_to,
        scope=question.scope,
        stream=question.stream,
        utterance=question.utterance,
        follows=question.text,
    )
