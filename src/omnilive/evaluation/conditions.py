"""One question, asked of the same system under conditions that tell what its memory is worth.

Between memory and the reasoning stage stands a filter: what memory found is passed on as it is,
replaced or narrowed; gate, memory and answerer are those of the preset. A question is asked at a
moment of a stream that has been watched, and sees what a live question would have seen then.

| condition | what the reasoning stage is given |
|---|---|
| memory | what memory found, and the newest picture |
| newest | the newest pictures and what is there now; memory is not asked |
| blind | the question alone |
| shuffled | what memory found in another stream, and its own newest picture |
| context | everything that was remembered before the question, while it fits |
| oracle | what was remembered of the evidence |

A condition that a preset or a question does not have raises `NotPossible`; nothing is made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, OmniLiveError
from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.recalling import Recalling
from omnilive.events import AnswerEnded, Event, Question, Retrieval, UpTo, Utterance
from omnilive.nn.reasoning_request import ReasoningRequest
from omnilive.reasoning.extractive import ExtractiveBackend
from omnilive.reasoning.language import LanguageBackend
from omnilive.reasoning.phrases import CHINESE, ENGLISH
from omnilive.reasoning.stage import Answerer
from omnilive.remote.chat import ChatClient
from omnilive.stage import Stage

Condition: TypeAlias = Literal["memory", "newest", "blind", "shuffled", "context", "oracle"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
_SERVER_FAILED = (ENGLISH.server_failed, CHINESE.server_failed)
_turns = itertools.count(1)


class NotPossible(OmniLiveError):
    """A condition that this preset, store or question does not have; says why."""


def ask(
    stream: Recalling,
    question: MemoryQuestion,
    condition: Condition,
    *,
    newest: bytes = b"",
    other: Recalling | None = None,
) -> AnswerEnded:
    """Ask `question` at its time under a condition; each is a dialogue of its own.

    Args:
        stream: what was watched.
        question: with its time, choices and evidence.
        condition: see above.
        newest: JPEG of the newest frame at that time; b"" leaves what the store has kept.
        other: another stream, for `shuffled`.

    Raises:
        NotPossible: see above.
        BackendError: a server did not answer, or a network failed.
    """
    at_ns = stream.moment_ns(question.ask_time_s)
    if condition == "blind" and stream.system.reasoner is not None:
        return _reasoner_alone(stream, question)
    if condition == "context" and not _writes(stream):
        raise NotPossible("The embedded answerer quotes what was found; it has no context to fill.")
    filters = _filters(stream, question, at_ns, newest, other)
    stages = _stages(stream, _Filter(filters[condition]), wide=condition == "context")
    try:
        turn = f"eval-{next(_turns)}"
        asked = Utterance(
            id=turn,
            stream=0,
            start_ns=0,
            end_ns=0,
            text=question.text,
            voice="user",
            typed=True,
            up_to=(UpTo(stream.number, at_ns),),
            scope=stream.name,
        )
        for event in _run(stages, asked, Cancel()):
            if isinstance(event, AnswerEnded):
                if event.text.startswith(_SERVER_FAILED):
                    # The embedded answerer stood in, and its answer is not the server's.
                    raise BackendError("The vision-language server did not answer.")
                return event
    finally:
        for name, stage in stages.items():
            if name != "memory":
                stage.close()
    raise OmniLiveError(f'The question "{question.id}" was not understood as a question.')


class _Filter:
    """Memory as a stage, with a condition on what it passes on."""

    accepts: tuple[type[Event], ...] = (Question,)

    def __init__(self, recall: Callable[[Question], Retrieval]) -> None:
        self._recall = recall

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if isinstance(event, Question):
            yield self._recall(event)

    def close(self) -> None:
        """The store belongs to whoever opened it."""


def _filters(
    stream: Recalling,
    asked: MemoryQuestion,
    at_ns: int,
    newest: bytes,
    other: Recalling | None,
) -> Mapping[Condition, Callable[[Question], Retrieval]]:
    def told(found: Retrieval) -> Retrieval:
        return _with_choices(stream, asked, found)

    def as_is(question: Question) -> Retrieval:
        return told(stream.recall(question, at_ns, newest))

    def newest_only(question: Question) -> Retrieval:
        return told(stream.recall(replace(question, needs="present"), at_ns, newest))

    def nothing(question: Question) -> Retrieval:
        return told(Retrieval(turn_id=question.turn_id, question=question, generation=0))

    def shuffled(question: Question) -> Retrieval:
        if other is None:
            raise NotPossible("There is no other stream whose memory could stand in.")
        here = stream.recall(replace(question, needs="present"), at_ns, newest)
        end_ns = min(at_ns, other.end_ns)
        there = replace(question, up_to=(UpTo(other.number, end_ns),), scope=other.name)
        found = other.recall(there, end_ns)
        return told(
            replace(
                found,
                question=question,
                watched=here.watched,
                latest=here.latest,
                latest_picture=here.latest_picture,
            )
        )

    def context(question: Question) -> Retrieval:
        if question.needs == "present":
            question = replace(question, needs="both")
        found = stream.everything(question, at_ns, newest)
        if isinstance(found, str):
            raise NotPossible(found)
        return told(found)

    def oracle(question: Question) -> Retrieval:
        if not asked.evidence:
            raise NotPossible("The question has no evidence that could be shown.")
        question = replace(question, needs=asked.needs)
        return told(stream.evidence(question, at_ns, newest, asked.evidence))

    return {
        "memory": as_is,
        "newest": newest_only,
        "blind": nothing,
        "shuffled": shuffled,
        "context": context,
        "oracle": oracle,
    }


def _with_choices(stream: Recalling, asked: MemoryQuestion, found: Retrieval) -> Retrieval:
    """Tell the choices to whoever writes the answer, but not to memory: they are no evidence.

    The embedded answerer only quotes, so its quotations are held against the choices.
    """
    if not asked.choices or not _writes(stream):
        return found
    return replace(found, question=replace(found.question, text=_told(asked)))


def _writes(stream: Recalling) -> bool:
    """Whether a language model writes the answers; the embedded answerer only quotes."""
    return stream.system.reasoner is not None or bool(stream.system.config.vlm.url)


def _told(asked: MemoryQuestion) -> str:
    if not asked.choices:
        return asked.text
    lines = (f"({chr(ord('A') + n)}) {choice}" for n, choice in enumerate(asked.choices))
    return "\n".join((asked.text, *lines, "Answer with the letter of the right choice."))


def _stages(stream: Recalling, memory: Stage, *, wide: bool) -> dict[str, Stage]:
    system = stream.system
    stages = dict(system.stages_for_session(memory, caption=False, speak=False))
    if wide and system.reasoner is None:
        # The server is told everything, not only as much as is usual.
        config = replace(system.config.answerer, max_moments=stream.most_in_context)
        chat = ChatClient(system.config.vlm)
        stages["answerer"].close()
        stages["answerer"] = Answerer(
            config, LanguageBackend(config, chat, ExtractiveBackend(config))
        )
    return stages


def _run(stages: Mapping[str, Stage], event: Event, cancel: Cancel) -> Iterator[Event]:
    for stage in stages.values():
        if type(event) in stage.accepts:
            for product in stage.push(event, cancel):
                yield product
                yield from _run(stages, product, cancel)


def _reasoner_alone(stream: Recalling, asked: MemoryQuestion) -> AnswerEnded:
    """Ask the language model without memory: its backend would rather say that it saw nothing."""
    reasoner, turn = stream.system.reasoner, f"eval-{next(_turns)}"
    assert reasoner is not None
    try:
        request = ReasoningRequest(question=_told(asked))
        text = "".join(reasoner.answer(turn, request, Cancel()))
    finally:
        reasoner.forget(turn)
    return AnswerEnded(
        turn_id=turn,
        question=asked.text,
        text=text,
        outcome="completed",
        known=True,
    )
