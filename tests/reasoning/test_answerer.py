from __future__ import annotations

from collections.abc import Iterator

import pytest

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Heard,
    Question,
    Retrieval,
    Tick,
    UpTo,
)
from omnilive.reasoning import AnswererConfig, Piece
from omnilive.reasoning.conversation import Conversation, Turn
from reasoning_support import (
    BUDGET,
    KEYS,
    LUNCH,
    TRAIN,
    WATCHED,
    WORLD,
    answerer,
    ask,
    cited,
    ended,
    push,
    retrieval,
)


class Script:
    """A backend that says what it is told to; a callable in between is called."""

    def __init__(self, *pieces: object) -> None:
        self.pieces = pieces
        self.dialogues: list[tuple[Turn, ...]] = []

    def answer(
        self, retrieval: Retrieval, dialogue: tuple[Turn, ...], cancel: Cancel
    ) -> Iterator[Piece]:
        self.dialogues.append(dialogue)
        for piece in self.pieces:
            if isinstance(piece, Piece):
                yield piece
            elif isinstance(piece, Exception):
                raise piece
            else:
                piece()

    def close(self) -> None:
        pass


def test_deltas_then_the_end():
    events = push(answerer(), retrieval("where did Anna put the keys?", hits=(KEYS,)))
    assert events[0] == AnswerStarted(turn_id="q1", question="where did Anna put the keys?")
    assert all(isinstance(event, AnswerText) for event in events[1:-1])
    last = ended(events)
    assert (last.outcome, last.known, last.error) == ("completed", True, "")


def test_a_cut_turn_ends_with_what_was_said():
    cancel = Cancel()
    backend = Script(
        Piece(text="one ", citations=(KEYS,)), cancel.set, Piece(text="two", citations=(LUNCH,))
    )
    last = ended(push(answerer(backend), retrieval("q?"), cancel))
    assert (last.text, last.outcome) == ("one ", "interrupted")
    assert cited(last) == [KEYS.id]


def test_a_backend_that_breaks_because_it_was_cut_is_interrupted_not_failed():
    cancel = Cancel()
    backend = Script(Piece(text="one"), cancel.set, BackendError("closed"))
    last = ended(push(answerer(backend), retrieval("q?"), cancel))
    assert (last.outcome, last.error) == ("interrupted", "")


def test_a_failure_keeps_what_was_said():
    backend = Script(Piece(text="one"), BackendError("It broke."))
    last = ended(push(answerer(backend), retrieval("q?")))
    assert (last.text, last.outcome, last.known, last.error) == (
        "one",
        "failed",
        False,
        "It broke.",
    )


def test_one_unknown_piece_makes_the_answer_unknown():
    backend = Script(Piece(text="no", known=False), Piece(text=" way"))
    assert not ended(push(answerer(backend), retrieval("q?"))).known


def test_citations_are_bounded_and_unique():
    backend = Script(Piece(text="a", citations=(KEYS, KEYS, LUNCH)))
    assert cited(ended(push(answerer(backend), retrieval("q?")))) == [KEYS.id, LUNCH.id]
    assert len(ended(push(answerer(backend, max_citations=1), retrieval("q?"))).citations) == 1


def test_finished_turns_become_dialogue_but_failed_ones_do_not():
    backend = Script(Piece(text="yes", citations=(KEYS,)))
    stage = answerer(backend, max_turns=2)
    for text in ("a?", "b?", "c?"):
        push(stage, retrieval(text))
    assert [turn.question for turn in backend.dialogues[-1]] == ["a?", "b?"]
    backend.pieces = (BackendError("no"),)
    push(stage, retrieval("d?"))
    push(stage, retrieval("e?"))
    assert [turn.question for turn in backend.dialogues[-1]] == ["b?", "c?"]


def test_when_was_that_tells_the_time_of_the_last_answer():
    stage = answerer()
    push(stage, retrieval("where did Anna put the keys?", hits=(KEYS,)))
    last = ended(push(stage, retrieval("when was that?")))
    assert cited(last) == [KEYS.id]
    assert "12:30:20" in last.text
    assert not ask("when was that?").known


def test_after_that_asks_memory_once_more_within_the_turn():
    stage = answerer()
    push(stage, retrieval("where did Anna put the keys?", hits=(KEYS,)))
    (follow_up,) = push(stage, retrieval("And after that?", up_to=(UpTo(1, 99),)))
    assert isinstance(follow_up, Question)
    assert follow_up.turn_id == "q1"
    assert follow_up.follows == "And after that?"
    assert follow_up.up_to == (UpTo(1, 99),)
    assert "12:30:20" in follow_up.text
    second = retrieval(
        follow_up.text, follows=follow_up.follows, relation="after", anchor=KEYS, around=(LUNCH,)
    )
    last = ended(push(stage, second))
    assert last.question == "And after that?"
    assert LUNCH.id in cited(last)


