from __future__ import annotations

import threading
from pathlib import Path

import pytest
from memory_support import WALL_NS, S, World

from omnilive.cancel import Cancel
from omnilive.errors import StoreError
from omnilive.events import (
    AnswerEnded,
    Caption,
    ClipMemory,
    Question,
    StreamStarted,
    Tick,
    UpTo,
    Watermark,
)
from omnilive.memory.stage import MemoryConfig


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    world = World(tmp_path / "store")
    yield world
    world.close()


def test_a_clip_waits_for_both_senses_and_takes_what_starts_inside_it(world: World) -> None:
    world.clip(0, heard=False)
    assert world.remembered == []
    said = world.say(9, "this sentence starts in the first clip")
    later = world.say(11, "and this one in the second")
    world.push(Watermark(stream=1, sense="hearing", at_ns=10 * S))
    (clip,) = world.remembered
    assert {moment.id for moment in clip.moments} == {said, "c1-0"}
    world.clip(10)
    assert later in {moment.id for moment in world.remembered[1].moments}


def test_a_clip_is_in_the_store_before_it_is_acknowledged(world: World) -> None:
    world.clip(0, heard=False)
    generator = world.memory.push(Watermark(stream=1, sense="hearing", at_ns=10 * S), Cancel())
    event = next(generator)
    assert isinstance(event, ClipMemory)
    assert world.store.stats().clips == 1
    assert world.store.database.generation == event.generation


def test_the_end_of_a_stream_commits_everything_even_without_watermarks(world: World) -> None:
    world.clip(0, heard=False)
    said = world.say(12, "spoken after the last picture")
    events = world.end(20)
    clips = [event for event in events if isinstance(event, ClipMemory)]
    assert [clip.id for clip in clips] == ["c1-0"]
    assert said in {moment.id for moment in clips[0].moments}


def test_speech_without_any_clip_is_kept(world: World) -> None:
    said = world.say(3, "nobody saw this")
    world.end(20)
    (clip,) = world.remembered
    assert [moment.id for moment in clip.moments] == [said]
    assert (clip.start_ns, clip.end_ns) == (0, 20 * S)


def test_a_late_utterance_joins_the_clip_it_starts_in(world: World) -> None:
    world.clip(0)
    world.clip(10)
    said = world.say(5, "the giraffe was late")
    assert world.store.get(said).clip == "c1-0"
    assert world.ask("who saw the giraffe?").hits[0].id == said


def test_what_comes_after_the_end_still_joins_its_clip(world: World) -> None:
    world.clip(0)
    world.end(10)
    said = world.say(4, "the walrus came too late")
    assert world.store.get(said).clip == "c1-0"


def test_a_sense_that_never_reports_does_not_hold_up_memory_for_ever(world: World) -> None:
    world.clip(0, heard=False)
    world.push(Tick(stream=1, at_ns=200 * S, wall_ns=WALL_NS + 200 * S))
    assert world.remembered == []
    world.push(Tick(stream=1, at_ns=400 * S, wall_ns=WALL_NS + 400 * S))
    assert [clip.id for clip in world.remembered] == ["c1-0"]


def test_clips_are_listed_with_their_pictures(world: World) -> None:
    world.clip(0)
    world.clip(10, changed=False)
    world.push(Caption(stream=1, clip="c1-0", text="A giraffe", model="m"))
    first, second = world.store.clips(None, 10)
    assert (first.id, first.text, first.picture[:2]) == ("c1-0", "A giraffe", b"\xff\xd8")
    assert (second.id, second.text, second.picture) == ("c1-10000", "nothing new was seen", b"")
    assert [clip.id for clip in world.store.clips(1, 1)] == ["c1-10000"]


def test_epochs_are_opened_by_other_threads_while_memory_commits(world: World) -> None:
    opened: list[int] = []

    def open_epochs() -> None:
        for index in range(10):
            started = world.store.begin_epoch(
                f"camera {index}",
                wall_ns=WALL_NS,
                zone="UTC",
                origin="live",
                voice="ambient",
                has_video=True,
                has_audio=False,
                live=True,
                source="x",
            )
            opened.append(started.stream)

    thread = threading.Thread(target=open_epochs)
    thread.start()
    for index in range(60):
        world.say(10 * index + 1, f"sentence {index}")
        world.clip(10 * index)
    thread.join()
    assert len(set(opened)) == 10
    assert len(world.remembered) == 60
    assert world.store.stats().moments["speech"] == 60


