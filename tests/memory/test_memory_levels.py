from __future__ import annotations

from pathlib import Path

import pytest
from memory_support import S, World

from omnilive.errors import ConfigError
from omnilive.events import Caption
from omnilive.memory import derived
from omnilive.memory.database import Database
from omnilive.memory.derived import DAY, HOUR, MONTH
from omnilive.memory.recall import RecallConfig
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.streams import timelines

MINUTE = 60
LAST_OF_NOVEMBER = 1_701_298_800 * S  # 2023-11-30 00:00:00 in Berlin


def rows(database: Database, level: int) -> list[tuple[int, int, int, str]]:
    return [
        (row[0], row[1], row[2], row[3])
        for row in database.rows(
            "SELECT id, start_ns, end_ns, digest FROM node WHERE level = ? AND closed = 1 "
            "ORDER BY start_ns",
            (level,),
        )
    ]


def assert_derived_rows_are_what_they_come_to(database: Database) -> None:
    for (node,) in database.rows("SELECT id FROM node WHERE level != 0 AND closed = 1"):
        made = derived.compute(database, node)
        digest, inputs = database.rows("SELECT digest, inputs FROM node WHERE id = ?", (node,))[0]
        assert made.digest == digest
        assert b"".join(i.to_bytes(8, "little") for i in made.inputs) == inputs
        stored = dict(database.rows("SELECT model, data FROM node_vector WHERE node = ?", (node,)))
        assert made.vectors == stored


def hours(world: World, num_hours: int, every_min: int = 20) -> None:
    for minute in range(0, num_hours * 60, every_min):
        world.say(minute * MINUTE + 1, f"note {minute} about topic{minute % 7}")
        world.clip(minute * MINUTE)


def test_one_operation_makes_every_level(tmp_path: Path) -> None:
    world = World(tmp_path, config=MemoryConfig(fan_out=4))
    for index in range(4**3 + 2):
        world.say(10 * index + 1, f"sentence {index}")
        world.clip(10 * index)
    database = world.store.database
    assert [len(rows(database, level)) for level in (1, 2, 3)] == [16, 4, 1]
    (_, start_ns, end_ns, digest) = rows(database, 3)[0]
    assert (start_ns, end_ns) == (0, 640 * S)
    assert "sentence" in digest
    assert_derived_rows_are_what_they_come_to(database)
    top = world.store.get("b3.1-0")
    assert (top.kind, top.end_ns) == ("digest", 640 * S)


def test_levels_can_be_limited(tmp_path: Path) -> None:
    world = World(tmp_path, config=MemoryConfig(fan_out=2, levels=1))
    for index in range(8):
        world.clip(10 * index)
    assert world.store.database.value("SELECT max(level) FROM node") == 1


