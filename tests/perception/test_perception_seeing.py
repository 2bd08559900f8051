from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import NS_PER_S, Clip, SceneText, StreamGap, Watermark
from omnilive.perception.reading_schedule import ReadingConfig
from omnilive.perception.stage import Seeing, SeeingConfig
from perception_support import (
    ListReader,
    clips_of,
    draw,
    ended,
    feed,
    frame,
    grain,
    line,
    started,
    tick,
    watermarks_of,
)

ROOM, STREET = draw(160, 90, ball=(0.5, 0.5)), draw(160, 90, background=(220, 210, 190))
RATE = 62_500


def numbered(pixels, number):
    """Write a page's number where `ListReader` looks for it."""
    pixels = pixels.copy()
    pixels[0, 0, 0] = number
    return pixels


def watch(pictures, reader=None, end_s=None, config=None):
    """Feed one picture a second."""
    events = [frame(i, pixels) for i, pixels in enumerate(pictures)]
    end_ns = round((len(pictures) if end_s is None else end_s) * NS_PER_S)
    seeing = Seeing(config or SeeingConfig(), reader)
    return feed(seeing, [started(video=True), *events, ended(end_ns)])


def seconds(clips):
    return [(clip.start_ns / NS_PER_S, clip.end_ns / NS_PER_S) for clip in clips]


# --- clips --------------------------------------------------------------------------------


def test_clips_are_cut_where_the_scene_changes_and_at_sixteen_seconds():
    events = watch([ROOM] * 20 + [STREET] * 10)
    clips = clips_of(events)
    assert seconds(clips) == [(0, 16), (16, 20), (20, 30)]
    assert [clip.changed for clip in clips] == [True, False, True]
    assert [clip.num_frames for clip in clips] == [16, 4, 10]
    assert clips[0].id == "c3-0"
    assert clips[2].id == "c3-20000"
    assert watermarks_of(events) == [16 * NS_PER_S, 20 * NS_PER_S, 30 * NS_PER_S]


def test_no_clip_is_cut_before_three_seconds():
    clips = clips_of(watch([ROOM, STREET] * 15))
    assert all(end - start >= 3 for start, end in seconds(clips))


def test_each_clip_is_followed_by_its_watermark():
    events = watch([ROOM] * 40)
    for i, event in enumerate(events):
        if isinstance(event, Clip):
            assert events[i + 1] == Watermark(stream=3, sense="seeing", at_ns=event.end_ns)


def test_the_pictures_of_a_quiet_clip_are_one_and_of_a_varied_one_three():
    (quiet,) = clips_of(watch([grain(ROOM, 3, seed=i) for i in range(10)]))
    assert [picture.at_ns for picture in quiet.pictures] == [0]
    varied = [draw(160, 90, texts=[(f"PAGE {i}", 0.1, 0.1 + 0.2 * i, 24)]) for i in range(3)]
    (clip,) = clips_of(watch([varied[min(i, 2)] for i in range(16)]))
    assert len(clip.pictures) == 3
    times = [picture.at_ns for picture in clip.pictures]
    assert times == sorted(times)
    assert clip.descriptor is not None
    assert clip.descriptor_model == "grid-v1"


def test_motion_is_remembered_with_its_spans():
    balls = [None] * 5 + [(0.2 + 0.05 * i, 0.5) for i in range(6)] + [None] * 4
    (clip,) = clips_of(watch([draw(320, 180, ball=ball) for ball in balls]))
    assert clip.moving == ((4 * NS_PER_S, 11 * NS_PER_S),)
    assert clip.changed
    assert 0 < clip.motion < 0.1


def test_a_stream_without_pictures_has_clips_from_ticks():
    seeing = Seeing(SeeingConfig(), None)
    events = [started(audio=True, at_ns=2 * NS_PER_S), *(tick(i) for i in range(3, 41))]
    found = feed(seeing, [*events, ended(40 * NS_PER_S)])
    clips = clips_of(found)
    assert seconds(clips) == [(2, 18), (18, 34), (34, 40)]
    assert all(clip.num_frames == 0 and clip.pictures == () for clip in clips)
    assert all(clip.descriptor is None and not clip.changed for clip in clips)
    assert watermarks_of(found)[-1] == 40 * NS_PER_S


def test_a_still_picture_without_length_is_kept():
    (clip,) = clips_of(watch([ROOM], end_s=0))
    assert len(clip.pictures) == 1
    assert clip.end_ns > clip.start_ns


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (4320, 7680, 3)])
def test_frames_of_odd_sizes(shape):
    events = watch([np.full(shape, 90, np.uint8)] * 4, ListReader())
    assert seconds(clips_of(events)) == [(0, 4)]


def test_a_size_that_changes_midway_is_no_change_of_the_scene():
    small, large = draw(320, 180, ball=(0.5, 0.5)), draw(640, 360, ball=(0.5, 0.5))
    assert len(clips_of(watch([small] * 6 + [large] * 6))) == 1