def test_quiet_neighbours_become_one_row(world: World) -> None:
    world.clip(0)
    for index in range(1, 6):
        world.clip(10 * index, changed=False)
    assert [clip.extended for clip in world.remembered] == [False, False, True, True, True, True]
    assert {clip.id for clip in world.remembered[1:]} == {"c1-10000"}
    assert world.remembered[-1].end_ns == 60 * S
    stats = world.store.stats()
    assert (stats.clips, stats.quiet_clips) == (2, 1)
    assert stats.streams[0].watched_ns == 60 * S


def test_a_quiet_row_is_not_longer_than_ten_minutes(world: World) -> None:
    for index in range(121):
        world.clip(10 * index, changed=False)
    lengths = [end - start for start, end in _spans(world)]
    assert lengths == [600 * S, 600 * S, 10 * S]


def test_a_word_ends_a_quiet_row(world: World) -> None:
    world.clip(0, changed=False)
    world.say(12, "hello")
    world.clip(10, changed=False)
    world.clip(20, changed=False)
    assert _spans(world) == [(0, 10 * S), (10 * S, 20 * S), (20 * S, 30 * S)]


def test_a_quiet_row_ends_at_local_midnight(tmp_path: Path) -> None:
    # 23:13:20 in Berlin: midnight is 2,800 s later.
    world = World(tmp_path)
    for index in range(275, 285):
        world.clip(10 * index, changed=False)
    assert (2750 * S, 2800 * S) in _spans(world)
    assert (2800 * S, 2850 * S) in _spans(world)
    assert world.store.stats().blocks == 3  # the closed day is in a block of level 2
    world.close()


def _spans(world: World) -> list[tuple[int, int]]:
    return world.store.database.rows(  # type: ignore[return-value]
        "SELECT start_ns, end_ns FROM node WHERE level = 0 ORDER BY start_ns"
    )


def test_motion_worth_it_is_remembered(world: World) -> None:
    world.clip(0, moving=((2 * S, 5 * S),))
    (clip,) = world.remembered
    (moved,) = [moment for moment in clip.moments if moment.kind == "motion"]
    assert (moved.id, moved.start_ns, moved.end_ns) == ("m1-2000", 2 * S, 5 * S)
    assert world.ask("when did something move?").hits[0].id == "m1-2000"


def test_a_changed_clip_keeps_its_picture(world: World) -> None:
    world.clip(0)
    moment = world.store.get("c1-0")
    assert moment.kind == "picture"
    assert moment.picture.startswith(b"\xff\xd8")
    assert world.ask("what is there now?", needs="present").latest_picture == moment.picture


def test_a_caption_is_found_before_and_after_the_commit(world: World) -> None:
    world.clip(0, heard=False)
    world.push(Caption(stream=1, clip="c1-0", text="A giraffe eats leaves", model="m"))
    assert world.ask("where is the giraffe?").hits[0].id == "c1-0"
    world.push(Watermark(stream=1, sense="hearing", at_ns=10 * S))
    assert world.ask("where is the giraffe?").hits[0].text == "A giraffe eats leaves"
    world.push(Caption(stream=1, clip="c1-0", text="A zebra drinks", model="m"))
    assert world.ask("where is the zebra?").hits[0].id == "c1-0"
    assert world.ask("where is the giraffe?").hits == ()
    world.push(Caption(stream=1, clip="c1-777", text="of nothing", model="m"))


def test_several_streams_are_kept_apart(world: World) -> None:
    other = world.start("door", live=True, wall_ns=WALL_NS)
    world.say(2, "apples in the talk")
    world.say(3, "apples at the door", stream=other.stream)
    world.clip(0)
    world.clip(0, stream=other.stream)
    assert {m.stream_name for m in world.ask("apples").hits} == {"talk", "door"}
    assert {m.stream_name for m in world.ask("apples", scope="door").hits} == {"door"}
    assert world.ask("apples", scope="nowhere").hits == ()


