"""What sources and people do wrong: a clear error or a sane answer, never a broken store."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_support import WALL_NS, S, World

from omnilive import api
from omnilive.errors import OmniLiveError, UsageError
from omnilive.events import Clip, StreamStarted, UpTo, Utterance, Watermark
from omnilive.memory.store import Store
from omnilive.memory.streams import SourceFile

HOUR = 3600


def sound(world: World) -> None:
    """The store holds together: nothing that `memory verify` finds."""
    found = world.store.verify()
    assert found.findings == (), found.findings


def continued(world: World, at_s: float, wall_ns: int) -> StreamStarted:
    """The wall clock of a live source was set: a new epoch, while stream time goes on."""
    started = world.store.begin_epoch(
        "talk",
        wall_ns=wall_ns,
        zone="Europe/Berlin",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=True,
        source="talk",
        at_ns=round(at_s * S),
    )
    world.push(started)
    return started


@pytest.mark.parametrize("step_h", [-3, 3, -26, 48])
def test_a_clock_that_steps_by_hours(tmp_path: Path, step_h: int) -> None:
    world = World(tmp_path, live=True)
    world.say(2, "before the clock was set")
    world.clip(0)
    continued(world, 10, WALL_NS + (10 + step_h * HOUR) * S)
    world.say(12, "after the clock was set")
    world.clip(10)
    said = [m.text for m in world.ask("what was said?").within if m.kind == "speech"]
    assert sorted(said) == ["after the clock was set", "before the clock was set"]
    (now,) = world.ask("clock set in the last minute", up_to=(UpTo(1, 20 * S),)).spans[-1:]
    assert now.end_ns <= 20 * S
    recent = world.ask("what was said in the last 9 seconds?").within
    assert [m.text for m in recent if m.kind == "speech"] == ["after the clock was set"]
    found = world.ask("the clock was set").hits
    shown = [hit.at for hit in found if hit.text.startswith("before")]
    assert shown == ["2023-11-14T23:13:22.000+01:00"]
    sound(world)
    world.close()


def test_a_stream_through_the_change_of_clocks(tmp_path: Path) -> None:
    # 2026-10-25 00:59:50 UTC: ten seconds before three o'clock becomes two o'clock in Berlin.
    world = World(tmp_path, live=True, wall_ns=1_792_889_990 * S)
    for index in range(4):
        world.say(5 * index + 1, f"sentence {index}")
        world.clip(5 * index, length_s=5)
    said = [m for m in world.ask("what was said?").within if m.kind == "speech"]
    assert [m.at[11:25].replace(".000", "") for m in said] == [
        "02:59:51+0",
        "02:59:56+0",
        "02:00:01+0",
        "02:00:06+0",
    ] or [m.at[11:19] for m in said] == ["02:59:51", "02:59:56", "02:00:01", "02:00:06"]
    assert [m.at[-6:] for m in said] == ["+02:00", "+02:00", "+01:00", "+01:00"]
    between = world.ask("what was said between 2 am and 2:30 am?").within
    assert [m.text for m in between if m.kind == "speech"] == ["sentence 2", "sentence 3"]
    sound(world)
    world.close()


def test_an_outage_of_eight_hours(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.say(2, "good night")
    world.clip(0)
    world.end(10, error="The source is gone.")
    again = world.start("talk", live=True, wall_ns=WALL_NS + (10 + 8 * HOUR) * S)
    assert again.at_ns == (10 + 8 * HOUR) * S
    start_s = again.at_ns / S
    world.say(start_s + 2, "good morning")
    world.clip(start_s)
    assert [m.text for m in world.ask("what was said?").within if m.kind == "speech"] == [
        "good night",
        "good morning",
    ]
    watched = world.ask("x").watched
    assert [(span.end_ns - span.start_ns) // S for span in watched] == [10, 10]
    missing = world.ask("what was said four hours ago?")
    assert missing.within == ()
    assert "four hours ago" in missing.time_problem
    sound(world)
    world.close()


def test_two_sources_of_one_name_are_one_stream(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.say(2, "from the first")
    second = world.start("talk", live=True, wall_ns=WALL_NS + 20 * S)
    assert second.stream == world.started.stream
    world.say(second.at_ns / S + 1, "from the second")
    world.clip(second.at_ns / S)
    # The first goes on as if nothing had happened; what it reports is too old for its epoch.
    world.clip(0)
    said = [m.text for m in world.ask("what was said?").within if m.kind == "speech"]
    assert sorted(said) == ["from the first", "from the second"]
    sound(world)
    world.close()


def test_a_stream_that_restarts_from_zero(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    for index in range(3):
        world.say(10 * index + 2, f"first time {index}")
        world.clip(10 * index)
    # The camera counts from zero again within its epoch: times that are taken are not taken twice.
    for index in range(3):
        world.say(10 * index + 4, f"second time {index}")
        world.clip(10 * index)
    for index in range(3):
        world.clip(10 * index + 5)
    world.end(40)
    found = world.ask("what was said?")
    said = [m.text for m in found.within if m.kind == "speech"]
    assert {f"first time {i}" for i in range(3)} <= set(said)
    assert len(said) == len(set(said))
    again = world.start("talk", live=True, wall_ns=WALL_NS + 100 * S)
    assert again.at_ns >= 30 * S
    world.say(again.at_ns / S + 1, "a new beginning")
    world.clip(again.at_ns / S)
    assert world.ask("a new beginning").hits[0].text == "a new beginning"
    sound(world)
    world.close()


def _file(path: Path, fingerprint: str) -> SourceFile:
    status = path.stat()
    return SourceFile(
        path=str(path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        fingerprint=fingerprint,
    )


def _watch_file(world: World, path: Path, fingerprint: str, from_ns: int = 0) -> StreamStarted:
    started = world.store.begin_epoch(
        "film",
        wall_ns=WALL_NS,
        zone="Europe/Berlin",
        origin="creation",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=False,
        source="film.mp4",
        file=_file(path, fingerprint),
        file_start_ns=from_ns,
    )
    world.push(started)
    return started


def test_a_file_that_is_watched_twice_and_one_that_changed(tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    film = tmp_path / "film.mp4"
    film.write_bytes(b"one")
    first = _watch_file(world, film, "one")
    world.say(2, "the first film", stream=first.stream)
    world.clip(0, stream=first.stream)
    world.end(10, stream=first.stream)
    assert world.store.resume_point("film", "one").state == "complete"
    assert world.ask("the first film").hits[0].playable
    film.write_bytes(b"another")
    assert world.store.resume_point("film", "two").state == "none"
    assert not world.ask("the first film").hits[0].playable  # it is another film now
    second = _watch_file(world, film, "two")
    assert second.at_ns >= 10 * S
    world.say(second.at_ns / S + 2, "the second film", stream=second.stream)
    world.clip(second.at_ns / S, stream=second.stream)
    world.end(second.at_ns / S + 10, stream=second.stream)
    assert [hit.text for hit in world.ask("the second film").hits[:1]] == ["the second film"]
    sound(world)
    world.close()


def test_a_clip_with_nothing_in_it(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    for index, (start_ns, end_ns) in enumerate(((0, S), (S, S + 1), (S + 1, 20 * S))):
        world.push(
            Clip(
                id=f"c1-{index}",
                stream=1,
                start_ns=start_ns,
                end_ns=end_ns,
                num_frames=0,
                changed=index == 1,
                motion=0.0,
                moving=(),
                descriptor=None,
                descriptor_model="",
                pictures=(),
            )
        )
    for sense in ("seeing", "hearing"):
        world.push(Watermark(stream=1, sense=sense, at_ns=20 * S))  # type: ignore[arg-type]
    found = world.ask("what happened?")
    assert found.within == ()
    assert (found.watched[0].start_ns, found.watched[-1].end_ns) == (0, 20 * S)
    sound(world)
    world.close()


def crowd(world: World, count: int) -> None:
    """So many utterances within one minute, then the end of the clips that hold them."""
    for index in range(count):
        at_ns = index * 60 * S // count
        world.push(
            Utterance(
                id=f"u1-x{index}",
                stream=1,
                start_ns=at_ns,
                end_ns=at_ns + S,
                text=f"voice number {index}",
                voice="ambient",
            )
        )
    for start_s in range(0, 60, 10):
        world.clip(start_s)


@pytest.mark.parametrize(
    "count", [3_000, pytest.param(100_000, marks=(pytest.mark.slow, pytest.mark.timeout(900)))]
)
def test_very_many_utterances_in_one_minute(tmp_path: Path, count: int) -> None:
    world = World(tmp_path, live=True)
    crowd(world, count)
    assert world.store.stats().moments["speech"] == count
    assert world.ask(f"voice number {count - 7}").hits[0].text == f"voice number {count - 7}"
    every = world.ask("what was said in the last minute?")
    assert len(every.within) <= 200
    assert every.within_total >= count
    sound(world)
    world.close()


HOSTILE = (
    "\x00\x01\x02 nul and bell \x07 alpha",
    "'); DROP TABLE moment; -- beta",
    'moment MATCH "x" OR NEAR(a b, 2) gamma*',
    "\U0001f469\u200d\U0001f680\U0001f525 \u202e\u2066 delta \u2069",
    "e\u0301psilon \ufeff\u200b zalgo\u0337\u0353",
    "zeta " + "\u0e01" * 5_000,
    "\\u0000 \\x00 %s {} $HOME `ls` eta",
)
WORDS = ("alpha", "beta", "gamma", "delta", "épsilon", "zeta", "eta")


def test_text_with_control_characters_emoji_and_sql(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    for index, text in enumerate(HOSTILE):
        world.say(index + 0.5, text)
        world.show(index + 0.6, text)
    world.clip(0)
    for word, text in zip(WORDS, HOSTILE, strict=True):
        hits = world.ask(word).hits
        assert {hit.text for hit in hits} == {text}, word
        assert {hit.kind for hit in hits} == {"speech", "screen"}
    assert world.store.stats().moments["speech"] == len(HOSTILE)
    sound(world)
    world.close()
    with Store.open(tmp_path, write=True) as store:
        assert store.verify().findings == ()


FTS = (
    '"',
    '""""',
    "alpha AND",
    "NOT alpha",
    "NEAR(alpha beta, 5)",
    "terms:alpha",
    "{terms other}: alpha",
    "^alpha + beta",
    "alpha*",
    "(alpha",
    "alpha) OR (1=1",
    "-alpha",
    "moment_terms MATCH 'x'",
    "; DELETE FROM moment; --",
    "\x00",
    "?" * 500,
    "OR " * 2_000,
)


