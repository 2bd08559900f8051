"""How much of an answer was heard; and our own voice, which is stored and never evidence."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from memory_support import S, World, raw_bytes

from omnilive.events import AnswerEnded, Forget, Heard, Moment, UpTo, Watermark


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    world = World(tmp_path)
    yield world
    world.close()


def answered(turn: str = "q1", text: str = "On the table. They are blue.") -> AnswerEnded:
    return AnswerEnded(
        turn_id=turn, question="where are the keys?", text=text, outcome="completed", known=True
    )


def heard(text: str, turn: str = "q1", *, complete: bool = False) -> Heard:
    return Heard(turn_id=turn, text=text, played_ms=900, complete=complete)


@pytest.mark.parametrize("is_early", [False, True])
def test_a_turn_keeps_how_much_of_it_was_heard(world: World, is_early: bool) -> None:
    events = [answered(), heard("On the table.")]
    for event in reversed(events) if is_early else events:
        assert world.push(event) == []
    (turn,) = world.store.turns()
    assert turn.answer == "On the table. They are blue."
    assert (turn.heard, turn.heard_ms, turn.heard_complete) == ("On the table.", 900, False)
    assert world.store.verify().findings == ()


def test_a_turn_that_was_not_spoken_says_so(world: World) -> None:
    world.push(answered())
    (turn,) = world.store.turns()
    assert (turn.heard, turn.heard_ms, turn.heard_complete) == ("", None, False)


def test_what_was_heard_of_unknown_turns_is_bounded(world: World) -> None:
    for i in range(100):
        world.push(heard("x", f"q{i}"))
    assert len(world.memory._heard) <= 32
    world.push(answered("q99"))
    assert world.store.turns()[0].heard == "x"


def test_what_was_heard_is_forgotten_with_the_turn(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = world.say(2, "the keys are under xylophone melon")
    world.clip(0)
    cited = world.ask("where are the keys?").hits[:1]
    world.push(
        AnswerEnded(
            turn_id="q1",
            question="where are the keys?",
            text="Under the xylophone.",
            outcome="completed",
            known=True,
            citations=cited,
        )
    )
    world.push(heard("Under the xylophone"))
    assert b"xylophone" in raw_bytes(tmp_path)
    world.push(Forget(moment=said))
    (turn,) = world.store.turns()
    assert (turn.redacted, turn.answer, turn.heard) == (True, "", "")
    # Told of only now, it must not come back.
    world.push(heard("Under the xylophone"))
    assert world.store.turns()[0].heard == ""
    assert world.store.verify().findings == ()
    world.close()
    assert b"xylophone" not in raw_bytes(tmp_path)


def moments_of(found: object) -> list[Moment]:
    """Return every moment a retrieval holds, in whatever field."""
    held: list[Moment] = []
    for field in fields(found):  # type: ignore[arg-type]
        value = getattr(found, field.name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Moment):
                held.append(one)
    return held


@pytest.mark.parametrize("is_pending", [False, True])
def test_our_own_voice_is_stored_and_never_evidence(world: World, is_pending: bool) -> None:
    # Enough of it that blocks and hours are made of it too.
    own = [world.say(s, "the zebra sleeps in the garage", voice="own") for s in range(2, 362, 10)]
    world.say(7, "somebody spoke of the weather")
    for start_s in range(0, 360, 10):
        world.clip(start_s, heard=False)
    if not is_pending:
        world.push(Watermark(stream=1, sense="hearing", at_ns=360 * S))
        assert world.store.get(own[0]).voice == "own"
    for text in (
        "where does the zebra sleep?",
        "what was said?",
        "what was said in the last hour?",
        "what happened before the zebra?",
        "how often was the zebra mentioned?",
        "what is in the garage?",
    ):
        for needs in ("past", "present", "both"):
            found = world.ask(text, needs=needs, up_to=(UpTo(1, 400 * S),))
            assert all("zebra" not in moment.text for moment in moments_of(found)), (text, needs)
    said = [m.text for m in moments_of(world.ask("what was said?"))]
    assert "somebody spoke of the weather" in said
    digests = [row[0] for row in world.store.database.rows("SELECT digest FROM node") if row[0]]
    assert all("zebra" not in digest for digest in digests)
