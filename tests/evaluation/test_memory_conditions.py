"""What the reasoning stage is given under each condition, from a store that was really watched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from omnilive.errors import BackendError, UsageError
from omnilive.evaluation.conditions import Condition, NotPossible, ask
from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.recalling import Recalling
from omnilive.events import NS_PER_S, AnswerEnded, Question
from omnilive.media.synthetic.records import Said
from omnilive.presets import embedded
from omnilive.system import System
from vlm_server import VlmServer
from world_support import SECONDS, watched, world


@pytest.fixture(scope="module")
def stream() -> Iterator[Recalling]:
    system = System(embedded(), watched(), write=False)
    yield Recalling(system, "world")
    system.close()


def sayings() -> list[Said]:
    return [one for segment in world().segments for one in segment.said]


def about(said: Said, **changes: Any) -> MemoryQuestion:
    values: dict[str, Any] = {
        "id": "q",
        "video": "world",
        "text": f'When did somebody say "{said.text}"?',
        "ask_time_s": SECONDS,
        "accepted": (said.text,),
        "evidence": ((said.start_s, said.end_s),),
    }
    return MemoryQuestion(**(values | changes))


def answer(stream: Recalling, question: MemoryQuestion, condition: Condition) -> AnswerEnded:
    return ask(stream, question, condition)


def test_memory_answers_and_the_blind_one_does_not(stream: Recalling) -> None:
    said = sayings()[1]
    found = answer(stream, about(said), "memory")
    assert found.known
    assert any(one.start_ns < said.end_ns and said.start_ns < one.end_ns for one in found.citations)
    blind = answer(stream, about(said), "blind")
    assert not blind.known
    assert not blind.citations


def test_what_comes_later_is_not_known_at_the_moment_of_the_question(stream: Recalling) -> None:
    said = sayings()[-1]
    before = about(said, ask_time_s=said.start_s - 1, evidence=())
    during = about(said, ask_time_s=(said.start_s + said.end_s) / 2, evidence=())
    assert answer(stream, about(said), "memory").known
    for question in (before, during):
        found = answer(stream, question, "memory")
        at_ns = stream.moment_ns(question.ask_time_s)
        assert not any(one.end_ns > at_ns for one in found.citations)
        assert not any(one.start_ns // 10**9 == said.start_ns // 10**9 for one in found.citations)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.8, 1.0])
def test_nothing_that_is_passed_on_reaches_past_the_moment(stream: Recalling, share: float) -> None:
    at_ns = stream.moment_ns(SECONDS * share)
    question = Question(turn_id="t", text="what happened?", needs="both")
    found = stream.recall(question, at_ns)
    moments = [*found.hits, *found.matched, *found.within, *found.latest, *found.digests]
    assert moments
    assert max(one.end_ns for one in moments) <= at_ns
    assert found.within_total == len(found.within)
    assert all(span.end_ns <= at_ns for span in found.watched)


def test_the_newest_frame_comes_from_outside(stream: Recalling) -> None:
    question = Question(turn_id="t", text="what is there now?", needs="present")
    at_ns = stream.moment_ns(30.0)
    assert stream.recall(question, at_ns, b"frame").latest_picture == b"frame"
    kept = stream.recall(question, at_ns).latest_picture
    assert kept.startswith(b"\xff\xd8")
    # Without one it is a picture of a clip that was over, not of the one that was open.
    over = [one.picture for one in stream.system.store.clips(1, 99) if one.end_ns <= at_ns]
    assert kept == over[-1]


def test_newest_only_knows_what_is_there_now(stream: Recalling) -> None:
    first = next(iter(sayings()))
    found = answer(stream, about(first), "newest")
    assert not any(one.start_ns < first.end_ns for one in found.citations)


def test_the_oracle_is_shown_the_evidence_alone(stream: Recalling) -> None:
    said = sayings()[1]
    found = answer(stream, about(said), "oracle")
    assert found.known
    assert found.citations
    for one in found.citations:
        assert one.start_ns < said.end_ns
        assert said.start_ns < one.end_ns
    # Shown something else, it cannot know.
    other = sayings()[3]
    wrong = about(said, evidence=((other.start_s, other.end_s),))
    assert not answer(stream, wrong, "oracle").known


def test_what_a_preset_or_a_question_does_not_have_is_named(stream: Recalling) -> None:
    said = sayings()[1]
    with pytest.raises(NotPossible, match="no context"):
        answer(stream, about(said), "context")
    with pytest.raises(NotPossible, match="no other stream"):
        answer(stream, about(said), "shuffled")
    with pytest.raises(NotPossible, match="no evidence"):
        answer(stream, about(said, evidence=(), known=False, accepted=()), "oracle")


def test_each_question_is_a_dialogue_of_its_own(stream: Recalling) -> None:
    said = sayings()[1]
    answer(stream, about(said), "memory")
    after = answer(stream, about(said, text="And after that?"), "memory")
    assert said.text not in after.text


def test_positions_and_streams(stream: Recalling) -> None:
    assert stream.begin_ns == 0
    assert stream.moment_ns(12.5) == 12.5 * NS_PER_S
    # A clip may end with the last frame, a little after the video's own end.
    assert stream.moment_ns(SECONDS) == stream.end_ns
    assert stream.position_s(stream.end_ns) == pytest.approx(SECONDS, abs=0.5)
    assert 0 <= stream.began_s < 86_400
    with pytest.raises(UsageError, match='no stream "nowhere"'):
        Recalling(stream.system, "nowhere")


def test_a_server_is_told_everything_and_the_choices() -> None:
    said = sayings()[1]
    with VlmServer("good", text="B") as server:
        config = embedded()
        vlm = replace(config.vlm, url=server.url, model="eyes")
        system = System(replace(config, preset="server", vlm=vlm), watched(), write=False)
        question = about(said, choices=("one", said.text))
        found = ask(Recalling(system, "world"), question, "context", newest=b"")
        blind = ask(Recalling(system, "world"), question, "blind")
        system.close()
    assert (found.text, blind.text) == ("B", "B")
    whole, alone = (json.dumps(request["messages"]) for request in server.requests)
    # Recognition may mishear a word of a sentence, so a few of all words are enough.
    words = {word for one in sayings() for word in one.text.rstrip(".").split() if len(word) > 4}
    told = sum(word in whole for word in words)
    assert told > 0.8 * len(words)
    assert f"(B) {said.text}" in whole
    assert "there are none" in alone


def test_an_answer_of_the_stand_in_is_not_the_servers() -> None:
    with VlmServer("failing") as server:
        config = embedded()
        vlm = replace(config.vlm, url=server.url, model="eyes")
        system = System(replace(config, preset="server", vlm=vlm), watched(), write=False)
        with pytest.raises(BackendError, match="did not answer"):
            ask(Recalling(system, "world"), about(sayings()[1]), "memory")
        system.close()
