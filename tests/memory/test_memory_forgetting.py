from __future__ import annotations

from pathlib import Path

import pytest
from memory_support import S, World, raw_bytes

from omnilive.errors import UnknownMoment
from omnilive.events import AnswerEnded, Forget
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store

SECRET = "xylophone"
NOISE = b"SECRETSOUND" * 40


def watched(directory: Path) -> World:
    """Four clips in closed blocks of two; the second one holds what is to be forgotten."""
    world = World(directory, live=True, config=MemoryConfig(fan_out=2))
    for index in range(4):
        word = SECRET if index == 1 else f"melon{index}"
        world.say(10 * index + 2, f"the {word} was played {word}ing")
        for k in range(40):
            data = NOISE if index == 1 and 5 < k < 15 else bytes([index + 1]) * 440
            world.record(10 * index + k * 0.25, data)
        world.clip(10 * index)
    found = world.ask(f"who played the {SECRET}?")
    assert found.hits[0].id == "u1-12000"
    world.push(
        AnswerEnded(
            turn_id="q1",
            question=f"who played the {SECRET}?",
            text=f"The {SECRET} was played.",
            outcome="completed",
            known=True,
            citations=found.hits[:1],
        )
    )
    return world


@pytest.mark.parametrize("wanted", ["u1-12000", "c1-10000"])
def test_what_is_forgotten_is_gone_from_every_byte(tmp_path: Path, wanted: str) -> None:
    world = watched(tmp_path)
    before = raw_bytes(tmp_path)
    assert SECRET.encode() in before
    assert b"SECRETSOUND" in before
    kept = world.store.get("u1-2000")
    world.push(Forget(moment=wanted))
    after = raw_bytes(tmp_path)
    assert SECRET.encode() not in after
    assert b"SECRETSOUND" not in after
    assert b"melon0" in after
    assert world.ask(f"who played the {SECRET}?").matches == 0
    assert all(SECRET not in hit.text for hit in world.ask(f"the {SECRET}").hits)
    assert world.store.get("u1-2000") == kept
    with pytest.raises(UnknownMoment):
        world.store.get("u1-12000")
    (turn,) = world.store.turns()
    assert (turn.redacted, turn.question, turn.answer, turn.citations) == (True, "", "", ())
    world.close()
    assert SECRET.encode() not in raw_bytes(tmp_path)


def test_recordings_of_the_rest_can_still_be_played(tmp_path: Path) -> None:
    world = watched(tmp_path)

    def recorded(public_id: str) -> bytes:
        parts = world.store.play_parts(public_id).fragments
        return b"".join(
            part.path.read_bytes()[part.offset : part.offset + part.num_bytes] for part in parts
        )

    before = {name: recorded(name) for name in ("c1-0", "c1-20000", "c1-30000")}
    assert all(before.values())
    assert recorded("c1-10000")
    world.push(Forget(moment="u1-12000"))
    assert {name: recorded(name) for name in before} == before
    assert recorded("c1-10000") == b""
    assert not world.store.get("c1-10000").playable
    assert world.store.get("c1-0").playable
    world.record(40, b"x" * 100)
    world.clip(40)
    assert world.remembered[-1].playable
    world.close()
    names = {path.name for path in (tmp_path / "segments").iterdir()}
    reopened = World(tmp_path, live=True)
    assert {path.name for path in (tmp_path / "segments").iterdir()} == names
    assert recorded_count(reopened) == 4
    reopened.close()


def recorded_count(world: World) -> int:
    return int(world.store.database.value("SELECT count(*) FROM fragment"))


def test_a_block_is_made_again_from_the_children_left(tmp_path: Path) -> None:
    world = watched(tmp_path)
    query = "SELECT digest, inputs, num_children FROM node WHERE level = 1 ORDER BY start_ns"
    before = world.store.database.rows(query)
    assert SECRET in before[0][0]
    world.push(Forget(moment="c1-10000"))
    after = world.store.database.rows(query)
    assert SECRET not in after[0][0]
    assert "melon0" in after[0][0]
    assert (len(before[0][1]), len(after[0][1]), after[0][2]) == (16, 8, 1)
    assert after[1] == before[1]
    world.push(Forget(moment="c1-0"))
    assert len(world.store.database.rows(query)) == 1
    world.close()


def test_a_whole_block_can_be_forgotten(tmp_path: Path) -> None:
    world = watched(tmp_path)
    world.push(Forget(moment="b1-0"))
    assert world.store.stats().clips == 2
    assert {moment.start_ns // (10 * S) for moment in world.store.moments()} == {2, 3}
    assert b"melon0" not in raw_bytes(tmp_path)
    world.close()


def test_counts_of_terms_fall_with_what_is_forgotten(tmp_path: Path) -> None:
    world = watched(tmp_path)
    count = "SELECT moments FROM term WHERE term = ?"
    assert world.store.database.value(count, ("play",)) == 4
    world.push(Forget(moment="u1-12000"))
    assert world.store.database.value(count, ("play",)) == 3
    assert world.store.database.value(count, (SECRET,)) is None
    world.close()


@pytest.mark.parametrize("what", ["moment", "clip"])
def test_what_is_pending_can_be_forgotten(tmp_path: Path, what: str) -> None:
    world = World(tmp_path, live=True)
    said = world.say(2, f"a {SECRET}")
    world.say(4, "melon")
    world.record(3, NOISE)
    clip = world.clip(0, heard=False)
    world.push(Forget(moment=said if what == "moment" else clip))
    assert world.ask(SECRET).hits == ()
    world.end(10)
    assert SECRET.encode() not in raw_bytes(tmp_path)
    assert b"SECRETSOUND" not in raw_bytes(tmp_path)
    assert (b"melon" in raw_bytes(tmp_path)) == (what == "moment")
    world.close()


def test_vectors_of_what_is_forgotten_leave_the_cache(tmp_path: Path) -> None:
    world = watched(tmp_path)
    question = f"who played the {SECRET}?"
    world.ask(question)
    world.push(Forget(moment="u1-12000"))
    found = world.ask(question)
    assert "u1-12000" not in {hit.id for hit in found.hits}
    world.say(42, f"another {SECRET}")
    world.clip(40)
    assert world.ask(question).hits[0].id == "u1-42000"
    world.close()


def test_a_reader_delays_the_last_step_of_forgetting_only(tmp_path: Path) -> None:
    world = watched(tmp_path)
    with Store.open(tmp_path, write=False) as reader:
        with reader.snapshot():
            assert reader.stats().clips == 4
            assert not world.store.forget("u1-12000").wal_truncated
        world.store.carry_out_commands()
        assert SECRET.encode() not in raw_bytes(tmp_path)
    world.close()
