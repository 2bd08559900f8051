from __future__ import annotations

import itertools

import numpy as np
import pytest

from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Clip,
    SceneText,
    SoundEvent,
    StreamEnded,
    StreamStarted,
    Tick,
    Utterance,
    VideoFrame,
    Watermark,
)
from omnilive.media.synthetic import (
    Said,
    Sound,
    Text,
    Thing,
    World,
    events,
    perceived_events,
    still_with_clock,
    talk,
)
from omnilive.media.synthetic.mixing import Mixer

SIZE = (160, 90)
AT_NS = 5_000_000_000
WALL_NS = 1_800_000_000 * NS_PER_S


def of(found: list, kind: type) -> list:
    return [event for event in found if type(event) is kind]


@pytest.fixture(scope="module")
def streamed() -> list:
    return list(
        events(
            World(4, 61.5), 3, AT_NS, WALL_NS, frame_interval_ns=NS_PER_S // 2, size=SIZE, name="x"
        )
    )


def test_a_stream_starts_and_ends(streamed: list):
    started, ended = streamed[0], streamed[-1]
    assert isinstance(started, StreamStarted)
    assert (started.stream, started.name, started.at_ns) == (3, "x", AT_NS)
    assert started.wall_ns == WALL_NS
    assert started.has_audio
    assert ended == StreamEnded(stream=3, at_ns=AT_NS + 61_500_000_000)


def test_sound_is_whole_and_placed_by_its_index(streamed: list):
    chunks = of(streamed, AudioChunk)
    done = 0
    for chunk in chunks:
        assert chunk.at_ns == AT_NS + done * NS_PER_S // SAMPLE_RATE
        assert chunk.samples.dtype == np.float32
        done += chunk.samples.size
    whole = np.concatenate(list(Mixer(World(4, 61.5), SAMPLE_RATE).blocks()))
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), whole)


def test_frames_come_at_the_interval(streamed: list):
    frames = of(streamed, VideoFrame)
    assert [frame.at_ns for frame in frames] == [AT_NS + k * NS_PER_S // 2 for k in range(123)]
    assert {frame.pixels.shape for frame in frames} == {(90, 160, 3)}


def test_a_tick_promises_that_all_before_it_came(streamed: list):
    ticks = of(streamed, Tick)
    steps = [later.at_ns - earlier.at_ns for earlier, later in itertools.pairwise(ticks)]
    assert max(steps) <= NS_PER_S
    assert ticks[-1].at_ns == AT_NS + 61_500_000_000
    latest = 0
    for event in streamed:
        if isinstance(event, Tick):
            assert event.wall_ns - WALL_NS == event.at_ns - AT_NS
            latest = event.at_ns
        elif isinstance(event, VideoFrame | AudioChunk):
            assert event.at_ns >= latest


@pytest.mark.parametrize(
    "world", [World(4, 8), World(5, 300), talk(1, 150), still_with_clock(2, 90)]
)
def test_perceived_clips_tile_the_stream_and_watermarks_hold(world: World):
    found = list(perceived_events(world, stream=2, at_ns=AT_NS, wall_ns=WALL_NS))
    clips = of(found, Clip)
    assert clips[0].start_ns == AT_NS
    assert clips[-1].end_ns == AT_NS + world.duration_ns
    for before, after in itertools.pairwise(clips):
        assert before.end_ns == after.start_ns
    assert all(clip.end_ns - clip.start_ns <= 16 * NS_PER_S for clip in clips)
    assert all(clip.end_ns - clip.start_ns >= 2 * NS_PER_S for clip in clips)
    marks = {"hearing": 0, "seeing": 0}
    for event in found:
        match event:
            case Watermark(sense=sense, at_ns=at_ns):
                assert at_ns >= marks[sense]
                marks[sense] = at_ns
            case Utterance(start_ns=start_ns) | SoundEvent(start_ns=start_ns):
                assert start_ns >= marks["hearing"]
            case Clip(start_ns=start_ns) | SceneText(at_ns=start_ns):
                assert start_ns >= marks["seeing"]
    assert marks["seeing"] == AT_NS + world.duration_ns
    assert marks["hearing"] == (AT_NS + world.duration_ns if world.has_sound else 0)


def test_perfect_senses_miss_nothing():
    world = World(5, 300)
    found = list(perceived_events(world, stream=2, at_ns=AT_NS))
    log = list(world.log)
    said = [one for one in log if isinstance(one, Said)]
    assert [event.text for event in of(found, Utterance)] == [one.text for one in said]
    assert [event.start_ns - AT_NS for event in of(found, Utterance)] == [
        one.start_ns for one in said
    ]
    loud = [event for event in of(found, SoundEvent) if event.label == "loud sound"]
    assert len(loud) == sum(isinstance(one, Sound) for one in log)
    texts = [one for one in log if isinstance(one, Text)]
    read = of(found, SceneText)
    assert [tuple(line.text for line in event.lines) for event in read] == [
        one.all_lines for one in texts
    ]
    for event, text in zip(read, texts, strict=True):
        assert 0 <= event.at_ns - AT_NS - text.start_ns < NS_PER_S
    moving = sum(
        one.moving[1] - one.moving[0] for one in log if isinstance(one, Thing) and one.moving
    )
    perceived = sum(b - a for clip in of(found, Clip) for a, b in clip.moving)
    assert perceived == pytest.approx(moving, rel=0.2)


def test_ids_say_where_a_moment_stands_and_are_unique():
    found = list(perceived_events(World(5, 300), stream=2, at_ns=AT_NS))
    moments = [one for one in found if isinstance(one, Utterance | SoundEvent | SceneText | Clip)]
    ids = [one.id for one in moments]
    assert len(set(ids)) == len(ids)
    for clip in of(found, Clip):
        assert clip.id == f"c2-{clip.start_ns // 1_000_000}"


def test_clips_of_a_scene_look_alike_and_others_do_not():
    clips = of(list(perceived_events(World(5, 300))), Clip)
    vectors = np.stack([clip.descriptor for clip in clips])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    likeness = vectors @ vectors.T
    for index in range(1, len(clips)):
        if not clips[index].changed:
            assert likeness[index, index - 1] > 0.9
    assert np.median(likeness) < 0.3


def test_pictures_come_when_asked_for():
    clips = of(list(perceived_events(World(5, 20), picture_size=SIZE)), Clip)
    assert all(clip.pictures[0].pixels.shape == (90, 160, 3) for clip in clips)
    assert all(clip.pictures[0].at_ns == clip.start_ns for clip in clips)


def test_events_are_in_the_order_in_which_they_would_be_known():
    found = list(perceived_events(World(5, 300)))
    known = [
        event.end_ns if hasattr(event, "end_ns") else event.at_ns
        for event in found
        if not isinstance(event, StreamStarted | Watermark)
    ]
    assert known == sorted(known)


def test_a_day_is_perceived_lazily():
    world = World(3, 86400)
    early = list(itertools.islice(perceived_events(world), 200))
    assert len(early) == 200
    assert world._planned.cache_info().misses < 10
