"""Whole conversations: a voice in, a voice out, on the embedded stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from omnilive.presets import embedded
from omnilive.serving.conversations import Conversations
from omnilive.serving.settings import Settings
from omnilive.system import System
from talk_support import FastClock, LongAnswer, Person, spoken

pytestmark = pytest.mark.real_time

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
    """An answerer that talks for a while, in the conversations opened from here on."""
    answerer = LongAnswer(6)
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
    assert heard["text"].endswith("number 5 of the answer.")
    assert person.conversation.stats().resumes >= 1


def test_it_does_not_interrupt_itself(talk: Callable[..., Person], long_answer: LongAnswer) -> None:
    person = talk(echo=0.3)
    person.say("Where is the hotel?")
    heard = person.wait("heard")
    assert heard["complete"]
    assert "interruption" not in person.names()
    assert "question" not in person.names(person.messages.index(person.wait("speaking")))
    person.wait("utterance", 0, lambda message: message["speaker"] == "own")
    asked = [each for each in person.all("utterance") if each["speaker"] == "user"]
    assert len(asked) == 1


def test_a_typed_question_cuts_what_is_said(
    talk: Callable[..., Person], long_answer: LongAnswer
) -> None:
    person = talk()
    person.tell("ask", text="What happened?")
    first = person.wait("speaking")["turn"]
    mark = len(person.messages)
    person.tell("ask", text="And what was said?")
    assert person.wait("interruption", mark)["turn"] == first
    question = person.wait("question", mark)
    assert question["text"] == "And what was said?"
    speaking = person.wait("speaking", mark)
    assert speaking["turn"] == question["turn"] != first
    person.wait("latency", mark)


def test_the_stop_button(talk: Callable[..., Person], long_answer: LongAnswer) -> None:
    long_answer.pause_s = 0.3  # it is still being written
    person = talk()
    person.tell("ask", text="What happened?")
    person.wait("speaking")
    mark = len(person.messages)
    person.tell("stop")
    assert person.wait("answer", mark)["outcome"] == "interrupted"
    assert person.names(mark)[0] == "interruption"
    assert person.names(mark).count("interruption") == 1
    assert not person.wait("heard", mark)["complete"]
    assert person.conversation.playout.is_idle
    assert person.conversation.snapshot()["state"] == "listening"


def test_two_conversations_on_one_memory(talk: Callable[..., Person]) -> None:
    # Loud enough that no clip waits for a silence to end.
    upstairs, downstairs = talk("upstairs", hiss=0.004), talk("downstairs", hiss=0.004)
    upstairs.say("The red umbrella is in the cellar.")
    downstairs.say("The green bicycle is in the garage.")
    upstairs.wait("dismissed")
    downstairs.wait("dismissed")
    downstairs.wait("clip", len(downstairs.messages))  # the next one to be remembered holds it
    upstairs.tell("ask", text="Where is the bicycle?")
    answer = upstairs.wait("answer")
    assert answer["known"]
    assert {each["stream"] for each in answer["citations"]} == {"downstairs"}
    downstairs.tell("ask", text="Where is the umbrella?", scope="upstairs")
    assert "cellar" in downstairs.wait("answer")["answer"]
    # Each is told of its own clips alone, whoever's event made memory commit them.
    for person in (upstairs, downstairs):
        name = person.conversation.stream_name
        person.wait("clip")
        assert {each["stream"] for each in person.all("clip")} == {name}
        assert {each["stream"] for each in person.all("utterance")} == {name}


def test_a_lost_connection_comes_back_to_the_same_conversation(
    house: Conversations, talk: Callable[..., Person]
) -> None:
    person = talk("hall")
    person.say(FACT)
    person.wait("dismissed")
    person.tell("ask", text="Where is the hotel?")
    person.wait("speaking")
    person.go()
    conversation = person.conversation
    assert conversation.gone_since is not None
    assert conversation.playout.is_idle  # nothing is spoken to nobody
    again = Person(conversation).come()
    assert again.names()[0] == "hello"
    stream = again.wait("stream")
    assert stream["epoch"] != person.wait("stream")["epoch"]
    assert stream["start_s"] > 0
    assert again.messages[0]["session"] == person.messages[0]["session"]
    mark = len(again.messages)
    again.tell("ask", text="And after that?")  # leans on the answer of before
    assert again.wait("answer", mark)["outcome"] == "completed"
    # A new page takes the place of the one before.
    third = Person(conversation).come()
    assert again.wait("bye")["reason"]
    assert again.closed
    assert third.wait("hello")["session"] == conversation.id
    again.tell("stop")  # who was replaced has no say
    third.go()
    again.go()


def test_who_is_late_is_told_of_the_gap(talk: Callable[..., Person]) -> None:
    other = talk()
    person = talk()
    person.go()
    other.wait_heard_s(2.5)
    again = Person(person.conversation).come()
    gap = again.wait("gap")
    assert gap["end_s"] - gap["start_s"] > 1.0
    assert gap["reason"] == "Nobody was connected."
    again.go()


def test_an_answer_in_writing_only(talk: Callable[..., Person]) -> None:
    person = talk()
    person.tell("settings", speak=False)
    assert person.wait("settings")["settings"]["speak"] is False
    person.tell("ask", text="What happened?")
    person.wait("answer")
    person.wait_state("listening", person.messages.index(person.wait("question")))
    assert not any(piece.turn_id for piece in person.taken)
    assert "heard" not in person.names()


def test_only_the_wake_phrase_counts_where_that_is_set(
    talk: Callable[..., Person], long_answer: LongAnswer
) -> None:
    person = talk()
    person.wait("stream")
    mark = len(person.messages)
    person.tell("settings", address="wake", wake_phrase="hey robot")
    person.wait("stream", mark)  # whose voice it is, is said at the start of an epoch
    person.say("Where is the hotel?")
    assert person.wait("utterance")["speaker"] == "ambient"
    person.wait("dismissed")
    for _ in range(5):  # the small recogniser mishears a synthetic voice now and then
        mark = len(person.messages)
        person.say("Hey robot, where is the hotel?")
        person.wait("utterance", mark)
        if person.wait_either("question", "dismissed", mark)["event"] == "question":
            break
    person.wait("speaking")
    assert not person.all("partial")
    mark = len(person.messages)
    person.say("The weather is rather nice today, is it not.")
    person.wait("utterance", mark)
    assert "hold" not in person.names(mark)


def test_what_is_turned_off_is_not_heard(talk: Callable[..., Person]) -> None:
    person = talk()
    person.tell("settings", hearing=False)
    person.say(FACT)
    person.wait_said()
    person.tell("settings", hearing=True)
    gap = person.wait("gap")
    assert gap["reason"] == "Hearing was turned off."
    assert gap["sense"] == "audio"
    person.say("Where is the hotel?")
    person.wait("utterance")
    [heard] = person.all("utterance")
    assert "station" not in heard["text"]
    assert person.conversation.stats().dropped["sound"] > 10


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "bad_message"),
        ({"command": 7}, "bad_message"),
        ({"command": "ask"}, "bad_message"),
        ({"command": "ask", "text": "  "}, "empty_question"),
        ({"command": "ask", "text": "x" * 5000}, "too_long"),
        ({"command": "settings", "rate_wpm": 9000}, "refused"),
        ({"command": "settings", "rate_wpm": "fast"}, "refused"),
        ({"command": "settings", "voice": "klingon-nowhere"}, "refused"),
        ({"command": "playback", "buffered_ms": True}, "bad_message"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    talk: Callable[..., Person], message: dict[str, object], code: str
) -> None:
    person = talk()
    before = person.conversation.settings
    person.conversation.receive(person, message)
    refusal = person.wait("error")
    assert refusal["code"] == code
    assert refusal["message"].endswith(".")
    assert person.conversation.settings == before
    person.tell("ping", time=1.5)
    assert person.wait("pong")["time"] == 1.5


def test_a_message_of_a_later_version_is_ignored(talk: Callable[..., Person]) -> None:
    person = talk()
    person.tell("sing", song="anything")
    person.tell("ping", time=1)
    person.wait("pong")
    assert not person.all("error")
