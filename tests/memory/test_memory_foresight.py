"""A settled partial is searched for ahead of time: nobody can tell, but by the time it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_support import S, World, embedder

from omnilive.events import Forget, PartialUtterance, Question, UpTo, Voice
from omnilive.memory.recall import Recall

KEYS = "where did Anna put the keys?"
TEXTS = (KEYS, "what was said in the first minute?", "who saw the zebra?", "what happened?")


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    world = World(tmp_path, voice="user")
    world.say(2, "Anna put the keys on the kitchen table")
    world.show(4, "Platform 9 to Berlin")
    world.clip(0)
    world.say(12, "the keys were moved to the blue drawer")
    yield world
    world.close()


def settled(
    text: str, at_s: float = 20, *, voice: Voice = "user", done: bool = True
) -> PartialUtterance:
    return PartialUtterance(
        id=f"u1-{round(at_s * 1000)}",
        stream=1,
        start_ns=round(at_s * S),
        end_ns=round((at_s + 2) * S),
        text=text,
        voice=voice,
        settled=done,
    )


def question(text: str, at_s: float = 20, **more: object) -> Question:
    fields: dict[str, object] = {
        "turn_id": "q7",
        "text": text,
        "needs": "past",
        "up_to": (UpTo(1, round(at_s * S)),),
        "stream": 1,
        "utterance": f"u1-{round(at_s * 1000)}",
    }
    return Question(**(fields | more))  # type: ignore[arg-type]


def afresh(world: World, asked: Question) -> object:
    recall = Recall(world.store, embedder(), world.memory._config.recall)
    return recall.retrieve(asked, world.memory._pending_moments())


def is_ready(world: World, asked: Question) -> bool:
    return world.memory._foresight.take(asked, world.memory._pending_moments()) is not None


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("needs", ["past", "both"])
def test_what_was_found_ahead_of_time_is_the_answer(world: World, text: str, needs: str) -> None:
    assert world.push(settled(text)) == []
    # The words themselves arrive before the question does, and are no evidence for it.
    world.say(20, text, voice="user")
    asked = question(text, needs=needs)
    assert is_ready(world, asked)
    expected = afresh(world, asked)
    assert world.push(asked) == [expected]


def test_what_does_not_fit_is_searched_for_anew(world: World) -> None:
    world.push(settled(KEYS))
    for asked in (
        question("where did Anna put the key?"),
        question(KEYS, up_to=()),
        question(KEYS, up_to=(UpTo(1, 11 * S),)),
        question(KEYS, scope="talk"),
        question(KEYS, needs="present"),
        question(KEYS, utterance="u1-12000"),
        question(KEYS, picture=(1.0, 0.0), picture_model="test"),
    ):
        assert not is_ready(world, asked)
        assert world.memory._retrieve(asked) == afresh(world, asked)
    assert is_ready(world, question(KEYS))


def test_what_happens_meanwhile_is_not_missed(world: World) -> None:
    world.push(settled(KEYS))
    world.say(14, "no, the keys are in the pocket")
    asked = question(KEYS)
    assert not is_ready(world, asked)
    expected = afresh(world, asked)
    assert any("pocket" in hit.text for hit in expected.hits)  # type: ignore[attr-defined]
    assert world.push(asked) == [expected]
    # Remembered meanwhile.
    world.push(settled(KEYS))
    world.clip(10)
    assert not is_ready(world, asked)
    assert world.push(asked) == [afresh(world, asked)]
    # Forgotten meanwhile.
    world.push(settled(KEYS))
    assert is_ready(world, asked)
    world.push(Forget(moment="u1-2000"))
    (found,) = world.push(asked)
    assert found == afresh(world, asked)
    assert all(hit.id != "u1-2000" for hit in found.hits)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "partial",
    [settled("", 20), settled(KEYS, voice="own"), settled(KEYS, voice="ambient")]
    + [settled(KEYS, done=False)],
)
def test_what_is_no_settled_word_of_a_user_is_not_searched_for(
    world: World, partial: PartialUtterance
) -> None:
    assert world.push(partial) == []
    assert not is_ready(world, question(KEYS))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("look"), st.sampled_from(TEXTS)),
            st.tuples(st.just("ask"), st.sampled_from(TEXTS)),
            st.tuples(st.just("say"), st.sampled_from(["a zebra came in", "the keys are here"])),
            st.tuples(st.just("clip"), st.just("")),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_with_and_without_it_the_answers_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    world = World(tmp_path_factory.mktemp("store"), voice="user")
    at_s = 0.0
    for kind, text in steps:
        at_s += 2
        if kind == "look":
            world.push(settled(text, 60))
        elif kind == "say":
            world.say(at_s, text)
        elif kind == "clip":
            world.clip(at_s, length_s=2)
        else:
            asked = question(text, 60)
            expected = afresh(world, asked)
            assert world.push(asked)[0] == expected
    world.close()
