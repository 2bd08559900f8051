"""Budgets: what goes first, what stays, and that the disk never holds more than was allowed."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
from memory_support import WALL_NS, S, World, embedder

from omnilive.errors import StoreError
from omnilive.events import ClipMemory, Event, Notice, Tick
from omnilive.memory import totals
from omnilive.memory.budget import GB, BudgetConfig, LevelBudget, Limits
from omnilive.memory.keeper import Keeper, load
from omnilive.memory.moments import MomentQuery
from omnilive.memory.segments import Recordings
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store

FRAGMENT = 50_000
NO_HEADROOM = {"headroom_gb": 0.0, "headroom_share": 0.0}


def settings(**changes: object) -> MemoryConfig:
    return MemoryConfig(budget=BudgetConfig(**NO_HEADROOM | changes))  # type: ignore[arg-type]


def megabytes(value: float, days: float = math.inf) -> LevelBudget:
    return LevelBudget(gb=value * 1e6 / GB, days=days)


def watch(world: World, start: int, count: int, *, stream: int = 1, size: int = FRAGMENT) -> None:
    """Remember so many clips of ten seconds with something said, something shown and sound."""
    for number in range(start, start + count):
        world.say(number * 10 + 1, f"sentence {number} about apples", stream=stream)
        world.record(number * 10 + 1, bytes(size), stream=stream)
        world.clip(number * 10.0, stream=stream)


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def recorded(world: World, stream: int = 1) -> int:
    """Bytes of a stream's recordings, by the files."""
    folder = world.store.directory / "segments"
    return sum(path.stat().st_size for path in folder.glob(f"{stream}-*.mkv"))


def playable(world: World, number: int, stream: int = 1) -> bool:
    return world.store.get(f"u{stream}-{number * 10_000 + 1000}").playable


def test_the_oldest_recording_goes_first_and_the_words_stay(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings(recordings=megabytes(1.0)))
    watch(world, 0, 60)
    assert recorded(world) <= 1_000_000 + 6 * (FRAGMENT + 1000)
    assert not playable(world, 0)
    assert playable(world, 59)
    kept = [playable(world, number) for number in range(60)]
    assert kept == sorted(kept)
    (hit, *_) = world.ask("what was sentence 3 about?").hits
    assert "sentence" in hit.text
    assert not world.store.play_parts("c1-0").fragments
    assert world.store.get("c1-0").picture
    assert len(world.store.moments(MomentQuery(kinds=("speech",), limit=100))) == 60
    world.close()


def test_files_on_disk_are_those_that_are_referenced(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings(recordings=megabytes(0.5)))
    watch(world, 0, 40)
    named = {file for (file,) in world.store.database.rows("SELECT file FROM segment")}
    assert {path.name for path in (tmp_path / "segments").iterdir()} == named
    world.close()


def test_the_disk_is_never_above_the_budget_by_more_than_a_segment(tmp_path: Path) -> None:
    total = 6_000_000
    world = World(tmp_path, live=True, config=settings(total_gb=total / GB))
    most = 0
    for number in range(200):
        watch(world, number, 1)
        most = max(most, on_disk(tmp_path))
    segment = 6 * (FRAGMENT + 2_000)
    assert most <= total + segment
    assert most > total * 0.8, "the budget was never reached: this proves nothing"
    assert playable(world, 199)
    assert world.store.stats().clips == 200, "recordings give way before any words do"
    world.close()


def test_words_go_when_recordings_are_not_enough_and_what_sums_them_up_stays(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, live=True, config=settings(moments=megabytes(0.08)))
    watch(world, 0, 200, size=500)
    database = world.store.database
    assert world.store.stats().clips < 200
    blocks = database.rows(
        "SELECT digest, faded, num_children FROM node WHERE level = 1 AND closed"
    )
    assert len(blocks) == 200 // 32
    assert "sentence" in blocks[0][0]
    assert blocks[0][1] == blocks[0][2] == 32, "the block says that its inputs are gone"
    assert blocks[-1][1] == 0
    assert totals.read(database) == totals.recount(database)
    assert database.value("SELECT count(*) FROM fragment") < 200
    assert not world.store.verify().findings, "what the budget dropped is no damage"
    (newest, *_) = world.ask("what was sentence 199 about?").hits
    assert "199" in newest.text
    world.close()


