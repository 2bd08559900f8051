"""What retrieval promises beside finding: no slope in time, no cost for the past, no invention."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from memory_support import WALL_NS, S, World, embedder

from omnilive import api
from omnilive.events import Question, StreamGap
from omnilive.memory.clips import NewClip, NewMoment, commit_clip
from omnilive.memory.floors import BACKGROUND, background_of, dense_floor
from omnilive.memory.ranking import fused_ranks, spread, spread_keys, without_drift
from omnilive.memory.recall import Recall, RecallConfig
from omnilive.memory.store import DEFAULT_LIMITS, Store

EQUAL = "The red lamp in the hall was repaired."


def fill(world: World, texts: list[str]) -> None:
    """Remember one sentence a clip, ten seconds each, in one transaction."""
    store = world.store
    with store.database.transaction():
        for index, text in enumerate(texts):
            start_ns = 10 * index * S
            moment = NewMoment(
                id=f"u1-{start_ns // 1_000_000}",
                kind="speech",
                start_ns=start_ns,
                end_ns=start_ns + 2 * S,
                text=text,
            )
            clip = NewClip(
                id=f"c1-{start_ns // 1_000_000}",
                stream=1,
                epoch=world.started.epoch,
                start_ns=start_ns,
                end_ns=start_ns + 10 * S,
                moments=(moment,),
            )
            commit_clip(
                store.database,
                store._recordings,
                clip,
                None,
                embedder=embedder(),
                limits=DEFAULT_LIMITS,
                quiet_ns=0,
            )


# --- drift --------------------------------------------------------------------------------


def test_equal_evidence_is_ranked_without_a_slope_in_time(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    count = 600
    fill(world, [EQUAL] * count)
    question = Question(turn_id="q", text="When was the red lamp repaired?", needs="past")
    for limit in (8, 32):
        recall = Recall(world.store, embedder(), RecallConfig(num_hits=limit))
        hits = recall.retrieve(question).hits
        places = [hit.start_ns // (10 * S) for hit in hits]
        assert len(set(hit.score for hit in hits)) == 1
        assert len(places) == limit
        # The newest first; behind it every part of time alike, in no order of age.
        assert places[0] == count - 1
        ages = [(count - 1 - place) / count for place in places]
        assert 0.35 < float(np.mean(ages)) < 0.6
        thirds = [sum(low <= age < low + 1 / 3 for age in ages) for low in (0, 1 / 3, 2 / 3)]
        assert max(thirds) - min(thirds) <= 2
        slope = float(np.corrcoef(range(1, limit), ages[1:])[0, 1])
        assert abs(slope) < 0.5
    world.close()


def test_better_evidence_wins_at_every_age(tmp_path: Path) -> None:
    for place in (0, 150, 299):
        world = World(tmp_path / str(place), live=True)
        texts = ["The red lamp in the cellar was sold."] * 300
        texts[place] = EQUAL
        fill(world, texts)
        hits = world.ask("When was the red lamp in the hall repaired?").hits
        assert hits[0].start_ns == 10 * place * S
        world.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 100, 1000])
def test_a_spread_holds_each_place_once_and_begins_at_the_newest(count: int) -> None:
    places = list(spread(count))
    assert sorted(places) == list(range(count))
    assert places[:1] == [0][: min(count, 1)]
    if count >= 100:
        for prefix in (8, 16, 32):
            assert 0.35 < float(np.mean(places[:prefix])) / count < 0.6
    keys = spread_keys(np.arange(count, dtype=np.int64))
    assert len(set(keys.tolist())) == count
    assert not count or int(np.argmin(keys)) == count - 1


def test_equal_scores_share_a_rank() -> None:
    ranks = fused_ranks([(1.0, [("a", 0.9), ("b", 0.9), ("c", 0.5)]), (0.5, [("c", 0.8)])])
    assert ranks["a"] == ranks["b"]
    assert ranks["c"] == pytest.approx(1 / 12 + 0.5 / 10)
    items = [(1, 0), (1, 1), (0, 2), (1, 3)]
    assert without_drift(items, lambda one: one[0], lambda one: one[1])[:2] == [(0, 2), (1, 3)]


# --- the present costs nothing of the past ---------------------------------------------------


def statements(world: World, question: Question, recall: Recall) -> list[tuple[str, int]]:
    """Every statement of a question with the steps that SQLite took for it."""
    seen: list[tuple[str, int]] = []

    def note(event: dict[str, Any]) -> None:
        if not event.get("trigger"):
            seen.append((event["sql"], event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]))

    connection = world.store.database._connection
    world.store.timelines()
    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note, id="test")
    try:
        recall.retrieve(question)
    finally:
        connection.trace_v2(0, None, id="test")
    return seen


class NoEmbedder:
    """An embedder that must not be asked."""

    model = embedder().model
    dimension = embedder().dimension

    def embed(self, texts: object) -> Any:
        raise AssertionError("a question about now embedded something")


def test_a_question_about_now_pays_nothing_for_the_past(tmp_path: Path) -> None:
    question = Question(turn_id="q", text="what is on the screen now?", needs="present")
    costs = {}
    for count in (40, 1_500):
        world = World(tmp_path / str(count), live=True)
        fill(world, [f"{EQUAL} {index}" for index in range(count)])
        world.show(10 * count + 1, "Budget 2027")
        world.clip(10 * count)
        seen = statements(world, question, Recall(world.store, NoEmbedder()))
        costs[count] = sum(steps for _, steps in seen)
        text = " ".join(sql for sql, _ in seen)
        for index in ("moment_terms", "moment_vector", "node_vector", "FROM term"):
            assert index not in text
        world.close()
    assert costs[1_500] <= 1.1 * costs[40] + 50, costs


def test_a_question_about_now_finds_the_newest_of_each_stream(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.start("door", live=True, wall_ns=WALL_NS - 3600 * S)
    for index in range(5):
        world.say(10 * index, f"hall {index}")
        world.clip(10 * index)
        world.say(10 * index, f"door {index}", stream=2)
        world.clip(10 * index, stream=2)
    latest = world.ask("what is said now?", needs="present").latest
    assert [m.text for m in latest if m.kind == "speech"] == ["hall 2", "hall 3", "hall 4"]
    only = world.ask("what is said now?", needs="present", scope="door").latest
    assert [m.text for m in only if m.kind == "speech"] == ["door 2", "door 3", "door 4"]
    world.close()


# --- one stream or all -------------------------------------------------------------------------


@pytest.fixture
def two_streams(tmp_path: Path) -> Iterator[World]:
    """A hall, and a door that was watched an hour before it."""
    world = World(tmp_path, live=True)
    world.start("door", live=True, wall_ns=WALL_NS - 3600 * S)
    for index, (hall, door) in enumerate(
        (("the parcel is in the hall", "the parcel is at the door"), ("goodbye", "good night"))
    ):
        world.say(10 * index + 1, hall)
        world.clip(10 * index)
        world.say(10 * index + 1, door, stream=2)
        world.clip(10 * index, stream=2)
    yield world
    world.close()


def test_a_question_goes_to_all_streams_or_to_one(two_streams: World) -> None:
    both = two_streams.ask("where is the parcel?")
    assert {hit.stream_name for hit in both.hits} == {"talk", "door"}
    assert [m.stream_name for m in both.matched] == ["door", "talk"]  # as they happened
    for name in ("talk", "door"):
        one = two_streams.ask("where is the parcel?", scope=name)
        assert {hit.stream_name for hit in one.hits} == {name}
        assert {span.stream for span in one.watched} == {1 if name == "talk" else 2}
    assert two_streams.ask("where is the parcel?", scope="cellar").hits == ()


def test_an_overview_of_all_streams_is_in_order_of_the_wall_clock(two_streams: World) -> None:
    said = [m.text for m in two_streams.ask("what was said?").within if m.kind == "speech"]
    assert said == [
        "the parcel is at the door",
        "good night",
        "the parcel is in the hall",
        "goodbye",
    ]


def test_the_list_of_all_streams_is_in_order_of_the_wall_clock(
    two_streams: World, tmp_path: Path
) -> None:
    with api.open_store(tmp_path) as memory:
        newest = [m.text for m in memory.newest() if m.kind == "speech"]
        assert newest[:2] == ["the parcel is at the door", "good night"]
        last = memory.newest(limit=2)
        assert {m.stream_name for m in last} == {"talk"}
        of_door = memory.newest(stream="door", limit=1)
        assert [m.stream_name for m in of_door] == ["door"]
        clips = memory.clips(limit=3)
        assert [clip.id for clip in clips] == ["c2-10000", "c1-0", "c1-10000"]


# --- Chinese through the stage -------------------------------------------------------------------

CHINESE = (
    "我们明天讨论预算的问题",
    "桥梁维修的预算是三百万",
    "会议改到星期五下午三点",
    "安娜把钥匙放在厨房的桌子上",
    "花园里有一只狗",
    "请看第二张图",
)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("store"))
    for index, sentence in enumerate(CHINESE):
        world.say(10 * index + 2, sentence)
        if index == 2:
            world.sound(27)
        world.clip(10 * index)
    yield world
    world.close()


@pytest.mark.parametrize(
    ("question", "places"),
    [
        ("桥", [1]),
        ("狗", [4]),
        ("图", [5]),
        ("预算", [0, 1]),
        ("钥匙", [3]),
        ("厨房", [3]),
        ("会议", [2]),
        ("花园", [4]),
        ("什么时候讨论预算？", [0, 1]),
        ("桥梁的维修预算是多少？", [1]),
        ("会议改到什么时候？", [2]),
        ("谁把钥匙放在桌子上了？", [3]),
        ("花园里有什么？", [4]),
        ("有没有人提到狗？", [4]),
    ],
)
def test_chinese_is_found_by_its_words(chinese: World, question: str, places: list[int]) -> None:
    hits = [CHINESE.index(hit.text) for hit in chinese.ask(question).hits]
    assert hits[0] in places
    assert set(hits[: len(places)]) <= {*places}


@pytest.mark.parametrize("question", ["大象", "有没有人提到大象？", "谁打碎了窗户？", "猫"])
def test_chinese_that_was_never_said_is_not_found(chinese: World, question: str) -> None:
    assert chinese.ask(question).hits == ()


def test_chinese_before_and_after_an_event(chinese: World) -> None:
    after = chinese.ask("报警之后说了什么？")
    assert after.anchor is not None
    assert (after.relation, after.anchor.kind) == ("after", "sound")
    assert [m.text for m in after.around if m.kind == "speech"][0] == CHINESE[3]
    before = chinese.ask("提到会议之前有人说了什么？")
    assert before.anchor is not None
    assert before.anchor.text == CHINESE[2]
    assert [m.text for m in before.around if m.kind == "speech"][-1] == CHINESE[1]


def test_chinese_times_bound_what_is_found(chinese: World) -> None:
    found = chinese.ask("前二十秒里提到预算了吗？")
    assert [CHINESE.index(hit.text) for hit in found.hits] == [0, 1] or [
        CHINESE.index(hit.text) for hit in found.hits
    ] == [1, 0]
    outside = chinese.ask("昨天提到预算了吗？")
    assert outside.hits == ()
    assert outside.time_problem.startswith("“昨天”没有观看")


# --- time words that were said -------------------------------------------------------------------


def test_a_day_that_was_said_is_no_time_of_asking(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.say(2, "Bob will travel to Lisbon on Friday")
    world.say(5, "the bridge is closed until June")
    world.clip(0)
    found = world.ask("Who will travel to Lisbon on Friday?")
    assert (found.time_problem, found.hits[0].text) == ("", "Bob will travel to Lisbon on Friday")
    missing = world.ask("Was the bridge mentioned on Friday?")
    assert missing.hits == ()
    assert missing.time_problem
    world.close()


# --- floors -----------------------------------------------------------------------------------


def test_sentences_of_one_frame_raise_the_floor_of_vectors(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    things = ["lamp", "table", "mirror", "window", "kettle", "carpet", "shelf", "printer"]
    names = ["Anna", "Bob", "Carla", "David", "Emma", "Felix", "Greta"]
    fill(
        world,
        [
            f"{names[i % 7]} repaired the {things[i % 8]} in the kitchen, as agreed {i}."
            for i in range(400)
        ],
    )
    others = background_of(world.store.database, embedder().model, 256)
    assert len(others) == 400
    rows = embedder().embed(["Who repaired the oboe in the kitchen?", *BACKGROUND])
    common = dense_floor(rows[1:] @ rows[0], 400, false_rate=0.02, minimum=0.45)
    own = dense_floor(others @ rows[0], 400, false_rate=0.02, minimum=0.45)
    assert own > common
    assert world.ask("Who repaired the oboe in the kitchen?").matches == 0
    small = World(tmp_path / "small")
    fill(small, ["Anna repaired the lamp."] * 5)
    assert background_of(small.store.database, embedder().model, 256).shape == (0, 256)
    small.close()
    world.close()


@pytest.mark.parametrize(
    "absent",
    ["Who repaired the oboe?", "What was said about the zeppelin?", "Where is the purple yak?"],
)
def test_what_was_never_said_stays_unseen_as_the_store_grows(tmp_path: Path, absent: str) -> None:
    rng = np.random.default_rng(5)
    things = ["lamp", "table", "mirror", "window", "kettle", "carpet", "shelf", "printer"]
    verbs = ["repaired", "moved", "sold", "painted", "cleaned"]
    for count in (100, 2_000):
        world = World(tmp_path / str(count), live=True)
        fill(
            world,
            [
                f"The {rng.choice(things)} was {rng.choice(verbs)} in room {rng.integers(1, 99)}."
                for _ in range(count)
            ],
        )
        assert world.ask(absent).matches == 0
        with api.open_store(tmp_path / str(count)) as memory:
            answer = memory.ask(absent)
            assert not answer.known, answer.text
        world.close()


def test_a_gap_is_no_moment(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.say(1, "hello")
    world.clip(0)
    world.push(
        StreamGap(stream=1, start_ns=10 * S, end_ns=20 * S, sense="both", reason="it stalled")
    )
    assert [m.text for m in world.ask("what was said?").within if m.kind == "speech"] == ["hello"]
    world.close()


def test_a_reader_sees_what_the_writer_sees(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    fill(world, [EQUAL] * 50)
    first = [hit.id for hit in world.ask("red lamp").hits]
    with Store.open(tmp_path, write=False) as store:
        asked = Question(turn_id="q", text="red lamp", needs="past")
        assert [hit.id for hit in Recall(store, embedder()).retrieve(asked).hits] == first
    world.close()