def test_a_follow_up_without_a_past_is_answered_as_it_is():
    assert isinstance(push(answerer(), retrieval("And after that?"))[-1], AnswerEnded)


def test_other_events_are_ignored():
    assert list(answerer().push(Tick(stream=1, at_ns=0, wall_ns=0), Cancel())) == []


def test_conversation_is_bounded():
    conversation = Conversation(3)
    for i in range(10):
        conversation.add(Turn(question=str(i), answer=""))
    assert [turn.question for turn in conversation.turns] == ["7", "8", "9"]


@pytest.mark.parametrize(
    "text", ["what did she say after the break?", "what is next to the door?", ""]
)
def test_only_leaning_questions_are_rephrased(text):
    conversation = Conversation(3)
    conversation.add(Turn(question="a", answer="b", citations=(KEYS,)))
    assert conversation.rephrased(retrieval(text)) == ""


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Summarize the talk", "what happened?", {one.id for one in WORLD}),
        ("what was the last thing said?", "what was said?", {TRAIN[-1].id}),
        ("what was the first thing on the screen?", "what was on the screen?", {BUDGET.id}),
    ],
)
def test_what_asks_for_everything_asks_memory_once_more(text, asked, expected):
    stage = answerer(max_digest=20)
    (follow_up,) = push(stage, retrieval(text))
    assert isinstance(follow_up, Question)
    assert (follow_up.text, follow_up.follows) == (asked, text)
    second = retrieval(asked, follows=text, within=WORLD, within_total=len(WORLD))
    last = ended(push(stage, second))
    assert (last.question, set(cited(last))) == (text, expected)


def test_after_that_tells_what_came_next_by_the_clock():
    stage = answerer()
    push(stage, retrieval("where did Anna put the keys?", hits=(KEYS,)))
    second = retrieval(
        "what happened after 12:30:20?",
        follows="And after that?",
        time_words="after 12:30:20",
        spans=WATCHED,
        within=WORLD,
        within_total=len(WORLD),
    )
    last = ended(push(stage, second))
    assert cited(last) == [one.id for one in WORLD[1:4]]


def test_nothing_is_asked_twice_when_something_was_found():
    assert isinstance(push(answerer(), retrieval("what happened?", within=WORLD))[-1], AnswerEnded)
    assert isinstance(push(answerer(), retrieval("what happened?", watched=()))[-1], AnswerEnded)


@pytest.mark.parametrize(
    "changes", [{"min_coverage": 2.0}, {"max_quotes": 0}, {"max_turns": -1}, {"sure_score": -0.1}]
)
def test_settings_that_make_no_sense(changes):
    with pytest.raises(ConfigError):
        AnswererConfig(**changes)


def cut(stage, text, *, complete=False):
    return list(
        stage.push(Heard(turn_id="q1", text=text, played_ms=800, complete=complete), Cancel())
    )


@pytest.mark.parametrize("is_early", [False, True])
def test_the_dialogue_holds_what_was_heard_of_an_answer(is_early):
    backend = Script(Piece(text="On the table. "), Piece(text="In the hall.", citations=(KEYS,)))
    stage = answerer(backend)
    if is_early:
        assert cut(stage, "On the table.") == []
    push(stage, retrieval("where are the keys?", hits=(KEYS,)))
    if not is_early:
        assert cut(stage, "On the table.") == []
    push(stage, retrieval("where is the box?", hits=(BUDGET,)))
    (turn,) = backend.dialogues[-1]
    assert (turn.turn_id, turn.answer, turn.citations) == ("q1", "On the table.", (KEYS,))


def test_what_nobody_heard_cannot_be_leant_on():
    stage = answerer()
    push(stage, retrieval("where did Anna put the keys?", hits=(KEYS,)))
    cut(stage, "")
    events = push(stage, retrieval("and after that?"))
    assert not any(isinstance(event, Question) for event in events)


def test_an_answer_heard_to_its_end_stays_as_it_was_written():
    backend = Script(Piece(text="On the table [u1-20000].", citations=(KEYS,)))
    stage = answerer(backend)
    push(stage, retrieval("where are the keys?", hits=(KEYS,)))
    cut(stage, "On the table.", complete=True)
    push(stage, retrieval("where is the box?", hits=(BUDGET,)))
    assert backend.dialogues[-1][0].answer == "On the table [u1-20000]."
