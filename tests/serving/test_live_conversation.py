"""Whole conversations: a voice in, a voice out, on the embedded stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from talk_support import FastClock, LongAnswer, Person, spoken

from omnilive.events import SAMPLE_RATE
from omnilive.presets import embedded
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.conversations import Conversations
from omnilive.serving.settings import Settings
from omnilive.system import System

FACT = "The hotel is next to the railway station."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversations]:
    config = embedded()
    config = replace(config, live=replace(config.live, max_sessions=50))
    system = System(config, tmp_path_factory.mktemp("live") / "memory", write=True)
    conversations = Conversations(system, config.live, FastClock())
    conversations.warm()
    yield conversations
    conversations.close_all()
    system.close()


@pytest.fixture
def long_answer(house: Conversations, monkeypatch: pytest.MonkeyPatch) -> LongAnswer:
    """An answerer that talks for half a minute, in the conversations opened from here on."""
    answerer = LongAnswer()
    monkeypatch.setattr(house, "_shared", lambda: {"answerer": answerer})
    return answerer


@pytest.fixture
def talk(house: Conversations) -> Iterator[Callable[..., Person]]:
    people: list[Person] = []

    def begin(name: str = "", **how: object) -> Person:
        person = Person(house.open(name), **how).come()
        people.append(person)
        person.wait("stream")
        return person

    yield begin
    for person in people:
        person.go()
        if person.conversation in house.list():
            house.close(person.conversation.id)


def test_a_question_aloud_is_answered_aloud(talk: Callable[..., Person]) -> None:
    person = talk("kitchen")
    assert person.names()[0] == "hello"
    assert person.messages[0]["stream"] == "kitchen"
    assert Settings(**person.messages[0]["settings"]) == person.conversation.settings
    person.say(FACT)
    person.wait("dismissed")
    person.say("Where is the hotel?")
    answer = person.wait("answer")
    assert answer["known"]
    assert "station" in answer["answer"]
    heard = person.wait("heard")
    assert heard["complete"]
    assert heard["turn"] == answer["turn"]
    assert "railway station" in heard["text"]
    # What was heard is what went out of the loudspeaker.
    said = [piece for piece in person.taken if piece.turn_id == answer["turn"]]
    assert abs(len(said) * 20 - heard["played_ms"]) < 100
    assert any(piece.samples.any() for piece in said)
    texts = [piece.text for piece in person.taken if piece.text]
    assert texts == [each["text"] for each in person.all("speaking")]
    latency = person.wait("latency")
    assert set(latency["stages"]) >= {"pause", "turn_end", "gate", "retrieval", "synthesis"}
    assert latency["total_ms"] == pytest.approx(sum(latency["stages"].values()), abs=10)
    order = person.names()
    states = [each["state"] for each in person.all("floor")]
    assert states[-4:] == ["user", "thinking", "answering", "listening"]
    assert order.index("speech_started") < order.index("partial") < order.index("utterance")


def test_talking_over_it_holds_first_and_then_cuts(
    talk: Callable[..., Person], long_answer: LongAnswer
) -> None:
    person = talk()
    person.say("Where is the hotel?")
    person.wait("speaking")
    mark = len(person.messages)
    person.say("No, wait, tell me about the railway station please.")
    person.wait("interruption", mark)
    names = person.names(mark)
    assert names.index("hold") < names.index("speech_started") < names.index("interruption")
    heard = person.wait("heard", mark)
    assert not heard["complete"]
    assert 0 < heard["played_ms"] < 20_000
    turn = heard["turn"]
    # From the hold on nothing of it sounds but its last 5 ms.
    spoken_last = max(i for i, each in enumerate(person.taken) if each.turn_id == turn)
    tail = person.taken[spoken_last]
    assert not tail.samples[240:].any()
    person.wait("floor", mark, lambda message: message["state"] in ("thinking", "listening"))
    assert long_answer.heard[0].text == heard["text"]
    stats = person.conversation.stats()
    assert stats.interruptions >= 1


def test_a_cough_only_holds_it(talk: Callable[..., Person], long_answer: LongAnswer) -> None:
    person = talk()
    person.say("Where is the hotel?")
    person.wait("speaking")
    mark = len(person.messages)
    person.say(spoken("yeah"))
    resume = person.wait("resume", mark)
    names = person.names(mark)
    assert names.index("hold") < names.index("resume")
    assert "interruption" not in names
    # The phrase that was cut short comes again from its start.
    again = person.wait("speaking", mark + names.index("resume"))
    assert again["phrase"] == resume["phrase"]
    heard = person.wait("heard", mark)
    assert heard["complete"]
    assert heard["text"].endswith("number 11 of the answer.")
    assert person.conversation.stats().resumes >= 1
