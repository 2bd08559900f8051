"""Forgetting spans, streams and words; what is gone is searched for in every byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_support import WALL_NS, S, World, embedder, raw_bytes

from omnilive import api
from omnilive.errors import StoreError, UsageError
from omnilive.events import AnswerEnded, Caption, Forget, Pin, Tick
from omnilive.memory.commands import send
from omnilive.memory.forget_request import ForgetRequest, StreamSpan
from omnilive.memory.recall import Recall
from omnilive.memory.stage import MemoryConfig
from omnilive.memory.store import Store

SECRET = "xylophone"
NOISE = b"SECRETSOUND" * 40
CONFIG = MemoryConfig(fan_out=2)


def watched(directory: Path, *, clips: int = 8, secret: tuple[int, ...] = (3,)) -> World:
    """Clips in blocks of two on three levels, and over an hour, so that there is an hour's row."""
    world = World(directory, live=True, config=CONFIG)
    for index in range(clips):
        at = 10 * index
        if index in secret:
            world.say(at + 2, f"the {SECRET} was played, {SECRET}ing along")
            world.show(at + 4, f"{SECRET} concert")
        else:
            world.say(at + 2, f"melon{index} lies on the table")
        for k in range(10):
            world.record(at + k, NOISE if index in secret else bytes([index % 250 + 1]) * 440)
        world.clip(at)
        if index in secret:
            world.push(
                Caption(stream=1, clip=f"c1-{1000 * at}", text=f"a man with a {SECRET}", model="m")
            )
    world.say(3700, "an hour later")
    world.clip(3700)
    found = world.ask(f"who played the {SECRET}?")
    assert found.hits
    for number, cited in enumerate((found.hits[:1], ())):
        world.push(
            AnswerEnded(
                turn_id=f"q{number}",
                question=f"who played the {SECRET}?",
                text=f"It was said that the {SECRET} was played.",
                outcome="completed",
                known=True,
                citations=cited,
            )
        )
    return world


def assert_gone(directory: Path) -> None:
    rest = raw_bytes(directory)
    assert SECRET.encode() not in rest
    assert b"SECRETSOUND" not in rest
    assert b"melon0" in rest
    with Store.open(directory, write=False) as store:
        assert store.verify().findings == ()
        question = f"who played the {SECRET}?"
        retrieval = Recall(store, embedder()).retrieve(asked(question))
        assert retrieval.matches == 0
        assert all(SECRET not in hit.text for hit in retrieval.hits)


def asked(text: str):  # type: ignore[no-untyped-def]
    from omnilive.events import Question

    return Question(turn_id="q", text=text, needs="past")


@pytest.mark.parametrize("how", ["clip", "span", "query"])
def test_forgotten_words_are_in_no_digest_calendar_cache_or_recording(
    tmp_path: Path, how: str
) -> None:
    world = watched(tmp_path)
    database = world.store.database
    digests = "SELECT count(*) FROM node WHERE digest LIKE '%xylophone%'"
    assert {
        level
        for (level,) in database.rows("SELECT level FROM node WHERE digest LIKE '%xylophone%'")
    } >= {1, 2, 3, -1}
    world.close()
    with api.open_store(tmp_path) as memory:
        if how == "clip":
            gone = memory.forget("c1-30000")
        elif how == "span":
            gone = memory.forget(span=("2023-11-14T23:13:50", "2023-11-14T23:14:00"))
        else:
            gone = memory.forget(query=SECRET)
        assert gone.wal_truncated
        assert gone.turns == 2
    assert_gone(tmp_path)
    with Store.open(tmp_path, write=False) as store:
        assert store.database.value(digests) == 0
        assert store.stats().clips == 8  # a caption stands for its clip
        assert all(turn.redacted for turn in store.turns())


def test_the_picture_goes_with_the_text_that_it_shows(tmp_path: Path) -> None:
    world = watched(tmp_path)
    frame = world.store.get("c1-30000").picture
    later = world.store.get("c1-40000").picture
    assert frame in raw_bytes(tmp_path)
    world.push(Forget(moment="t1-34000"))
    # The clips after it look the same (the descriptor says so), so they may still show it.
    assert frame[200:] not in raw_bytes(tmp_path)
    assert later
    assert world.store.get("c1-40000").picture == b""
    assert world.store.get("c1-20000").picture
    assert world.store.verify().findings == ()
    world.close()


