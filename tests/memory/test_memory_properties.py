"""Any interleaving of clips, questions, forgets, pins, restarts, readers keeps what must hold."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_support import S, World, raw_bytes

from omnilive.errors import OmniLiveError
from omnilive.events import AnswerEnded, Forget, Pin, Tick
from omnilive.memory.budget import BudgetConfig, LevelBudget
from omnilive.memory.commands import send
from omnilive.memory.forget_request import ForgetRequest, StreamSpan
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store

CONFIG = MemoryConfig(fan_out=3, segment_s=20.0, quiet_s=60.0)
EVICTING = replace(
    CONFIG,
    budget=BudgetConfig(
        recordings=LevelBudget(gb=2e-6),
        thumbnails=LevelBudget(gb=2e-6),
        moments=LevelBudget(days=90 / 86_400),
        headroom_gb=0.0,
        headroom_share=0.0,
    ),
)
Step = tuple[str, int]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("clip"), st.integers(0, 3)),
        st.tuples(st.just("clip"), st.integers(0, 3)),
        st.tuples(st.just("quiet"), st.just(0)),
        st.tuples(st.just("gap"), st.integers(1, 900)),
        st.tuples(st.just("ask"), st.integers(0, 30)),
        st.tuples(st.just("late"), st.integers(0, 30)),
        st.tuples(st.just("forget"), st.integers(0, 30)),
        st.tuples(st.just("forget moment"), st.integers(0, 30)),
        st.tuples(st.just("forget span"), st.integers(0, 30)),
        st.tuples(st.just("forget from outside"), st.integers(0, 30)),
        st.tuples(st.just("pin"), st.integers(0, 30)),
        st.tuples(st.just("unpin"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
        st.tuples(st.just("reader"), st.just(0)),
    ),
    min_size=3,
    max_size=25,
)


class Model:
    """A world beside what must be true of it."""

    def __init__(self, directory: Path, config: MemoryConfig) -> None:
        self.directory = directory
        self.config = config
        self.evicts = config is EVICTING
        self.world = World(directory, live=True, config=config)
        self.now_s = 0
        self.number = 0
        self.clips: dict[str, list[str]] = {}  # acknowledged, with the words in it
        self.pinned: set[str] = set()
        self.gone: list[str] = []  # words that must be nowhere
        self.gone_clips: set[str] = set()

    def word(self) -> str:
        self.number += 1
        # No prefix of another, and no word of anything else.
        return f"zq{self.number:04d}x"

    def do(self, step: Step) -> None:
        name, value = step
        getattr(self, "_" + name.replace(" ", "_"))(value)
        for clip in self.world.remembered:
            self.clips.setdefault(clip.id, [])
        self.world.remembered.clear()

    def _chosen(self, value: int) -> str | None:
        if self.evicts:
            # What the budget took cannot be named any more, and its words may stand in digests.
            there = {
                f"c1-{row[0] // 1_000_000}"
                for row in self.world.store.database.rows(
                    "SELECT start_ns FROM node WHERE level = 0"
                )
            }
            assert self.pinned <= there
            self.clips = {clip: words for clip, words in self.clips.items() if clip in there}
        known = sorted(self.clips, key=lambda each: int(each.split("-")[1]))
        return known[value % len(known)] if known else None

    def _clip(self, value: int) -> None:
        words = [self.word() for _ in range(value)]
        for k, word in enumerate(words):
            if k == 2:
                self.world.show(self.now_s + 2 + k, f"sign {word}")
            else:
                self.world.say(self.now_s + 2 + k, f"they said {word} here")
            self.world.record(self.now_s + 2 + k, f"<{word}>".encode() * 20)
        clip = self.world.clip(self.now_s)
        self.clips[clip] = words
        self.now_s += 10

    def _quiet(self, value: int) -> None:
        del value
        self.world.clip(self.now_s, changed=False)
        self.now_s += 10

    def _gap(self, value: int) -> None:
        self.now_s += value

    def _ask(self, value: int) -> None:
        clip = self._chosen(value)
        words = self.clips[clip] if clip else []
        question = f"who said {words[0]}?" if words else "who was there?"
        found = self.world.ask(question)
        self.world.push(
            AnswerEnded(
                turn_id=f"q{value}",
                question=question,
                text=f"They said {' '.join(words)}.",
                outcome="completed",
                known=True,
                citations=found.hits[:2],
            )
        )
        for word in self.gone:
            assert all(word not in hit.text for hit in found.hits)

    def _late(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is not None:
            word = self.word()
            at_s = int(clip.split("-")[1]) / 1000 + 6 + self.number / 1000
            self.world.say(at_s, f"late {word}")
            self.clips[clip].append(word)

    def _forget(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is None:
            return
        if clip in self.pinned:
            try:
                self.world.push(Forget(moment=clip))
            except OmniLiveError:
                return
            raise AssertionError("a pinned clip was forgotten")
        self.world.push(Forget(moment=clip))
        self._went(clip)

    def _forget_moment(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is None or clip in self.pinned or not self.clips[clip]:
            return
        start_s = int(clip.split("-")[1]) // 1000
        if self.world.store.database.row(
            "SELECT 1 FROM moment WHERE kind = 0 AND start_ns = ?", ((start_s + 2) * S,)
        ):
            word = self.clips[clip][0]
            self.world.push(Forget(moment=f"u1-{(start_s + 2) * 1000}"))
            self.clips[clip].remove(word)
            self.gone.append(word)

    def _forget_span(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is None:
            return
        start_ns = int(clip.split("-")[1]) * 1_000_000
        span = StreamSpan(1, start_ns, start_ns + 30 * S)
        self.world.store.forget(ForgetRequest(spans=(span,)))
        self._took(span)

    def _forget_from_outside(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is None or clip in self.pinned:
            return
        send(self.directory, ForgetRequest(moments=(clip,)))
        for _ in range(3):
            at_ns = self.now_s * S
            self.world.push(Tick(stream=1, at_ns=at_ns, wall_ns=self.world.started.wall_ns + at_ns))
        self._went(clip)

    def _took(self, span: StreamSpan) -> None:
        for clip in list(self.clips):
            start_ns = int(clip.split("-")[1]) * 1_000_000
            row = self.world.store.database.row(
                "SELECT 1 FROM node WHERE level = 0 AND start_ns = ?", (start_ns,)
            )
            if row is None:
                assert clip not in self.pinned
                self._went(clip)

    def _went(self, clip: str) -> None:
        self.gone += self.clips.pop(clip)
        self.gone_clips.add(clip)

    def _pin(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is not None:
            self.world.push(Pin(moment=clip))
            self.pinned.add(clip)

    def _unpin(self, value: int) -> None:
        clip = self._chosen(value)
        if clip is not None:
            self.world.push(Pin(moment=clip, keep=False))
            self.pinned.discard(clip)

    def _restart(self, value: int) -> None:
        self.world.close()
        wall_ns = self.world.started.wall_ns + (self.now_s + 100 * value) * S
        self.world = World(self.directory, live=True, config=self.config, wall_ns=wall_ns)
        self.now_s = -(-self.world.started.at_ns // S)

    def _reader(self, value: int) -> None:
        del value
        with Store.open(self.directory, write=False) as reader, reader.snapshot():
            assert reader.verify(quick=True).findings == ()

    def check(self) -> None:
        self.world.close()
        with Store.open(self.directory, write=True) as store:
            assert store.verify().findings == ()
            present = [
                f"c1-{row[0] // 1_000_000}"
                for row in store.database.rows("SELECT start_ns FROM node WHERE level = 0")
            ]
        assert len(present) == len(set(present))
        assert (self.pinned if self.evicts else set(self.clips)) <= set(present)
        assert not self.gone_clips & set(present)
        rest = raw_bytes(self.directory)
        for word in self.gone:
            assert word.encode() not in rest
        for words in () if self.evicts else self.clips.values():
            for word in words:
                assert word.encode() in rest


PROPERTY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@PROPERTY
@given(steps)
def test_any_interleaving_keeps_what_must_hold(taken: list[Step]) -> None:
    play(taken, CONFIG)


@PROPERTY
@given(steps)
def test_also_while_the_budget_takes_what_is_old(taken: list[Step]) -> None:
    play([("clip", 2)] * 8 + taken, EVICTING)


def play(taken: list[Step], config: MemoryConfig) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        model = Model(Path(directory) / "store", config)
        try:
            for step in taken:
                model.do(step)
            model.check()
        finally:
            model.world.close()
