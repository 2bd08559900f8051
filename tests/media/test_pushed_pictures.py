"""Pushed pictures and packets, and how pushed media begin and end."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from media_reading import check_promises
from omnilive.errors import MediaError
from omnilive.events import (
    NS_PER_S,
    StreamEnded,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent
from omnilive.media.pushed import PushedReader
from pushed_support import (
    MS,
    PICTURE,
    SAMPLE_NS,
    HandClock,
    events_of,
    new,
    packet,
    read,
    sorted_out,
    sound,
)

# --- pictures ---------------------------------------------------------------------------


def test_pictures_alone() -> None:
    clock = HandClock()
    reader = new(has_audio=False, has_video=True, now_ns=clock)
    events = events_of(reader)
    seen = []
    for n in range(4):
        reader.push_frame(n * 500 * MS, PICTURE)
        seen.append(next(events))
        if n:
            # Before the picture, the tick that waited for it.
            seen.append(next(events))
        clock.advance(0.5)
    reader.end()
    seen += list(events)
    reading = sorted_out(reader, seen)
    check_promises(reading, 0)
    assert reading.frame_times_s == [0.0, 0.5, 1.0, 1.5]
    assert [tick.at_ns for tick in reading.ticks] == [n * 250 * MS for n in range(1, 7)]
    assert reading.ended.at_ns == 1_500 * MS


def test_pictures_nobody_reads_give_way_to_newer_ones() -> None:
    reader = new(has_audio=False, has_video=True)
    for n in range(100):
        reader.push_frame(n * 40 * MS, np.full((4, 6, 3), n, np.uint8))
    reader.end()
    reading = read(reader)
    assert [int(frame.pixels[0, 0, 0]) for frame in reading.frames] == [96, 97, 98, 99]
    assert reader.counts.overflowed_pictures == 96
    assert reader.counts.pictures == 4


def test_a_camera_that_pauses_is_a_gap() -> None:
    reader = new(has_audio=False, has_video=True)
    reader.push_frame(0, PICTURE)
    reader.push_frame(7 * NS_PER_S, PICTURE)
    reader.end()
    (gap,) = read(reader).gaps
    assert (gap.sense, gap.start_ns, gap.end_ns) == ("video", 0, 7 * NS_PER_S)
    assert gap.reason == "No pictures came."


def test_sound_does_not_wait_for_pictures_and_a_late_picture_is_still_shown() -> None:
    reader = new(has_video=True)
    events = events_of(reader)
    reader.push_audio(0, sound(1))
    seen = [next(events) for _ in range(7)]
    kinds = [type(event).__name__ for event in seen]
    assert kinds.count("AudioChunk") == 5
    ticks = [event.at_ns for event in seen if isinstance(event, Tick)]
    assert ticks == [250 * MS, 500 * MS]  # 300 ms behind the sound
    reader.push_frame(100 * MS, PICTURE)
    late = next(events)
    while isinstance(late, Tick):
        late = next(events)
    assert isinstance(late, VideoFrame)
    assert late.at_ns == max(ticks)
    reader.push_frame(90 * MS, PICTURE)
    reader.end()
    check_promises(sorted_out(reader, [*seen, late, *events]), 0)
    assert reader.counts.late_pictures == 1


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.float32), np.zeros((0, 6, 3), np.uint8), 3],
)
def test_what_is_no_picture_is_refused(wrong: Any) -> None:
    reader = new(has_video=True)
    reader.push_frame(0, wrong)
    assert reader.counts.refused == 1


def test_what_is_not_expected_is_refused() -> None:
    reader = new(has_audio=False, has_video=True)
    reader.push_audio(0, sound(1))
    other = new()
    other.push_frame(0, PICTURE)
    assert (reader.counts.refused, other.counts.refused) == (1, 1)


def test_a_microphone_that_never_comes_does_not_hold_back_the_pictures() -> None:
    clock = HandClock()
    reader = new(has_video=True, now_ns=clock)
    for n in range(4):
        reader.push_frame(n * NS_PER_S, PICTURE)
        clock.advance(1)
    reader.end()
    reading = read(reader)
    assert reading.frame_times_s == [0.0, 1.0, 2.0, 3.0]
    (gap,) = reading.gaps
    assert (gap.sense, gap.end_ns, gap.reason) == ("audio", 3 * NS_PER_S, "No sound came.")


# --- packets ----------------------------------------------------------------------------


def test_packets_are_given_out_with_the_number_of_the_stream_and_follow_a_jump() -> None:
    reader = new(record=True)
    reader.push_audio(0, sound(1))
    reader.push_packet(packet(0))
    reader.push_audio(10**15, sound(1, 16_001))
    reader.push_packet(packet(10**15 + 200 * MS))
    reader.push_packet(packet(-(10**17)))
    reader.end()
    reading = read(reader)
    assert [entry.at_ns for entry in reading.packets] == [0, 1_200 * MS]
    assert reader.counts.refused == 1


def test_packets_nobody_reads_are_bounded_and_what_is_kept_can_be_decoded() -> None:
    reader = new(record=True)
    for n in range(80):
        reader.push_packet(packet(n * 200 * MS, is_key=n % 5 == 0, size=1 << 20))
        reader.push_packet(packet(n * 200 * MS, track=1))
    reader.end()
    reading = read(reader)
    pictures = [entry for entry in reading.packets if entry.track == 0]
    assert pictures[0].is_key
    assert 25 <= len(pictures) <= 32
    assert reader.counts.overflowed_packets + len(reading.packets) == 160


def test_packets_are_only_taken_for_a_recording() -> None:
    reader = new()
    reader.push_packet(packet(0))
    reader.push_audio(0, sound(0.1))
    reader.end()
    assert not read(reader).packets


# --- beginning and end ------------------------------------------------------------------


def test_nothing_is_given_out_before_something_comes() -> None:
    clock = HandClock()
    reader = new(now_ns=clock)
    clock.advance(100)
    reader.end("The client never sent anything.")
    assert list(events_of(reader)) == [
        StreamEnded(stream=7, at_ns=0, error="The client never sent anything.")
    ]


def test_what_comes_after_the_end_is_dropped() -> None:
    reader = new(has_video=True, record=True)
    reader.push_audio(0, sound(1))
    reader.end()
    reader.end("a second reason")
    reader.push_audio(NS_PER_S, sound(1))
    reader.push_frame(0, PICTURE)
    reader.push_packet(packet(0))
    reading = read(reader)
    assert reading.ended == StreamEnded(stream=7, at_ns=NS_PER_S)
    assert len(reading.frames) == len(reading.packets) == 0


def test_it_is_read_once() -> None:
    reader = new()
    reader.end()
    list(events_of(reader))
    with pytest.raises(MediaError, match="connect again"):
        next(events_of(reader))


def test_closing_ends_an_iterator_that_waits() -> None:
    reader = PushedReader(has_video=False, has_audio=True, record=False, name="the test")
    seen: list[MediaEvent] = []
    thread = threading.Thread(target=lambda: seen.extend(events_of(reader)))
    thread.start()
    reader.close()
    reader.close()
    thread.join(30)
    assert not thread.is_alive()
    assert seen == [StreamEnded(stream=7, at_ns=0, error="Watching was stopped.")]


def test_an_iterator_that_is_dropped_lets_go() -> None:
    reader = new()
    events = events_of(reader)
    reader.push_audio(0, sound(1))
    next(events)
    events.close()  # type: ignore[attr-defined]
    reader.push_audio(NS_PER_S, sound(40))
    assert reader.held_ns <= NS_PER_S


def test_times_are_moved_to_where_the_stream_stands() -> None:
    reader = new(has_video=True)
    reader.push_audio(0, sound(0.5))
    reader.push_frame(0, PICTURE)
    reader.end()
    events = list(reader.events(stream=3, at_ns=60 * NS_PER_S, wall_ns=0))
    assert all(event.stream == 3 for event in events)
    times = [event.at_ns for event in events if not isinstance(event, StreamGap)]
    assert min(times) == 60 * NS_PER_S
    assert max(times) == 60_500 * MS


def test_three_threads_push_while_one_reads() -> None:
    reader = PushedReader(has_video=True, has_audio=True, record=True, name="the test")
    whole = sound(20)
    together = threading.Barrier(3)

    def push_sound() -> None:
        together.wait(30)
        for n in range(0, whole.size, 320):
            reader.push_audio(n * SAMPLE_NS, whole[n : n + 320])

    def push_pictures() -> None:
        together.wait(30)
        for n in range(100):
            reader.push_frame(n * 200 * MS, PICTURE)

    def push_packets() -> None:
        together.wait(30)
        for n in range(100):
            reader.push_packet(packet(n * 200 * MS, is_key=n % 5 == 0))

    threads = [threading.Thread(target=f) for f in (push_sound, push_pictures, push_packets)]

    def end() -> None:
        for thread in threads:
            thread.join(30)
        reader.end()

    for thread in (*threads, threading.Thread(target=end)):
        thread.start()
    reading = read(reader)
    np.testing.assert_array_equal(reading.samples, whole)
    counts = reader.counts
    assert counts.pictures + counts.overflowed_pictures + counts.late_pictures == 100
    assert len(reading.packets) + counts.refused == 100
