"""The registry: how many, for how long, and what is left when all are ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omnilive import api
from omnilive.clock import VirtualClock
from omnilive.errors import SessionLimit, UnknownSession, UsageError
from omnilive.presets import embedded
from omnilive.serving.conversations import Conversations
from omnilive.system import Config, System
from talk_support import FastClock, LongAnswer, Person


@pytest.fixture
def config() -> Config:
    config = embedded()
    return replace(config, live=replace(config.live, max_sessions=2))


@pytest.fixture
def house(config: Config, tmp_path: Path) -> Iterator[Conversations]:
    system = System(config, tmp_path / "memory", write=True)
    conversations = Conversations(system, config.live, FastClock())
    yield conversations
    conversations.close_all()
    system.close()


def test_no_more_are_opened_than_may_be(house: Conversations) -> None:
    first, second = house.open(), house.open("kitchen")
    assert [each.id for each in house.list()] == [first.id, second.id]
    assert first.stream_name == "conversation"
    with pytest.raises(SessionLimit, match="2 conversations"):
        house.open()
    house.close(first.id)
    assert house.open().stream_name == "conversation"


def test_names_are_told_apart(house: Conversations) -> None:
    house.open()
    with pytest.raises(UsageError, match="is open"):
        house.open("conversation")
    with pytest.raises(UsageError, match="without slashes"):
        house.open("a/b")
    assert house.open().stream_name == "conversation-2"


def test_what_is_not_open_is_unknown(house: Conversations) -> None:
    conversation = house.open()
    assert house.get(conversation.id) is conversation
    house.close(conversation.id)
    for call in (house.get, house.close):
        with pytest.raises(UnknownSession):
            call(conversation.id)


def test_who_stays_away_longer_than_the_grace_is_ended(config: Config, tmp_path: Path) -> None:
    clock = VirtualClock()
    system = System(config, tmp_path / "memory", write=True)
    house = Conversations(system, config.live, clock)
    try:
        person = Person(house.open()).come()
        other = house.open()  # nobody ever came
        clock.advance(59)
        house.reap()
        assert len(house.list()) == 2
        clock.advance(2)
        house.reap()
        assert house.list() == [person.conversation]
        assert other.gone_since is not None
        person.go()
        assert person.conversation.gone_since == pytest.approx(clock.monotonic_ns() / 1e9)
        clock.advance(59)
        house.reap()
        assert house.list() == [person.conversation]
        clock.advance(2)
        house.reap()
        assert house.list() == []
    finally:
        house.close_all()
        system.close()


def test_ending_all_keeps_what_was_perceived(config: Config, tmp_path: Path) -> None:
    system = System(config, tmp_path / "memory", write=True)
    house = Conversations(system, config.live, FastClock())
    people = [Person(house.open(name)).come() for name in ("upstairs", "downstairs")]
    for person, fact in zip(
        people, ("The red umbrella is here.", "The bicycle is there."), strict=True
    ):
        person.wait("stream")
        person.say(fact)
    for person in people:
        person.wait("utterance")
    house.close_all()
    for person in people:
        assert person.wait("bye")["reason"] == "The server is going down."
        assert person.closed
    with pytest.raises(UsageError, match="going down"):
        house.open()
    system.close()
    for person in people:
        person.stop()
    with api.open(tmp_path / "memory") as memory:
        said = {(each.stream_name, each.kind) for each in memory.newest()}
    assert {("upstairs", "speech"), ("downstairs", "speech")} <= said


def test_a_conversation_that_is_over_takes_nobody_in(house: Conversations) -> None:
    conversation = house.open()
    house.close(conversation.id)
    person = Person(conversation)
    conversation.attach(person, person.reader)
    assert person.names() == ["bye"]
    assert person.closed
    conversation.close()  # twice does nothing


def test_commands_of_other_processes_are_carried_out_while_nobody_talks(
    house: Conversations, tmp_path: Path
) -> None:
    person = Person(house.open("kitchen")).come()
    person.wait("stream")
    person.say("The red umbrella is in the cellar.")
    person.wait("utterance")
    person.go()
    house.close(person.conversation.id)
    with api.open(tmp_path / "memory") as memory:
        moment = next(each for each in memory.newest() if each.kind == "speech")
        memory.pin(moment.id)
        assert memory.stats()["pinned"]
        memory.pin(moment.id, keep=False)
        gone = memory.forget(moment.id)
        assert gone is not None
        assert all(each.id != moment.id for each in memory.newest())


def test_figures_do_not_fall_when_a_conversation_ends(house: Conversations) -> None:
    seen: list[dict[str, object]] = []
    house.observer = seen.append
    house._shared = lambda: {"answerer": LongAnswer(3)}
    person = Person(house.open("kitchen")).come()
    person.wait("stream")
    person.tell("ask", text="What happened?")
    person.wait("speaking")
    person.wait("latency")
    stats = house.stats()
    assert stats["sessions"] == stats["opened_total"] == 1
    assert stats["sources"] == {"kitchen": True}
    assert set(stats["queues"]) >= {"memory", "hearing", "gate"}
    assert len(stats["latencies"]) == 1
    assert [each["event"] for each in seen] == ["latency"]
    person.tell("settings", hearing=False)
    person.wait_heard_s(1)
    dropped = house.stats()["dropped"]["sound"]
    assert dropped > 0
    person.go()
    house.close(person.conversation.id)
    after = house.stats()
    assert after["sessions"] == 0
    assert after["opened_total"] == 1
    assert after["dropped"]["sound"] >= dropped


def test_everybody_is_told(house: Conversations) -> None:
    people = [Person(house.open()).come() for _ in range(2)]
    house.broadcast({"event": "forgotten", "moments": ["u1-0"]})
    for person in people:
        assert person.wait("forgotten")["moments"] == ["u1-0"]
        person.go()


def test_two_people_end_and_begin_at_once(house: Conversations) -> None:
    """Opening and closing from several threads leaves nothing behind."""
    errors: list[BaseException] = []

    def live() -> None:
        try:
            for _ in range(5):
                try:
                    conversation = house.open()
                except SessionLimit:
                    continue
                person = Person(conversation).come()
                person.go()
                house.close(conversation.id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=live) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert house.list() == []
    assert house.stats()["num_unremembered"] == 0