def test_a_stream_goes_to_its_name(tmp_path: Path) -> None:
    world = watched(tmp_path)
    world.end(3710)
    world.close()
    other = World(tmp_path, live=True, name="kitchen", config=CONFIG)
    stream = other.started.stream
    other.say(2, "the kettle boils", stream=stream)
    other.clip(0, stream=stream)
    other.close()
    with api.open_store(tmp_path) as memory:
        before = memory.would_forget(stream="talk")
        assert (before.num_clips, before.num_moments > 10) == (9, True)
        gone = memory.forget(stream="talk")
    assert gone.clips == 9
    rest = raw_bytes(tmp_path)
    assert not any(word in rest for word in (b"melon", SECRET.encode(), b"SECRETSOUND", b"talk"))
    assert b"kettle" in rest
    with Store.open(tmp_path, write=False) as store:
        assert [line.name for line in store.timelines().values()] == ["kitchen"]
        assert store.verify().findings == ()


def test_what_is_pinned_stays_unless_it_is_said(tmp_path: Path) -> None:
    world = watched(tmp_path)
    world.push(Pin(moment="u1-2000"))
    world.close()
    with api.open_store(tmp_path) as memory:
        with pytest.raises(StoreError, match="pinned"):
            memory.forget("u1-2000")
        gone = memory.forget(span=("0", "20"), stream="talk")
        assert (gone.clips, gone.kept_pinned) == (1, 1)
        assert memory.show("u1-2000")
        gone = memory.forget(span=("0", "20"), stream="talk", pinned=True)
        assert (gone.clips, gone.kept_pinned) == (1, 0)
    with Store.open(tmp_path, write=False) as store:
        assert store.verify().findings == ()


def test_what_was_not_understood_is_said(tmp_path: Path) -> None:
    watched(tmp_path).close()
    with api.open_store(tmp_path) as memory:
        for arguments in (
            {},
            {"moment": "c1-0", "stream": "talk"},
            {"span": ("noon", "later")},
            {"span": ("30", "10"), "stream": "talk"},
            {"span": ("2031-01-01", "2031-01-02")},
            {"stream": "nowhere"},
            {"query": "pomegranate"},
        ):
            with pytest.raises(UsageError):
                memory.forget(**arguments)  # type: ignore[arg-type]
        assert memory.stats()["clips"] == 9


def test_the_writer_forgets_for_another_process_also_what_is_pending(tmp_path: Path) -> None:
    world = World(tmp_path, live=True, config=CONFIG)
    world.say(2, "melon0")
    world.clip(0)
    world.say(12, f"a {SECRET}")
    world.record(13, NOISE)
    world.clip(10, heard=False)
    world.say(21, f"more {SECRET}")
    world.record(22, NOISE)
    number = send(tmp_path, ForgetRequest(spans=(StreamSpan(1, 10 * S, 25 * S),)))
    for at in (23, 24):
        world.push(Tick(stream=1, at_ns=at * S, wall_ns=WALL_NS + at * S))
    assert world.store.outcome(number) == ""
    world.record(24, NOISE)  # what still comes of the forgotten stretch
    world.clip(20)
    world.record(32, b"afterwards")
    world.clip(30)
    world.end(40)
    world.close()
    rest = raw_bytes(tmp_path)
    assert SECRET.encode() not in rest
    assert b"SECRETSOUND" not in rest
    assert b"afterwards" in rest
    with Store.open(tmp_path, write=False) as store:
        assert store.verify().findings == ()
        assert store.stats().clips == 4


def test_forgetting_that_was_cut_off_is_finished_by_the_next_opening(tmp_path: Path) -> None:
    world = watched(tmp_path, clips=300, secret=(3, 290))
    request = ForgetRequest(spans=(StreamSpan(1, 20 * S, 4000 * S),))
    send(tmp_path, request)
    world.store.carry_out_commands()  # one part of several
    assert SECRET.encode() in raw_bytes(tmp_path)
    world.close()
    Store.open(tmp_path, write=True).close()
    assert_gone(tmp_path)
    with Store.open(tmp_path, write=False) as store:
        assert store.stats().clips == 2


def test_an_answer_that_comes_after_its_moment_was_forgotten_is_not_kept(tmp_path: Path) -> None:
    world = watched(tmp_path)
    found = world.ask(f"who played the {SECRET}?")
    world.push(Forget(moment=found.hits[0].id))
    world.push(
        AnswerEnded(
            turn_id="q9",
            question="who?",
            text=f"{SECRET}",
            outcome="completed",
            known=True,
            citations=found.hits[:1],
        )
    )
    assert world.store.turns()[-1].redacted
    world.close()