def test_frames_that_come_too_fast_are_not_all_looked_at():
    events = [frame(i / 30, ROOM) for i in range(120)]
    seeing = Seeing(SeeingConfig(), None)
    (clip,) = clips_of(feed(seeing, [started(video=True), *events, ended(4 * NS_PER_S)]))
    assert 4 <= clip.num_frames <= 21


def gap(start_s, end_s, sense):
    return StreamGap(
        stream=3,
        start_ns=round(start_s * NS_PER_S),
        end_ns=round(end_s * NS_PER_S),
        sense=sense,
        reason="lost",
    )


@pytest.mark.parametrize(
    ("sense", "audio", "expected"),
    [
        ("both", True, [(0, 5), (25, 30)]),
        ("video", False, [(0, 5), (25, 30)]),
        ("video", True, [(0, 5), (5, 21), (21, 30)]),
        ("audio", True, [(0, 16), (16, 30)]),
    ],
)
def test_gaps(sense, audio, expected):
    seeing = Seeing(SeeingConfig(), None)
    before = [frame(i, ROOM) for i in range(5)]
    after = [frame(i, ROOM) for i in range(25, 30)]
    events = [started(video=True, audio=audio), *before, gap(5, 25, sense), *after]
    found = feed(seeing, [*events, ended(30 * NS_PER_S)])
    assert seconds(clips_of(found)) == expected
    marks = watermarks_of(found)
    assert marks == sorted(marks)
    assert marks[-1] == 30 * NS_PER_S


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["room", "street", "wait", "tick", "gap"]), st.floats(0.03, 25)),
        max_size=25,
    )
)
def test_clips_tile_the_time(steps):
    events, at_s, holes = [started(video=True)], 0.0, 0
    for kind, length_s in steps:
        if kind in ("room", "street"):
            events.append(frame(at_s, ROOM if kind == "room" else STREET))
            at_s += length_s / 10
        elif kind == "tick":
            events.append(tick(at_s))
        elif kind == "gap":
            events.append(gap(at_s, at_s + length_s, "both"))
            at_s += length_s
            holes += 1
        else:
            at_s += length_s
    end_ns = round(at_s * NS_PER_S) + 1
    found = feed(Seeing(SeeingConfig(), None), [*events, ended(end_ns)])
    clips = clips_of(found)
    assert all(0 < clip.end_ns - clip.start_ns <= 16 * NS_PER_S for clip in clips)
    breaks = sum(a.end_ns != b.start_ns for a, b in zip(clips, clips[1:], strict=False))
    assert breaks <= holes
    assert all(a.end_ns <= b.start_ns for a, b in zip(clips, clips[1:], strict=False))
    assert clips[-1].end_ns == end_ns
    for clip in clips:
        spans = [time for span in clip.moving for time in span]
        assert spans == sorted(spans)
        assert all(clip.start_ns <= time <= clip.end_ns for time in spans)
        assert all(clip.start_ns <= p.at_ns < clip.end_ns for p in clip.pictures)


# --- text ---------------------------------------------------------------------------------

PAGES = {
    1: [line("Welcome to the meeting")],
    2: [line("Welcome to the meeting"), line("Agenda item one", top=0.5)],
    3: [line("Budget 2027"), line("Travel", top=0.5)],
}


def slide(number):
    texts = [(one.text, one.left, one.top, 10) for one in PAGES[number]]
    background = (235, 230, 220) if number == 3 else (20, 30, 60)
    return numbered(draw(320, 180, background=background, texts=texts), number)


