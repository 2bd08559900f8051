"""The daily world as a stream: its plan, its log, its sound, its files."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from omnilive.errors import ConfigError, MediaError, UsageError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Samples,
    StreamEnded,
    StreamStarted,
    VideoFrame,
)
from omnilive.media.synthetic.daily.catalogue import SPLITS, Split, split_of
from omnilive.media.synthetic.daily.mixing import DailyMixer
from omnilive.media.synthetic.daily.painting import paint
from omnilive.media.synthetic.daily.records import Action, DailyScene, Group, Noise
from omnilive.media.synthetic.daily.rendering import render_daily
from omnilive.media.synthetic.daily.streaming import daily_events
from omnilive.media.synthetic.daily.talking import sound_of
from omnilive.media.synthetic.daily.voices import voices_of
from omnilive.media.synthetic.daily.world import QUESTION_KINDS, DailyConfig, DailyWorld
from omnilive.media.synthetic.records import Said

QUIET = DailyConfig(talk=False)


def test_equal_arguments_give_equal_worlds() -> None:
    first, again = (list(DailyWorld(4, 120).log) for _ in range(2))
    assert first == again
    assert first != list(DailyWorld(5, 120).log)
    assert first != list(DailyWorld(4, 120, "test").log)


@pytest.mark.parametrize("split", SPLITS)
def test_a_world_keeps_to_its_split(split: Split) -> None:
    voices = {voice.name for voice in voices_of(split)}
    spoke = set()
    for record in DailyWorld(1, 300, split).log:
        if isinstance(record, Group):
            assert split_of(record.kind, record.colour, record.texture) == split
        elif isinstance(record, Said):
            spoke.add(record.voice)
    assert spoke
    assert spoke <= voices


@pytest.mark.parametrize("duration_s", [8, 60, 95.5, 600])
def test_scenes_fill_the_world_without_gaps(duration_s: float) -> None:
    world = DailyWorld(2, duration_s, config=QUIET)
    scenes = list(world.scenes)
    assert scenes[0].start_ns == 0
    assert scenes[-1].end_ns == world.duration_ns == round(duration_s * NS_PER_S)
    assert all(one.end_ns == other.start_ns for one, other in itertools.pairwise(scenes))
    for scene in scenes:
        assert world.scene_at(scene.start_ns) == scene
        assert world.scene_at(scene.end_ns - 1) == scene
    assert world.scene_at(world.duration_ns + 5) == scenes[-1]


def test_the_log_is_exact() -> None:
    world = DailyWorld(3, 240)
    log = list(world.log)
    assert [one.start_ns for one in log] == sorted(one.start_ns for one in log)
    kinds = {type(one) for one in log}
    assert {DailyScene, Group, Action, Noise, Said} <= kinds
    for record in log:
        assert 0 <= record.start_ns < record.end_ns <= world.duration_ns
        if isinstance(record, Said):
            assert all(record.start_ns <= word.start_ns <= record.end_ns for word in record.words)
            scene = world.scene_at(record.start_ns)
            assert record in scene.said
            assert record.end_ns <= scene.end_ns


def test_talk_is_to_each_other_and_to_the_system() -> None:
    def told(share: float) -> tuple[list[Said], list[Said], list[Said]]:
        world = DailyWorld(3, 300, config=DailyConfig(requests=share))
        stretches = [world.stretch(index) for index in range(world.num_stretches)]
        return (
            [said for one in stretches for scene in one.scenes for said in scene.said],
            [fact.said for one in stretches for fact in one.facts],
            [said for one in stretches for said in one.requests],
        )

    said, to_each_other, to_us = told(0.5)
    assert to_each_other
    assert to_us
    assert sorted(map(repr, said)) == sorted(map(repr, [*to_each_other, *to_us]))
    assert told(0.0)[2] == []
    assert told(1.0)[1] == []
    assert not any(scene.said for scene in DailyWorld(3, 60, config=QUIET).scenes)


def test_questions_are_about_what_has_been() -> None:
    world = DailyWorld(6, 300)
    for asked_ns in (world.duration_ns, 200 * NS_PER_S):
        questions = world.questions(60, asked_ns=asked_ns)
        assert questions == world.questions(60, asked_ns=asked_ns)
        assert {question.kind for question in questions} == set(QUESTION_KINDS)
        assert len({question.text for question in questions}) == len(questions) > 40
        for question in questions:
            assert question.asked_ns == asked_ns
            assert question.answer
            assert all(span.end_ns <= asked_ns for span in question.evidence)
    assert world.questions(12, seed=1) != world.questions(12, seed=2)
    assert {one.kind for one in world.questions(5, ("said",))} == {"said"}


def test_a_question_in_the_middle_of_a_scene_knows_nothing_that_comes_later() -> None:
    world = DailyWorld(6, 120)
    for scene in world.scenes:
        at_ns = scene.start_ns + NS_PER_S
        newest = world.asking(at_ns).scenes[-1]
        assert newest.start_ns == scene.start_ns
        assert newest.end_ns == at_ns
        assert all(group.start_ns < at_ns for group in newest.groups)
        for record in (*newest.noises, *newest.said):
            assert record.end_ns <= at_ns
    with pytest.raises(UsageError, match="ask later"):
        world.questions(1, asked_ns=0)


def test_a_day_costs_no_more_memory_than_a_minute() -> None:
    def alive() -> int:
        return sum(type(one) is DailyScene for one in gc.get_objects())

    world = DailyWorld(7, 24 * 3600, config=QUIET)
    most = num_scenes = 0
    before = alive()  # what tests before this one left
    for record in world.log:
        if isinstance(record, DailyScene):
            num_scenes += 1
            if num_scenes % 4000 == 0:
                most = max(most, alive() - before)
    assert num_scenes > 11_000
    # Four stretches of at most a dozen scenes.
    assert 0 < most < 200
    assert world.scene_at(86_000 * NS_PER_S).place


def test_bad_worlds_are_refused() -> None:
    with pytest.raises(UsageError, match="8 s"):
        DailyWorld(1, 5)
    with pytest.raises(UsageError, match="8 s"):
        DailyWorld(1, float("nan"))
    with pytest.raises(UsageError, match="split"):
        DailyWorld(1, 60, "exam")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="requests"):
        DailyConfig(requests=1.5)
    with pytest.raises(ConfigError, match="noise_db"):
        DailyConfig(noise_db=(30, 10))


def test_the_sound_is_where_the_log_says() -> None:
    world = DailyWorld(3, 120, config=DailyConfig(noise_db=(40, 40)))
    sound = np.concatenate(list(DailyMixer(world).blocks()))
    assert sound.size == 120 * SAMPLE_RATE
    assert np.abs(sound).max() <= 1.0
    heard = np.zeros(sound.size, bool)
    for record in world.log:
        if isinstance(record, Said | Noise):
            first, end = (at * SAMPLE_RATE // NS_PER_S for at in (record.start_ns, record.end_ns))
            heard[first : end + 1] = True
            assert _level(sound[first:end]) > 3 * _level(sound[~heard][-SAMPLE_RATE:])
        if isinstance(record, Said):
            assert end - first == pytest.approx(sound_of(record).samples.size, abs=2)
    assert _level(sound[~heard]) < 0.002


def test_a_block_is_the_same_however_it_was_reached() -> None:
    world = DailyWorld(8, 70)
    blocks = list(DailyMixer(world).blocks())
    mixer = DailyMixer(DailyWorld(8, 70))
    for second in (69, 3, 40):
        assert np.array_equal(mixer.block(second), blocks[second])


def test_rooms_are_as_loud_as_the_configuration_says() -> None:
    loud, quiet = (
        _level(DailyMixer(DailyWorld(8, 8, config=DailyConfig(False, noise_db=(db, db)))).block(0))
        for db in (10, 30)
    )
    assert loud / quiet == pytest.approx(10, rel=0.5)


def test_live_events_are_the_world() -> None:
    world = DailyWorld(9, 20)
    events = list(
        daily_events(world, stream=3, at_ns=500, side=96, frame_interval_ns=NS_PER_S // 2)
    )
    assert isinstance(events[0], StreamStarted)
    assert isinstance(events[-1], StreamEnded)
    assert [one.at_ns for one in events] == sorted(one.at_ns for one in events)
    frames = [one for one in events if isinstance(one, VideoFrame)]
    assert [one.at_ns - 500 for one in frames] == [n * NS_PER_S // 2 for n in range(40)]
    for frame in frames[::7]:
        at_ns = frame.at_ns - 500
        assert np.array_equal(frame.pixels, paint(world.scene_at(at_ns), at_ns, 96))
        assert not frame.pixels.flags.writeable
    chunks = [one for one in events if isinstance(one, AudioChunk)]
    heard = np.concatenate([one.samples for one in chunks])
    assert np.array_equal(heard, np.concatenate(list(DailyMixer(world).blocks())))
    at_samples = np.cumsum([0, *(one.samples.size for one in chunks)])[:-1]
    assert [one.at_ns - 500 for one in chunks] == [
        int(at) * NS_PER_S // SAMPLE_RATE for at in at_samples
    ]


@pytest.mark.parametrize("name", ["world.mp4", "world.mkv"])
def test_a_file_holds_the_world(tmp_path: Path, name: str) -> None:
    world, path = DailyWorld(10, 12), tmp_path / name
    done: list[float] = []
    render_daily(world, path, side=96, fps=5, progress=done.append)
    assert done == [float(second) for second in range(1, 13)]
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 60
    for number in (0, 17, 59):
        at_ns = number * NS_PER_S // 5
        painted = paint(world.scene_at(at_ns), at_ns, 96).astype(float)
        assert np.abs(pictures[number] - painted).mean() < 8
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    heard, mixed = np.concatenate(pieces), np.concatenate(list(DailyMixer(world).blocks()))
    assert heard.size == pytest.approx(mixed.size, abs=4096)
    assert np.corrcoef(_envelope(heard), _envelope(mixed))[0, 1] > 0.9


def test_what_cannot_be_rendered(tmp_path: Path) -> None:
    world = DailyWorld(10, 8)
    with pytest.raises(UsageError, match="mkv"):
        render_daily(world, tmp_path / "world.avi")
    with pytest.raises(UsageError, match="even size"):
        render_daily(world, tmp_path / "world.mp4", side=97)
    with pytest.raises(UsageError, match="frames a second"):
        render_daily(world, tmp_path / "world.mp4", fps=0)
    with pytest.raises(MediaError, match="Cannot write"):
        render_daily(world, tmp_path / "nowhere" / "world.mp4")


def _level(samples: Samples) -> float:
    return float(np.sqrt((samples.astype(np.float64) ** 2).mean()))


def _envelope(samples: Samples) -> Samples:
    """Return the level of each quarter of a second, of the first 11 s."""
    step = SAMPLE_RATE // 4
    parts: Samples = samples[: 44 * step].reshape(44, step)
    return np.sqrt((parts**2).mean(axis=1))
