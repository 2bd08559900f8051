from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_support import WALL_NS, S, World, embedder

from omnilive.events import Moment, Question, UpTo
from omnilive.memory.floors import BACKGROUND, dense_floor
from omnilive.memory.recall import Recall, RecallConfig
from omnilive.memory.relations import parse_relation
from omnilive.memory.store import Store

SENTENCES = (
    "Good morning and welcome to the weekly meeting",
    "Anna put the keys on the kitchen table",
    "The budget for next year is three million",
    "Ask not what your country can do for you, ask what you can do for your country",
    "我们明天讨论预算的问题",
    "The bridge will be closed until June",
    "There is a dog in the garden",
    "Bob will travel to Lisbon on Friday",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("store"))
    for index, sentence in enumerate(SENTENCES):
        world.say(10 * index + 2, sentence)
        if index == 3:
            world.sound(36)
        if index == 5:
            world.show(51, "Quarterly results 2027")
        world.clip(10 * index)
    yield world
    world.close()


@pytest.mark.parametrize(
    ("question", "position"),
    [
        ("where did Anna put the keys?", 1),
        ("what should I ask?", 3),
        ("what was said about the budget?", 2),
        ("when is the bridge closed?", 5),
        ("when does the bridge open, I mean closing of bridges?", 5),
        ("who travels to Lisbon?", 7),
        ("预算", 4),
        ("什么时候讨论预算？", 4),
        ("did anyone mention a dog?", 6),
        ("which title line was written on the slide or picture about the bridge?", 5),
    ],
)
def test_the_right_moment_is_first(world: World, question: str, position: int) -> None:
    found = world.ask(question)
    assert found.hits[0].text == SENTENCES[position]
    assert found.hits[0].score > 0.5
    assert found.hits[0].at.startswith("2023-11-14T23:1")


@pytest.mark.parametrize(
    "question",
    [
        "did anyone mention the purple elephant?",
        "did the Martians land?",
        "recipe for soup",
        "what did they say about quantum chromodynamics?",
        "谁看见了大象",
        "?!",
        "",
    ],
)
def test_what_never_happened_is_not_found(world: World, question: str) -> None:
    found = world.ask(question)
    assert (found.hits, found.matches, found.matched) == ((), 0, ())


def test_how_often_counts_moments_with_every_word(world: World) -> None:
    assert world.ask("how often was the budget mentioned?").matches == 1
    assert [m.text for m in world.ask("budget million").matched] == [SENTENCES[2]]
    assert world.ask("budget garden").matches == 0