def test_a_gap_closes_a_block_of_clips_but_none_above(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=MemoryConfig(fan_out=4))
    for start_s in (0, 10, 2_000, 2_010, 4_000, 4_010, 6_000, 6_010, 8_000):
        world.clip(start_s)
    database = world.store.database
    assert [(start // S, end // S) for _, start, end, _ in rows(database, 1)] == [
        (0, 20),
        (2_000, 2_020),
        (4_000, 4_020),
        (6_000, 6_020),
    ]
    assert [(start // S, end // S) for _, start, end, _ in rows(database, 2)] == [(0, 6_020)]


def test_hours_days_and_months_are_made_of_what_is_below(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, wall_ns=LAST_OF_NOVEMBER)
    hours(world, 50)
    database = world.store.database
    assert [start // (3600 * S) for _, start, _, _ in rows(database, HOUR)] == list(range(49))
    assert [(start // (3600 * S)) for _, start, _, _ in rows(database, DAY)] == [0, 24]
    # November is over, December still runs.
    assert [(start // (3600 * S)) for _, start, _, _ in rows(database, MONTH)] == [0]
    assert rows(database, DAY)[0][3].splitlines()[0].startswith("00:00:01 heard: note 0")
    assert_derived_rows_are_what_they_come_to(database)


def test_what_is_said_late_reaches_every_digest_over_it(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, wall_ns=LAST_OF_NOVEMBER, config=MemoryConfig(fan_out=2))
    for minute in range(0, 26 * 60, 30):
        world.clip(minute * MINUTE)
    world.say(30 * MINUTE + 2, "a pelican on the roof")
    world.push(Caption(stream=1, clip="c1-3600000", text="a heron in the pond", model="vlm"))
    database = world.store.database
    for level in (1, HOUR, DAY):
        assert any("pelican" in digest for _, _, _, digest in rows(database, level)), level
        assert any("heron" in digest for _, _, _, digest in rows(database, level)), level
    assert_derived_rows_are_what_they_come_to(database)


def test_dependents_are_listed_lowest_first(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, wall_ns=LAST_OF_NOVEMBER, config=MemoryConfig(fan_out=2))
    for minute in range(0, 25 * 60, 5):
        world.clip(minute * MINUTE)
    database = world.store.database
    clip = database.value("SELECT id FROM node WHERE level = 0 ORDER BY start_ns LIMIT 1")
    levels = [
        database.value("SELECT level FROM node WHERE id = ?", (node,))
        for node in derived.dependents(database, clip)
    ]
    blocks = [level for level in levels if level > 0]
    assert blocks == list(range(1, len(blocks) + 1))
    assert len(blocks) >= 5
    assert levels[len(blocks) :] == [HOUR, DAY, MONTH]


def test_an_overview_is_told_from_above_and_its_ids_can_be_shown(tmp_path: Path) -> None:
    recall = RecallConfig(num_within=20)
    world = World(tmp_path, live=True, wall_ns=LAST_OF_NOVEMBER, config=MemoryConfig(recall=recall))
    hours(world, 74)
    found = world.ask("what happened?")
    assert found.within_total > 200
    assert [one.id for one in found.digests][:3] == ["d1-0", "d1-86400000", "d1-172800000"]
    # The day that still runs is told by its hours, the hour that runs by what is below.
    assert {one.id[0] for one in found.digests[3:]} <= {"h", "b"}
    for digest in found.digests:
        assert digest.kind == "digest"
        assert world.store.get(digest.id).text == digest.text
    of_a_day = world.ask("what happened yesterday?")
    assert len(of_a_day.digests) == 24
    assert all(one.id.startswith("h") for one in of_a_day.digests)


def test_a_stretch_that_can_be_listed_needs_no_overview(tmp_path: Path) -> None:
    world = World(tmp_path)
    for index in range(12):
        world.say(10 * index + 1, f"sentence {index}")
        world.clip(10 * index)
    found = world.ask("what happened?")
    assert found.within_total > 0
    assert found.digests == ()


def test_a_question_about_an_earlier_time_sees_no_digest_of_later(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        live=True,
        wall_ns=LAST_OF_NOVEMBER,
        config=MemoryConfig(recall=RecallConfig(num_within=5)),
    )
    hours(world, 30)
    from omnilive.events import UpTo

    found = world.ask("what happened?", up_to=(UpTo(1, 5 * 3600 * S),))
    assert found.digests
    assert max(one.end_ns for one in found.digests) <= 5 * 3600 * S


def test_timelines_read_in_parts_equal_those_read_whole(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    for number in range(4):
        world.clip(1_000 * number)
        assert world.store.timelines() == timelines(world.store.database)
        world.store.add_anchor(1, world.started.epoch, (1_000 * number + 5) * S, number)
        assert world.store.timelines() == timelines(world.store.database)
        world.end(1_000 * number + 10)
        assert world.store.timelines() == timelines(world.store.database)
        if number == 2:
            world.store.forget("c1-0")
            assert world.store.timelines() == timelines(world.store.database)
        wall_ns = 1_700_000_000 * S + 1_000 * (number + 1) * S
        world.started = world.start("talk", live=True, wall_ns=wall_ns)


@pytest.mark.parametrize("kind", ["asked", "own"])
def test_what_is_no_evidence_is_in_no_digest(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, config=MemoryConfig(fan_out=2))
    said = world.say(1, "where is the flamingo", voice="own" if kind == "own" else "user")
    if kind == "asked":
        from omnilive.events import Question

        world.push(Question(turn_id="q", text="x", needs="past", stream=1, utterance=said))
    world.clip(0)
    world.clip(10)
    digests = [row[0] for row in world.store.database.rows("SELECT digest FROM node")]
    assert not any("flamingo" in (digest or "") for digest in digests)


def test_a_block_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        World(tmp_path, config=MemoryConfig(fan_out=1))