@pytest.mark.parametrize("question", FTS)
def test_queries_in_the_syntax_of_the_index_are_words(tmp_path: Path, question: str) -> None:
    world = World(tmp_path, live=True)
    world.say(1, "alpha beta")
    world.clip(0)
    found = world.ask(question)
    assert {hit.text for hit in found.hits} <= {"alpha beta"}
    assert world.store.stats().moments["speech"] == 1
    world.close()


@pytest.mark.parametrize(
    "question",
    [
        "alpha " * 17_000,
        "x" * 100_000,
        " ".join(f"w{number}" for number in range(15_000)),
        "预算" * 34_000,
        "yesterday at 3 " * 7_000,
        "after " * 17_000,
        "之后" * 34_000,
        "between 3 and " * 7_500,
        "1:" * 50_000,
        "十" * 100_000,
        "((((" * 25_000,
    ],
)
def test_questions_of_a_hundred_kilobytes(tmp_path: Path, question: str) -> None:
    world = World(tmp_path, live=True)
    world.say(1, "alpha beta 预算")
    world.clip(0)
    found = world.ask(question)
    assert len(found.hits) <= 8
    assert len(found.content_words) <= 64
    world.close()
    with api.open_store(tmp_path) as memory:
        answer = memory.ask(question)
        assert len(answer.text) < 5_000


def test_clear_errors_for_what_cannot_be_asked(tmp_path: Path) -> None:
    world = World(tmp_path / "store", live=True)
    world.say(1, "alpha")
    world.clip(0)
    world.close()
    text = tmp_path / "not a picture.jpg"
    text.write_text("no picture")
    with api.open_store(tmp_path / "store") as memory:
        for question in ("", "   ", "\n"):
            with pytest.raises(UsageError, match="empty"):
                memory.ask(question)
        with pytest.raises(UsageError, match='no stream "cellar"'):
            memory.ask("alpha", stream="cellar")
        for path, sentence in (
            (text, "not a picture"),
            (tmp_path, "cannot be read"),
            (tmp_path / "missing.png", "There is no file"),
            ("", "empty"),
        ):
            with pytest.raises(OmniLiveError, match=sentence):
                memory.ask("when did it look like this?", picture=path)