def texts_of(events):
    return [
        (event.at_ns // NS_PER_S, [one.text for one in event.lines])
        for event in events
        if isinstance(event, SceneText)
    ]


def test_only_new_lines_are_reported_and_a_slide_that_comes_back_is():
    reader = ListReader(PAGES)
    shown = [1] * 10 + [2] * 10 + [3] * 10 + [1] * 10
    events = watch([grain(slide(page), 3, seed=i) for i, page in enumerate(shown)], None)
    assert texts_of(events) == []
    events = watch([slide(page) for page in shown], reader)
    found = texts_of(events)
    assert [texts for _, texts in found] == [
        ["Welcome to the meeting"],
        ["Agenda item one"],
        ["Budget 2027", "Travel"],
        ["Welcome to the meeting"],
    ]
    for (at_s, _), shown_s in zip(found, (0, 10, 20, 30), strict=True):
        assert shown_s <= at_s <= shown_s + 2
    assert reader.num_readings <= 8
    (first, *_) = [event for event in events if isinstance(event, SceneText)]
    assert first.id == "t3-0"


def test_text_comes_before_the_clip_it_was_seen_in():
    events = watch([slide(page) for page in [1] * 10 + [3] * 10], ListReader(PAGES))
    mark_ns = 0
    for event in events:
        if isinstance(event, Watermark):
            mark_ns = event.at_ns
        elif isinstance(event, SceneText):
            assert event.at_ns >= mark_ns
    assert all(clip.changed for clip in clips_of(events) if clip.start_ns in (0, 10 * NS_PER_S))


def test_what_appears_on_the_last_frame_is_read_at_the_end():
    events = watch([slide(1)] * 10 + [slide(2)], ListReader(PAGES))
    assert texts_of(events)[-1] == (10, ["Agenda item one"])


def test_reading_keeps_to_its_budget():
    generator = np.random.default_rng(0)
    reader = ListReader()
    pictures = [generator.integers(0, 255, (36, 64, 3), np.uint8) for _ in range(600)]
    config = SeeingConfig(reading=ReadingConfig(reading_share=0.1, reading_cost_s=0.5))
    watch(pictures, reader, config=config)
    assert 3 <= reader.num_readings <= 600 * 0.1 / 0.5 + 4


def test_reading_can_be_turned_off():
    reader = ListReader(PAGES)
    config = SeeingConfig(reading=ReadingConfig(enabled=False))
    assert texts_of(watch([slide(1)] * 5, reader, config=config)) == []
    assert reader.num_readings == 0


class BrokenReader(ListReader):
    def read(self, pixels, cancel):
        self.num_readings += 1
        raise BackendError("The reader is broken.")


def test_a_reader_that_fails_is_told_once_and_watching_goes_on():
    reader = BrokenReader()
    seeing = Seeing(SeeingConfig(), reader)
    feed(seeing, [started(video=True)])
    with pytest.raises(BackendError):
        list(seeing.push(frame(0, slide(1)), Cancel()))
    rest = [frame(i, slide(1 if i < 10 else 3)) for i in range(1, 20)]
    found = feed(seeing, [*rest, ended(20 * NS_PER_S)])
    assert seconds(clips_of(found)) == [(0, 10), (10, 20)]
    assert reader.num_readings == 1


# --- the contract: an hour of nothing but a clock -----------------------------------------


def test_an_hour_of_a_noisy_still_picture_with_a_clock():
    width, height = 320, 180
    scene = draw(width, height, texts=[("ROOM 4", 0.1, 0.2, 18)], ball=(0.6, 0.6))
    generator = np.random.default_rng(0)
    noises = generator.normal(0, 6, (6, height, width, 3)).astype(np.int16)
    box = (slice(5, 27), slice(220, 316))
    reader = ClockReader()
    seeing = Seeing(SeeingConfig(), reader)
    found = feed(seeing, [started(video=True)])
    for second in range(3600):
        clock = 8 * 3600 + 59 * 60 + 40 + second
        text = f"{clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}"
        pixels = scene.copy()
        pixels[box] = draw(96, 22, texts=[(text, 0.05, 0.05, 18)])
        shift = int(generator.integers(0, width))
        noisy = np.roll(noises[second % 6], shift, axis=1)
        noisy += pixels
        reader.clock = text
        found += feed(seeing, [frame(second, np.clip(noisy, 0, 255).astype(np.uint8))])
    found += feed(seeing, [ended(3600 * NS_PER_S)])
    clips = clips_of(found)
    assert len(clips) <= 226
    assert sum(clip.changed for clip in clips) <= 3
    assert 1 <= reader.num_readings <= 10
    assert [texts for _, texts in texts_of(found)] == [["ROOM 4", "08:59:40"]]


class ClockReader(ListReader):
    """Reads the sign and whatever the clock shows, with a letter wrong now and then."""

    clock = ""

    def read(self, pixels, cancel):
        self.num_readings += 1
        sign = "ROOM 4" if self.num_readings % 3 else "R00M 4"
        return (line(sign), line(self.clock, left=0.7, top=0.03))


def test_reading_can_be_turned_off_and_on_while_it_watches():
    pages = [numbered(draw(160, 90, texts=[(f"page {i}", 0.1, 0.3, 20)]), i) for i in range(4)]
    reader = ListReader({i: [line(f"page number {i}")] for i in range(4)})
    seeing = Seeing(SeeingConfig(), reader)
    feed(seeing, [started(video=True), *(frame(i, pages[1]) for i in range(8))])
    assert reader.num_readings > 0
    seeing.configure(SeeingConfig(reading=ReadingConfig(enabled=False)))
    before = reader.num_readings
    feed(seeing, [frame(8 + i, pages[2]) for i in range(8)])
    assert reader.num_readings == before
    seeing.configure(SeeingConfig())
    events = feed(seeing, [frame(16 + i, pages[3]) for i in range(8)])
    assert [e.lines[0].text for e in events if isinstance(e, SceneText)] == ["page number 3"]
    with pytest.raises(ValueError, match="reader"):
        Seeing(SeeingConfig(), None).configure(SeeingConfig())