def test_passed_is_the_slower_sense(world: World) -> None:
    assert world.memory.passed_ns(1) == 0
    world.push(Watermark(stream=1, sense="seeing", at_ns=20 * S))
    world.push(Watermark(stream=1, sense="hearing", at_ns=7 * S))
    assert world.memory.passed_ns(1) == 7 * S
    assert world.memory.passed_ns(99) == 0


def test_a_full_disk_loses_nothing(world: World) -> None:
    world.clip(0)
    pages = world.store.database.value("PRAGMA page_count")
    world.store.database.run(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        _fill(world)
    waiting = world.remembered[-1].end_ns
    with pytest.raises(StoreError, match="full"):
        world.push(Tick(stream=1, at_ns=waiting, wall_ns=WALL_NS + waiting))
    acknowledged = len(world.remembered)
    assert world.store.stats().clips == acknowledged
    world.store.database.run("PRAGMA max_page_count = 1000000")
    world.push(Tick(stream=1, at_ns=waiting, wall_ns=WALL_NS + waiting))
    world.end(500)
    assert [clip.start_ns for clip in world.remembered] == [
        10 * index * S for index in range(len(world.remembered))
    ]
    assert len(world.remembered) > acknowledged


def test_a_full_disk_at_a_reconnection_loses_neither_epoch(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.clip(0)
    again = world.store.begin_epoch(
        "talk",
        wall_ns=WALL_NS + 500 * S,
        zone="Europe/Berlin",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=True,
        source="talk",
    )
    world.say(12, "the words before the gap " * 200)
    world.clip(10, heard=False)
    database = world.store.database
    database.run(f"PRAGMA max_page_count = {database.value('PRAGMA page_count')}")
    with pytest.raises(StoreError, match="full"):
        world.push(again)
    database.run("PRAGMA max_page_count = 1000000")
    world.say(502, "the words after the gap")
    world.clip(500)
    assert [clip.start_ns // S for clip in world.remembered] == [0, 10, 500]
    assert world.remembered[1].at == "2023-11-14T23:13:30.000+01:00"
    assert world.remembered[2].at == "2023-11-14T23:21:40.000+01:00"
    world.close()


def _fill(world: World) -> None:
    for index in range(1, 50):
        world.say(10 * index + 2, "a sentence that needs room " * 200)
        world.clip(10 * index)


def test_a_live_stream_keeps_an_anchor_every_ten_minutes(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    for second in range(0, 1900, 20):
        drifted = WALL_NS + second * S + second * S // 1000
        world.push(Tick(stream=1, at_ns=second * S, wall_ns=drifted))
    anchors = world.store.database.rows("SELECT at_ns FROM anchor ORDER BY at_ns")
    assert anchors == [(0,), (600 * S,), (1200 * S,), (1800 * S,)]
    world.clip(1800)
    assert world.remembered[-1].at == "2023-11-14T23:43:21.800+01:00"
    world.close()


def test_an_epoch_from_elsewhere_is_taken_as_it_comes(tmp_path: Path) -> None:
    world = World(tmp_path)
    foreign = StreamStarted(
        stream=7,
        name="journal",
        epoch=70,
        at_ns=5 * S,
        wall_ns=WALL_NS,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=False,
        live=True,
        source="x",
    )
    world.push(foreign)
    world.clip(5, stream=7)
    assert world.remembered[-1].stream_name == "journal"
    with pytest.raises(StoreError, match="another stream"):
        world.memory.push(
            StreamStarted(
                **{name: getattr(foreign, name) for name in foreign.__slots__} | {"name": "x"}
            ),
            Cancel(),
        ).__next__()
    world.close()


def test_turns_are_kept_with_what_they_cite(world: World) -> None:
    said = world.say(2, "the keys are on the table")
    world.clip(0)
    found = world.ask("where are the keys?")
    world.push(
        AnswerEnded(
            turn_id="q1",
            question="where are the keys?",
            text="On the table.",
            outcome="completed",
            known=True,
            citations=found.hits[:1],
        )
    )
    (turn,) = world.store.turns()
    assert (turn.answer, turn.citations) == ("On the table.", (said,))


def test_a_question_is_no_evidence_for_the_next_one(world: World) -> None:
    asked = world.say(2, "where did Anna put the keys", voice="user")
    first = world.ask("where did Anna put the keys?", stream=1, utterance=asked)
    assert first.hits == ()
    world.clip(0)
    assert world.ask("where did Anna put the keys?").hits == ()
    late = world.say(12, "where is the elephant", voice="user")
    world.clip(10)
    world.ask("where is the elephant?", stream=1, utterance=late)
    assert world.ask("where is the elephant?").matches == 0


def test_what_the_system_said_itself_is_no_evidence(world: World) -> None:
    world.say(2, "the keys are on the moon", voice="own")
    world.clip(0)
    found = world.ask("where are the keys?")
    assert (found.hits, found.matches) == ((), 0)


def test_a_live_question_sees_what_is_pending_up_to_its_bound(world: World) -> None:
    world.say(2, "the parrot sings")
    world.say(8, "the parrot sleeps")
    bounded = world.ask("what does the parrot do?", up_to=(UpTo(1, 5 * S),))
    assert [hit.text for hit in bounded.hits] == ["the parrot sings"]
    free = world.ask("what does the parrot do?")
    assert len(free.hits) == 2
    assert free.matches == 2


def test_questions_about_the_present_never_pay_for_the_past(world: World) -> None:
    world.say(2, "the parrot sings")
    world.clip(0)
    found = world.ask("what is there now, parrot?", needs="present")
    assert (found.hits, found.matches, found.content_words) == ((), 0, ())
    assert any(moment.kind == "speech" for moment in found.latest)


def test_every_question_gets_exactly_one_retrieval(world: World) -> None:
    for needs in ("past", "present", "both"):
        question = Question(turn_id=needs, text="anything?", needs=needs)  # type: ignore[arg-type]
        events = world.push(question)
        assert [type(event).__name__ for event in events] == ["Retrieval"]


def test_blocks_close_when_full_after_a_gap_and_get_a_digest(tmp_path: Path) -> None:
    world = World(tmp_path, config=MemoryConfig(fan_out=4))
    for index in range(6):
        world.say(10 * index + 2, f"sentence number {index} about bridges")
        world.clip(10 * index)
    world.clip(1000)
    rows = world.store.database.rows(
        "SELECT num_children, closed, digest, length(inputs) FROM node WHERE level = 1 "
        "ORDER BY start_ns"
    )
    assert [(row[0], row[1]) for row in rows] == [(4, 1), (2, 1), (1, 0)]
    assert rows[0][3] == 4 * 8
    assert "23:13:22 heard: sentence number 0 about bridges" in rows[0][2]
    assert rows[2][2] is None
    vectors = world.store.database.value(
        "SELECT count(*) FROM node_vector v JOIN model m ON m.id = v.model "
        "JOIN node n ON n.id = v.node WHERE n.level = 1 AND m.name LIKE 'wordllama%'"
    )
    assert vectors == 2
    world.close()


def test_the_same_operation_makes_higher_levels(tmp_path: Path) -> None:
    world = World(tmp_path, config=MemoryConfig(fan_out=2, levels=3))
    for index in range(8):
        world.say(10 * index + 2, f"sentence number {index} about bridges")
        world.clip(10 * index)
    rows = world.store.database.rows(
        "SELECT level, count(*), min(digest IS NOT NULL) FROM node WHERE level > 0 GROUP BY level"
    )
    assert rows == [(1, 4, 1), (2, 2, 1), (3, 1, 1)]
    world.close()


def test_an_open_block_goes_on_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.clip(0)
    world.end(10, error="x")
    world.close()
    world = World(tmp_path, live=True, wall_ns=WALL_NS + 20 * S)
    world.clip(20)
    assert world.store.stats().blocks == 1
    world.close()


def test_a_long_block_has_a_digest_of_bounded_length(tmp_path: Path) -> None:
    world = World(tmp_path)
    for index in range(32):
        text = "the rare quokka appeared" if index == 20 else "the same words again and again"
        world.say(10 * index + 2, text * (3 if index != 20 else 1))
        world.clip(10 * index)
    digest = world.store.database.value("SELECT digest FROM node WHERE level = 1 AND closed = 1")
    assert len(digest) <= 1200
    assert "quokka" in digest
    world.close()