def test_a_time_whose_clips_are_gone_is_told_from_what_sums_it_up(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings(moments=megabytes(0.08)))
    watch(world, 0, 200, size=500)
    found = world.ask("what was said in the first minute?")
    assert not found.within
    (digest,) = found.digests
    assert digest.id == "b1-0"
    assert not digest.playable
    lines = digest.text.splitlines()
    assert lines
    assert all(line.startswith(("23:13:", "23:14:")) for line in lines)
    assert "heard: sentence 2 about apples" in digest.text
    assert not world.ask("what was said in the last minute?").digests
    world.close()


def test_pinned_moments_stay_and_can_be_played(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        live=True,
        config=settings(
            recordings=megabytes(0.5), moments=megabytes(0.1), thumbnails=megabytes(0.01)
        ),
    )
    watch(world, 0, 5)
    world.store.pin("u1-21000")
    watch(world, 5, 200)
    assert playable(world, 2)
    assert world.store.get("u1-21000").picture
    parts = world.store.play_parts("u1-21000")
    assert sum(part.num_bytes for part in parts.fragments) > FRAGMENT
    for part in parts.fragments:
        assert part.path.stat().st_size >= part.offset + part.num_bytes
    with pytest.raises(StoreError):
        world.store.get("u1-11000")
    world.store.pin("u1-21000", keep=False)
    watch(world, 205, 30)
    with pytest.raises(StoreError):
        world.store.get("u1-21000")
    world.close()


def test_what_is_older_goes(tmp_path: Path) -> None:
    config = settings(recordings=LevelBudget(days=600 / 86_400), thumbnails=LevelBudget(days=0.01))
    world = World(tmp_path, live=True, config=config)
    watch(world, 0, 200)
    kept = [playable(world, number) for number in range(200)]
    # A segment goes as a whole, when its last fragment is old enough.
    assert 200 - 60 - 7 <= kept.index(True) <= 200 - 60
    pictures = [bool(world.store.get(f"c1-{n * 10_000}").picture) for n in range(200)]
    assert pictures.index(True) == 200 - 86
    world.close()


def test_a_live_stream_that_nobody_watches_grows_older_too(tmp_path: Path) -> None:
    config = settings(recordings=LevelBudget(days=1.0))
    world = World(tmp_path, live=True, config=config)
    watch(world, 0, 20)
    world.end(200)
    other = world.start("yard", live=True, wall_ns=WALL_NS + 3 * 86_400 * S)
    assert playable(world, 0)
    for second in range(10):
        at_ns = other.at_ns + second * S
        world.push(Tick(stream=2, at_ns=at_ns, wall_ns=WALL_NS + 3 * 86_400 * S + second * S))
    assert not playable(world, 19)
    assert recorded(world) == 0
    world.close()


def test_two_streams_come_to_share_what_there_is(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings(total_gb=5_000_000 / GB))
    world.start("yard", live=True, wall_ns=WALL_NS)
    watch(world, 0, 60, stream=1)
    for number in range(120):
        watch(world, 60 + number, 1, stream=1)
        watch(world, number, 1, stream=2)
    one, two = recorded(world, 1), recorded(world, 2)
    assert abs(one - two) <= 2 * 6 * (FRAGMENT + 2000)
    world.close()


def test_a_stream_may_have_its_own_budget(tmp_path: Path) -> None:
    config = settings(
        streams=("yard: recordings.gb=0", "talk: recordings.gb=0.0005, moments.days=9")
    )
    world = World(tmp_path, live=True, config=config)
    world.start("yard", live=True, wall_ns=WALL_NS)
    for number in range(40):
        watch(world, number, 1, stream=1)
        watch(world, number, 1, stream=2)
    assert recorded(world, 2) == 0
    assert 150_000 < recorded(world, 1) < 500_000 + 6 * (FRAGMENT + 2000)
    assert len(world.store.moments(MomentQuery(stream=2, kinds=("speech",), limit=100))) == 40
    world.close()