def test_time_words_bound_what_is_found(world: World) -> None:
    inside = world.ask("was the bridge mentioned between 0:45 and 1:00?")
    outside = world.ask("was the bridge mentioned in the first 30 seconds?")
    assert inside.hits[0].text == SENTENCES[5]
    assert (outside.hits, outside.matches) == ((), 0)
    assert outside.time_words == "in the first 30 seconds"
    assert {moment.start_ns // (10 * S) for moment in outside.within} == {0, 1, 2}
    assert outside.within_total == len(outside.within) == 6


def test_a_time_that_was_not_watched_finds_nothing(world: World) -> None:
    found = world.ask("was the bridge mentioned yesterday?")
    assert (found.hits, found.within, found.spans) == ((), (), ())
    assert "yesterday" in found.time_problem


def test_after_an_event(world: World) -> None:
    found = world.ask("what did she say after she mentioned the budget?")
    assert found.relation == "after"
    assert found.anchor is not None
    assert found.anchor.text == SENTENCES[2]
    spoken = [moment.text for moment in found.around if moment.kind == "speech"]
    assert spoken[0] == SENTENCES[3]


def test_before_an_event(world: World) -> None:
    found = world.ask("what was said before Anna put the keys on the table?")
    assert found.relation == "before"
    assert [m.text for m in found.around if m.kind == "speech"] == [SENTENCES[0]]


def test_after_an_alarm_that_is_only_known_as_loud(world: World) -> None:
    found = world.ask("what did he say after the alarm?")
    assert found.anchor is not None
    assert (found.anchor.kind, found.anchor.text) == ("sound", "loud sound")
    assert [m.text for m in found.around if m.kind == "speech"][0] == SENTENCES[4]


def test_an_anchor_that_never_happened_is_none(world: World) -> None:
    found = world.ask("what was said after the elephant arrived?")
    assert (found.relation, found.anchor, found.around) == ("after", None, ())


@pytest.mark.parametrize(
    "question", ["what happened after that?", "who was first?", "and before this?"]
)
def test_no_relation_without_an_event(question: str) -> None:
    assert parse_relation(question) is None


def test_an_overview_holds_everything(world: World) -> None:
    found = world.ask("what was said?")
    assert [m.text for m in found.within if m.kind == "speech"] == list(SENTENCES)


def test_latest_holds_the_newest_of_every_kind(world: World) -> None:
    latest = world.ask("what is there now?", needs="present").latest
    assert [m.text for m in latest if m.kind == "speech"] == list(SENTENCES[-3:])
    assert [m.text for m in latest if m.kind == "screen"] == ["Quarterly results 2027"]
    assert list(latest) == sorted(latest, key=lambda m: m.start_ns)


def test_watched_says_what_is_covered(world: World) -> None:
    (span,) = world.ask("x").watched
    assert (span.start_ns, span.end_ns) == (0, 80 * S)
    assert span.start_at == "2023-11-14T23:13:20.000+01:00"


@pytest.mark.parametrize(
    "question",
    [
        "'; DROP TABLE moment; --",
        'NEAR("a b", 3) OR * NOT "',
        "terms:keys AND ^budget*",
        "\x00\x01\x1b[31m\u202e keys",
        "🗝️🔑 keys? 👩‍👩‍👧",
        "keys " * 20_000,
        "%s %d {} \\ \\\\",
        "\ud800".encode("utf-8", "replace").decode(),
    ],
)
def test_hostile_questions_are_only_words(world: World, question: str) -> None:
    found = world.ask(question)
    if question.endswith(("keys? 👩‍👩‍👧", "keys ")):
        assert SENTENCES[1] in {hit.text for hit in found.hits}
    assert world.store.stats().moments["speech"] == len(SENTENCES)


def test_hostile_text_is_remembered_and_found(tmp_path: Path) -> None:
    world = World(tmp_path)
    texts = [
        "\x00nul zanzibar",
        "'); DROP TABLE moment;-- zebra",
        "🦓 OR NEAR( quagga",
        "x" * 100_000,
    ]
    for index, text in enumerate(texts):
        world.say(2 * index + 1, text)
    world.clip(0)
    for word, text in zip(("zanzibar", "zebra", "quagga"), texts, strict=False):
        assert world.ask(word).hits[0].text == text
    assert world.store.stats().moments["speech"] == 4
    world.close()


def test_pictures_come_with_hits(world: World) -> None:
    assert world.ask("where are the keys?").hits[0].picture.startswith(b"\xff\xd8")


def test_the_dense_floor_rises_with_what_is_searched() -> None:
    vectors = embedder().embed(["where is the bicycle?", *BACKGROUND])
    background = vectors[1:] @ vectors[0]
    floors = [
        dense_floor(background, count, false_rate=0.02, minimum=0.0)
        for count in (1, 100, 10_000, 1_000_000)
    ]
    assert floors == sorted(floors)
    assert floors[0] < floors[-1] < 1.0


def test_vectors_alone_find_what_words_do_not(world: World) -> None:
    found = world.ask("a puppy in the yard")
    assert found.matches == 0
    assert [hit.text for hit in found.hits] in ([], [SENTENCES[6]])


def test_an_embedder_row_is_a_unit_or_nothing() -> None:
    rows = embedder().embed(["hello there", "", "   "])
    assert rows.shape == (3, 256)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 0, 0], abs=1e-5)


