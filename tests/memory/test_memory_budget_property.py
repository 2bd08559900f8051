"""Whatever happens in whatever order: totals are counts, files are rows, pins are whole."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from memory_support import WALL_NS, S, World, embedder

from omnilive.errors import UnknownMoment
from omnilive.events import Tick
from omnilive.memory import totals
from omnilive.memory.budget import GB, BudgetConfig, LevelBudget
from omnilive.memory.disk_use import charged, measure
from omnilive.memory.eviction import BLOCKS, MOMENTS, RECORDINGS, THUMBNAILS
from omnilive.memory.moments import MomentQuery
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store

FAN_OUT = 4
SIZES = st.sampled_from([0.0, 3e3, 2e4, math.inf])
AGES = st.sampled_from([120 / 86_400, math.inf, math.inf])


def levels(sizes: list[float], ages: list[float]) -> BudgetConfig:
    names = ("recordings", "thumbnails", "moments", "blocks")
    return BudgetConfig(
        headroom_gb=0.0,
        headroom_share=0.0,
        total_gb=max(sizes[4], 1.0) / GB,
        **{
            name: LevelBudget(gb=size / GB, days=age)
            for name, size, age in zip(names, sizes, ages, strict=False)
        },
    )


class Budgets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="budget-")
        self.path = Path(self.folder.name)
        self.budget = BudgetConfig(headroom_gb=0.0, headroom_share=0.0)
        self.world = World(self.path, live=True, config=self.config())
        self.world.start("yard", live=True, wall_ns=WALL_NS)
        self.at_s = {1: 0.0, 2: 0.0}
        self.pinned: dict[str, bytes] = {}
        self.words: dict[str, str] = {}

    def config(self) -> MemoryConfig:
        return MemoryConfig(budget=self.budget, fan_out=FAN_OUT, levels=3, segment_s=30.0)

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    @initialize(
        sizes=st.lists(SIZES, min_size=5, max_size=5), back=st.lists(st.integers(0, 8), max_size=2)
    )
    def begin(self, sizes: list[float], back: list[int]) -> None:
        """Begin with something pinned in the middle, and a budget."""
        self.watch(1, 12)
        for each in back:
            self.pin(1, each)
        self.restart(sizes, [math.inf] * 4)

    @rule(stream=st.sampled_from([1, 1, 2]), count=st.integers(2, 12))
    def watch(self, stream: int, count: int) -> None:
        for _ in range(count):
            at_s = self.at_s[stream]
            said = self.world.say(at_s + 1, f"stream {stream} at {at_s:.0f}", stream=stream)
            self.words[said] = f"stream {stream} at {at_s:.0f}"
            self.world.record(at_s + 1, bytes(3_000), stream=stream)
            self.world.clip(at_s, stream=stream)
            self.at_s[stream] += 10

    @rule(stream=st.sampled_from([1, 2]), gap_s=st.sampled_from([5, 900, 4000]))
    def wait(self, stream: int, gap_s: int) -> None:
        self.at_s[stream] += gap_s
        at_ns = round(self.at_s[stream] * S)
        self.world.push(Tick(stream=stream, at_ns=at_ns, wall_ns=WALL_NS + at_ns))

    @rule(stream=st.sampled_from([1, 1, 2]), back=st.integers(0, 6))
    def pin(self, stream: int, back: int) -> None:
        """Pin one of the newest that is still whole."""
        query = MomentQuery(kinds=("speech",), stream=stream, newest_first=True, limit=50)
        whole = [each for each in self.world.store.moments(query) if each.playable]
        for said in [each.id for each in whole[back : back + 1]]:
            picture = self.world.store.get(said).picture
            if picture:
                self.world.store.pin(said)
                self.pinned[said] = picture

    @precondition(lambda self: self.pinned)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        said = data.draw(st.sampled_from(sorted(self.pinned)))
        self.world.store.pin(said, keep=False)
        del self.pinned[said]

    @precondition(lambda self: self.words and not self.pinned)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        said = data.draw(st.sampled_from(sorted(self.words)))
        try:
            self.world.store.get(said)
        except UnknownMoment:
            return
        self.world.store.forget(said)

    @rule(
        sizes=st.lists(SIZES, min_size=5, max_size=5), ages=st.lists(AGES, min_size=4, max_size=4)
    )
    def restart(self, sizes: list[float], ages: list[float]) -> None:
        """Start again with another budget, as after a crash: what is pending goes."""
        self.budget = levels(sizes, ages)
        self.watch(1, 8)
        self.world.store.close()
        self.world.store = Store.open(self.path, write=True)
        self.world.memory = Memory(self.world.store, self.config(), embedder())
        for stream, name in ((1, "talk"), (2, "yard")):
            wall_ns = WALL_NS + round(self.at_s[stream] * S)
            started = self.world.start(name, live=True, wall_ns=wall_ns)
            assert started.stream == stream
            self.at_s[stream] = max(self.at_s[stream], started.at_ns / S)

    @rule()
    def settle(self) -> None:
        """With steps enough, everything that may go is within its budget."""
        keeper = self.world.memory._keeper
        for _ in range(400):
            keeper.after_clip()
            if not keeper._is_behind:
                break
        assert not keeper._is_behind
        if self.pinned:
            return
        database = self.world.store.database
        held = totals.read(database)
        use = charged(held, measure(database, held, self.path / "cache"))
        allowed = {
            RECORDINGS: self.budget.recordings,
            THUMBNAILS: self.budget.thumbnails,
        }
        for (stream, rung), size in use.items():
            if rung in allowed:
                # The open segment, and what of the rung is still needed by nobody's choice.
                slack = 4 * 3_500 if rung == RECORDINGS else 0
                assert size <= allowed[rung].gb * GB + slack, (stream, rung)
        for (stream, rung), size in use.items():
            limit = {MOMENTS: self.budget.moments, BLOCKS: self.budget.blocks}.get(rung)
            if limit is not None and size > limit.gb * GB:
                self._only_what_is_open(stream, rung)

    def _only_what_is_open(self, stream: int, rung: int) -> None:
        database = self.world.store.database
        left = database.value(
            "SELECT count(*) FROM node n LEFT JOIN node p ON p.id = n.parent WHERE n.stream = ? "
            "AND n.level = 0 AND coalesce(p.closed, 1) AND NOT EXISTS (SELECT 1 FROM fragment f "
            "WHERE f.node = n.id)",
            (stream,),
        )
        assert left <= 1, (stream, rung)

    @invariant()
    def totals_are_what_a_count_finds(self) -> None:
        database = self.world.store.database
        counted = {key: total for key, total in totals.recount(database).items() if any(total)}
        assert totals.read(database) == counted

    @invariant()
    def pinned_moments_are_whole(self) -> None:
        for said, picture in self.pinned.items():
            moment = self.world.store.get(said)
            assert moment.text == self.words[said]
            assert moment.picture == picture
            assert moment.playable
            for part in self.world.store.play_parts(said).fragments:
                assert part.path.stat().st_size >= part.offset + part.num_bytes

    @invariant()
    def files_are_what_the_store_names(self) -> None:
        database = self.world.store.database
        named = dict(
            database.rows(
                "SELECT s.file, sum(f.bytes) FROM segment s JOIN fragment f ON f.segment = s.id "
                "GROUP BY s.id"
            )
        )
        found = {path.name: path.stat().st_size for path in (self.path / "segments").iterdir()}
        assert named == {name: size for name, size in found.items() if size or name in named}

    @invariant()
    def what_was_dropped_is_noted_above(self) -> None:
        """A derived row knows how many of its inputs are gone: verify need not call it damage."""
        database = self.world.store.database
        for node, inputs, faded in database.rows(
            "SELECT id, inputs, faded FROM node WHERE level <> 0 AND closed"
        ):
            numbers = np.frombuffer(inputs, dtype="<i8").tolist()
            left = database.value(
                f"SELECT count(*) FROM node WHERE id IN ({','.join('?' * len(numbers))})", numbers
            )
            assert len(numbers) == left + faded, node


def test_budgets_hold_whatever_happens() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Budgets,
        settings=settings(
            max_examples=30,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