def test_a_smaller_budget_is_reached_in_steps(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings())
    watch(world, 0, 150)
    before = recorded(world)
    world.close()
    config = settings(recordings=megabytes(1.0))
    with Store.open(tmp_path, write=True) as store:
        memory = Memory(store, config, embedder())
        world.store, world.memory = store, memory
        started = world.start("talk", live=True, wall_ns=WALL_NS + 1500 * S)
        sizes = [recorded(world)]
        for second in range(30):
            world.push(
                Tick(stream=1, at_ns=started.at_ns + second * S, wall_ns=started.wall_ns + second)
            )
            sizes.append(recorded(world))
        assert load(store.database) == config.budget
    assert sizes[0] == before
    steps = [one - two for one, two in zip(sizes, sizes[1:], strict=False)]
    assert max(steps) <= 4 * 6 * (FRAGMENT + 2000), "a tick does a bounded amount of work"
    assert sizes[-1] <= 1_000_000


def test_near_a_full_disk_only_the_recording_stops(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=settings(headroom_gb=2.0))
    free = [3 * GB]
    told: list[Event] = []
    keeper = Keeper(
        world.store.database,
        world.store.keeper(BudgetConfig())._evictor,
        BudgetConfig(headroom_gb=2.0, headroom_share=0.0),
        usage=lambda _path: (free[0], 100 * GB),
    )
    world.memory._keeper = keeper

    def go_on(start: int, count: int) -> list[bool]:
        for number in range(start, start + count):
            world.say(number * 10 + 1, f"sentence {number} about apples")
            world.record(number * 10 + 1, bytes(500))
            world.clip(number * 10.0)
        return [playable(world, number) for number in range(start, start + count)]

    push = world.memory.push
    world.memory.push = lambda event, cancel: _noting(push(event, cancel), told)  # type: ignore
    assert all(go_on(0, 5))
    free[0] = 1 * GB
    assert not any(go_on(5, 5))
    free[0] = round(2.2 * GB)  # room, but not clearly more than the headroom
    assert not any(go_on(10, 5))
    free[0] = 3 * GB
    assert all(go_on(15, 5))
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert len(notices) == 2
    assert notices[0].startswith("Recording has stopped because only 1.0 GB are free")
    assert notices[1].startswith("Recording goes on")
    assert len([each for each in told if isinstance(each, ClipMemory)]) == 20
    world.close()


def _noting(events, into):
    for event in events:
        into.append(event)
        yield event


def test_a_disk_that_fills_under_a_recording_costs_the_recording_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, live=True, config=settings())
    watch(world, 0, 3)

    def full(*_: object) -> None:
        raise StoreError("The recording cannot be written.") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Recordings, "write", full)
    watch(world, 3, 3)
    assert world.store.stats().clips == 6
    assert [playable(world, number) for number in range(6)] == [True] * 3 + [False] * 3
    world.close()


def test_old_turns_go(tmp_path: Path) -> None:
    from omnilive.memory.conversation import NewTurn

    config = settings(conversation=LevelBudget(gb=20_000 / GB))
    world = World(tmp_path, live=True, config=config)
    for number in range(100):
        world.store.add_turn(
            NewTurn(
                turn_id=f"q{number}",
                question="what?",
                answer="a" * 1000,
                outcome="completed",
                known=True,
            )
        )
    watch(world, 0, 10)
    turns = world.store.turns(200)
    assert 0 < len(turns) < 40
    assert turns[-1].turn_id == "q99"
    world.close()


@pytest.mark.parametrize(
    "line",
    ["door", "door: recordings", "door: recordings.gb=x", "door: sounds.gb=1", ": moments.gb=1"]
    + ["door: recordings.gb=-1", "door: recordings.gb=nan", "door: conversation.gb=1"],
)
def test_exceptions_that_are_not_understood_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="streams|at least 0"):
        BudgetConfig(streams=(line,))


def test_a_stream_s_name_may_hold_a_colon() -> None:
    limits = Limits(BudgetConfig(streams=("cam:1: recordings.gb=2",)))
    assert limits.of("cam:1", "recordings").num_bytes == 2 * GB
    assert limits.of("cam:1", "recordings").age_ns == limits.of("x", "recordings").age_ns
    assert limits.of("cam:1", "moments") == limits.of("x", "moments")


@pytest.mark.parametrize("changes", [{"total_gb": 0}, {"headroom_share": 1.0}, {"headroom_gb": -1}])
def test_impossible_budgets_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="total_gb|headroom"):
        BudgetConfig(**changes)  # type: ignore[arg-type]