words = st.sampled_from(["apple", "bridge", "cloud", "dog"])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(st.tuples(st.integers(1, 2), words, st.booleans()), min_size=1, max_size=12),
    asked=words,
    bounds=st.lists(st.integers(0, 130), min_size=2, max_size=2),
    scope=st.sampled_from(["", "talk", "door"]),
    split=st.integers(0, 12),
)
def test_filters_hold_for_the_store_and_for_what_is_pending(
    tmp_path_factory: pytest.TempPathFactory,
    said: list[tuple[int, str, bool]],
    asked: str,
    bounds: list[int],
    scope: str,
    split: int,
) -> None:
    world = World(tmp_path_factory.mktemp("store"))
    world.start("door", live=False, wall_ns=WALL_NS)
    for index, (stream, word, own) in enumerate(said):
        world.say(10 * index, f"the {word}", stream=stream, voice="own" if own else "ambient")
        if index < split:
            world.clip(10 * index, stream=1)
            world.clip(10 * index, stream=2)
    limits = {stream: bounds[stream - 1] * S for stream in (1, 2)}
    found = world.ask(
        f"was the {asked} mentioned?",
        up_to=tuple(UpTo(stream, ns) for stream, ns in limits.items()),
        scope=scope,
    )
    names = {1: "talk", 2: "door"}
    expected = {
        (stream, 10 * index * S)
        for index, (stream, word, own) in enumerate(said)
        if word == asked
        and not own
        and 10 * index * S < limits[stream]
        and scope in ("", names[stream])
    }
    assert {(m.stream, m.start_ns) for m in found.matched} == expected
    assert found.matches == len(expected)
    hits = {(m.stream, m.start_ns) for m in found.hits}
    assert hits <= expected
    assert len(hits) == min(len(expected), 8)
    seen = [*found.latest, *found.hits, *found.within]
    assert all(m.start_ns < limits[m.stream] and m.voice != "own" for m in seen)
    world.close()


def test_pending_or_committed_gives_the_same_answer(tmp_path: Path) -> None:
    pending, committed = World(tmp_path / "a"), World(tmp_path / "b")
    for index, sentence in enumerate(SENTENCES):
        pending.say(10 * index + 2, sentence)
        committed.say(10 * index + 2, sentence)
        committed.clip(10 * index)

    def plain(moment: Moment) -> Moment:
        return replace(moment, picture=b"", clip="", playable=False)

    for question in ("where are the keys?", "预算", "was the bridge mentioned at 0:52?"):
        first, second = pending.ask(question), committed.ask(question)
        assert [m.text for m in first.hits] == [m.text for m in second.hits]
        assert [plain(m) for m in first.matched] == [plain(m) for m in second.matched]
        assert first.spans == second.spans
    pending.close()
    committed.close()


def test_limits_bound_what_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    for index in range(60):
        world.say(index, f"the bridge number {index}")
    world.clip(0, length_s=60)
    config = RecallConfig(num_hits=3, num_matched=5, num_within=10, num_latest=2)
    recall = Recall(world.store, embedder(), config)
    found = recall.retrieve(Question(turn_id="q", text="bridge in the first minute", needs="past"))
    assert (len(found.hits), len(found.matched), len(found.within)) == (3, 5, 10)
    assert (found.matches, found.within_total) == (60, 61)
    starts = [moment.start_ns for moment in found.within]
    assert starts == sorted(starts)
    assert starts[-1] > 45 * S
    world.close()


def test_a_reader_asks_with_its_own_clock(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.say(2, "the bridge is closed")
    world.clip(0)
    world.end(10)
    world.close()
    with Store.open(tmp_path, write=False) as store:
        recall = Recall(store, embedder())
        question = Question(turn_id="q", text="what was said in the last 5 minutes?", needs="past")
        soon = recall.retrieve(question, now_wall_ns=WALL_NS + 60 * S)
        late = recall.retrieve(question, now_wall_ns=WALL_NS + 86_400 * S)
    assert soon.within_total == 2
    assert late.within_total == 0
    assert late.time_problem
