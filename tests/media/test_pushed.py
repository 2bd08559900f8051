"""Media that is pushed in: the same however it is cut, placed by its times, never lost unsaid."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_reading import Reading, check_promises
from omnilive.errors import MediaError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    MediaPacket,
    StreamEnded,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent
from omnilive.media.pushed import HELD_SOUND_S, PushedReader

SAMPLE_NS = NS_PER_S // SAMPLE_RATE
MS = 1_000_000
PICTURE = np.zeros((4, 6, 3), np.uint8)


class HandClock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.ns = 5 * NS_PER_S

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * NS_PER_S)


def new(**over: Any) -> PushedReader:
    options: dict[str, Any] = {
        "has_video": False,
        "has_audio": True,
        "record": False,
        "name": "the test",
        "now_ns": HandClock(),
    }
    return PushedReader(**(options | over))


def events_of(reader: PushedReader) -> Iterator[MediaEvent]:
    return reader.events(stream=7, at_ns=0, wall_ns=0)


def read(reader: PushedReader) -> Reading:
    """Read an ended reader to its end and check what every reading promises."""
    reading = sorted_out(reader, list(events_of(reader)))
    check_promises(reading, 0)
    return reading


def sorted_out(reader: PushedReader, events: list[MediaEvent]) -> Reading:
    reading = Reading(reader.info, events)
    for event in events:
        for kind, into in (
            (VideoFrame, reading.frames),
            (AudioChunk, reading.chunks),
            (MediaPacket, reading.packets),
            (StreamGap, reading.gaps),
            (Tick, reading.ticks),
        ):
            if isinstance(event, kind):
                into.append(event)  # type: ignore[arg-type]
    return reading


def sound(seconds: float, first: int = 1) -> np.ndarray:
    """Return samples that tell where they come from: number n is n / 2^24."""
    count = round(seconds * SAMPLE_RATE)
    return (np.arange(first, first + count) / 2**24).astype(np.float32)


@dataclass
class Heard:
    """What was heard, however it was cut: stretches of sound and the gaps between them."""

    runs: list[tuple[int, np.ndarray]]
    gaps: list[StreamGap]

    @classmethod
    def of(cls, reading: Reading) -> Heard:
        runs: list[tuple[int, list[np.ndarray]]] = []
        end_ns = -1
        for chunk in reading.chunks:
            if chunk.at_ns != end_ns:
                runs.append((chunk.at_ns, []))
            runs[-1][1].append(chunk.samples)
            end_ns = chunk.at_ns + chunk.samples.size * SAMPLE_NS
        return cls([(at, np.concatenate(parts)) for at, parts in runs], reading.gaps)

    def check_same(self, other: Heard) -> None:
        assert [at for at, _ in self.runs] == [at for at, _ in other.runs]
        for (_, mine), (_, theirs) in zip(self.runs, other.runs, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert self.gaps == other.gaps


# --- sound ------------------------------------------------------------------------------


def test_sound_is_given_out_as_it_came() -> None:
    reader = new()
    whole = sound(2)
    for n in range(100):
        reader.push_audio(n * 20 * MS, whole[n * 320 : (n + 1) * 320])
    reader.end()
    reading = read(reader)
    np.testing.assert_array_equal(reading.samples, whole)
    assert not reading.gaps
    assert [tick.at_ns for tick in reading.ticks] == [n * 250 * MS for n in range(1, 9)]
    assert reading.ended == StreamEnded(stream=7, at_ns=2 * NS_PER_S)
    assert reader.counts.samples == whole.size


# Where each stretch of sound begins, seen from the end of the one before, and how long it is.
stretches = st.lists(
    st.tuples(
        st.one_of(
            st.integers(-35_000, 150_000),  # overlaps and holes
            st.integers(-90, 90),  # times that are a little off
            st.sampled_from([-(10**9), 10**9, 10**13]),  # a clock that was set
        ),
        st.integers(1, 9_000),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=120)
@given(stretches, st.lists(st.integers(1, 4_000), min_size=1, max_size=30), st.data())
def test_it_does_not_matter_how_sound_is_cut(
    plan: list[tuple[int, int]], cuts: list[int], data: st.DataObject
) -> None:
    residue_ns = data.draw(st.integers(0, SAMPLE_NS - 1), "below a sample")
    whole, cut = new(), new()
    at, number, turn = 0, 1, 0
    for shift, size in plan:
        at += shift
        at_ns = at * SAMPLE_NS + residue_ns
        samples = sound(size / SAMPLE_RATE, number)
        whole.push_audio(at_ns, samples)
        done = 0
        while done < size:
            count = min(cuts[turn % len(cuts)], size - done)
            turn += 1
            cut.push_audio(at_ns + done * SAMPLE_NS, samples[done : done + count])
            done += count
        at += size
        number += size
    whole.end()
    cut.end()
    first, second = read(whole), read(cut)
    Heard.of(first).check_same(Heard.of(second))
    assert first.ended == second.ended
    counts = whole.counts
    assert counts == cut.counts
    # Nothing is lost unsaid: every sample that came was given out or is counted.
    pushed = sum(size for _, size in plan)
    assert pushed + counts.filled_samples == (
        counts.samples + counts.trimmed_samples + counts.overflowed_samples
    )
    # What was given out is in the order in which it was said, and nothing of it twice.
    told = first.samples[first.samples > 0]
    assert (np.diff(told) > 0).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 12)), min_size=1, max_size=40))
def test_it_does_not_matter_when_sound_is_read(plan: list[tuple[int, int]]) -> None:
    later, at_once = new(), new()
    reading_now: list[MediaEvent] = []
    events = events_of(at_once)
    position = held = 0
    for size, num_reads in plan:
        samples = sound(size / SAMPLE_RATE, position + 1)
        for reader in (later, at_once):
            reader.push_audio(position * SAMPLE_NS, samples)
        position += size
        for _ in range(num_reads):
            held = at_once.held_ns
            if held:
                reading_now.append(next(events))
    for reader in (later, at_once):
        reader.end()
    reading_now += list(events)
    now = sorted_out(at_once, reading_now)
    check_promises(now, 0)
    Heard.of(read(later)).check_same(Heard.of(now))
    np.testing.assert_array_equal(now.samples, sound(position / SAMPLE_RATE))


def test_holes_are_gaps_and_short_ones_are_silence() -> None:
    reader = new()
    reader.push_audio(0, sound(1))
    reader.push_audio(1_100 * MS, sound(1, 20_000))  # 100 ms are missing
    reader.push_audio(3_100 * MS, sound(1, 40_000))  # 1 s
    reader.end()
    reading = read(reader)
    assert reading.gaps == [
        StreamGap(
            stream=7, start_ns=2_100 * MS, end_ns=3_100 * MS, sense="audio", reason="No sound came."
        )
    ]
    first, second = Heard.of(reading).runs
    assert (first[0], second[0]) == (0, 3_100 * MS)
    np.testing.assert_array_equal(first[1][16_000:17_600], np.zeros(1_600))
    np.testing.assert_array_equal(first[1][17_600:], sound(1, 20_000))
    assert reader.counts.filled_samples == 1_600
    assert reader.counts.missing_samples == 16_000


def test_sound_that_starts_later_is_told() -> None:
    reader = new()
    reader.push_audio(700 * MS, sound(0.1))
    reader.end()
    (gap,) = read(reader).gaps
    assert (gap.start_ns, gap.end_ns, gap.reason) == (0, 700 * MS, "The sound starts later.")


def test_sound_that_comes_twice_is_trimmed() -> None:
    reader = new()
    reader.push_audio(0, sound(1))
    reader.push_audio(500 * MS, sound(1, 8_001))  # its first half was heard
    reader.push_audio(0, sound(1))  # all of it
    reader.end()
    reading = read(reader)
    np.testing.assert_array_equal(reading.samples, sound(1.5))
    assert not reading.gaps
    assert reader.counts.trimmed_samples == 8_000 + 16_000


def test_a_stalled_network_loses_nothing_for_two_seconds_and_then_says_what_it_lost() -> None:
    clock = HandClock()
    reader = new(now_ns=clock)
    events = events_of(reader)
    reader.push_audio(0, sound(1))
    seen = [next(events) for _ in range(9)]
    clock.advance(2.3)
    seen.append(next(events))  # a tick by the clock: what lies before 1.25 s is over for good
    assert seen[-1].at_ns == 1_250 * MS  # type: ignore[union-attr]
    reader.push_audio(NS_PER_S, sound(2.3, 16_001))
    reader.end()
    reading = sorted_out(reader, seen + list(events))
    check_promises(reading, 0)
    (gap,) = reading.gaps
    assert (gap.start_ns, gap.end_ns) == (NS_PER_S, 1_250 * MS)
    assert gap.reason == "Some sound came too late."
    np.testing.assert_array_equal(reading.samples[16_000:], sound(2.05, 20_001))
    assert reader.counts.trimmed_samples == 4_000


def test_a_dead_client_ticks_on_behind_real_time() -> None:
    clock = HandClock()
    reader = new(now_ns=clock)
    events = events_of(reader)
    reader.push_audio(0, sound(0.1))
    assert isinstance(next(events), AudioChunk)
    told = 0
    for _ in range(40):
        clock.advance(0.25)
        behind_ns = clock.ns - 5 * NS_PER_S + 100 * MS - 2 * NS_PER_S
        while told + 250 * MS <= behind_ns:
            tick = next(events)
            assert isinstance(tick, Tick)
            assert tick.at_ns == told + 250 * MS
            told = tick.at_ns
    assert told == 8_000 * MS  # two seconds behind the clock, to within a tick
    reader.end("It went away.")
    gap, ended = list(events)
    assert isinstance(gap, StreamGap)
    assert (gap.start_ns, gap.end_ns, gap.reason) == (100 * MS, told, "No sound came.")
    assert ended == StreamEnded(stream=7, at_ns=told, error="It went away.")


def test_sound_nobody_reads_is_bounded_and_what_is_lost_is_told() -> None:
    reader = new()
    whole = sound(HELD_SOUND_S + 10)
    for n in range(0, whole.size, 1_000):
        reader.push_audio(n * SAMPLE_NS, whole[n : n + 1_000])
    assert reader.held_ns == HELD_SOUND_S * NS_PER_S
    reader.end()
    reading = read(reader)
    np.testing.assert_array_equal(reading.samples, whole[10 * SAMPLE_RATE :])
    (gap,) = reading.gaps
    assert (gap.start_ns, gap.end_ns) == (0, 10 * NS_PER_S)
    assert gap.reason == "The machine was too busy to take the sound in time."
    assert reader.counts.overflowed_samples == 10 * SAMPLE_RATE
    assert reader.held_ns == 0


def test_many_holes_are_bounded_too() -> None:
    reader = new()
    for n in range(20_000):  # a sample every 200 ms
        reader.push_audio(n * 200 * MS, sound(1 / SAMPLE_RATE))
    assert len(reader._sound._queue) < 1_000
    reader.end()
    reading = read(reader)
    assert reader.counts.overflowed_samples + reader.counts.samples == 20_000
    assert reading.gaps[0].reason == "The machine was too busy to take the sound in time."


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e300, 1 << 70, -(1 << 70)])
def test_times_that_are_none_are_refused(wrong: float) -> None:
    reader = new(has_video=True, record=True)
    reader.push_audio(wrong, sound(1))  # type: ignore[arg-type]
    reader.push_frame(wrong, PICTURE)  # type: ignore[arg-type]
    reader.push_packet(packet(wrong))  # type: ignore[arg-type]
    assert reader.counts.refused == 3
    reader.push_audio(0, sound(1))
    reader.end()
    np.testing.assert_array_equal(read(reader).samples, sound(1))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 160), np.float32),
        np.zeros(160, np.int16),
        np.zeros(160, np.complex64),
        b"12",
        None,
    ],
)
def test_what_is_no_sound_is_refused(wrong: Any) -> None:
    reader = new()
    reader.push_audio(0, wrong)
    assert reader.counts.refused == 1


def test_samples_that_are_no_numbers_are_made_some() -> None:
    reader = new()
    reader.push_audio(0, np.array([math.nan, math.inf, -math.inf, 3.0, 0.25], np.float64))
    reader.end()
    np.testing.assert_array_equal(read(reader).samples, np.float32([0, 1, -1, 1, 0.25]))


@pytest.mark.parametrize("years", [-50, 50])
def test_a_clock_that_is_years_off_places_sound_where_the_stream_is(years: int) -> None:
    off_ns = years * 31_557_600 * NS_PER_S
    reader = new()
    reader.push_audio(off_ns, sound(1))  # from the first on
    reader.push_audio(off_ns + NS_PER_S, sound(1, 16_001))
    reader.end()
    reading = read(reader)
    np.testing.assert_array_equal(reading.samples, sound(2))
    assert reading.ended.at_ns == 2 * NS_PER_S
    assert reader.counts.jumps == 1


def test_one_wrong_time_does_not_move_what_follows() -> None:
    clock = HandClock()
    reader = new(now_ns=clock)
    for second in range(5):
        wrong = second == 2
        at_ns = -(10**17) if wrong else second * NS_PER_S
        clock.advance(1)
        reader.push_audio(at_ns, sound(1, 1 + second * SAMPLE_RATE))
    reader.end()
    reading = read(reader)
    assert reader.counts.jumps == 1
    np.testing.assert_array_equal(reading.samples, sound(5))
    assert reading.ended.at_ns == 5 * NS_PER_S


def test_a_track_that_runs_far_ahead_does_not_cost_the_other_one() -> None:
    reader = new(has_video=True)
    reader.push_frame(0, PICTURE)
    reader.push_frame(9 * NS_PER_S, PICTURE)
    reader.push_audio(0, sound(1))
    events = events_of(reader)
    seen = [next(events) for _ in range(4)]
    reader.push_audio(NS_PER_S, sound(8, 16_001))
    reader.end()
    reading = sorted_out(reader, [*seen, *events])
    check_promises(reading, 0)
    np.testing.assert_array_equal(reading.samples, sound(9))
    assert reading.frame_times_s == [0.0, 9.0]


def test_a_clock_that_is_set_goes_on_where_the_stream_is() -> None:
    clock = HandClock()
    reader = new(now_ns=clock)
    reader.push_audio(0, sound(1))
    clock.advance(3)
    reader.push_audio(10**15, sound(1, 16_001))
    reader.end()
    reading = read(reader)
    (gap,) = reading.gaps
    assert (gap.start_ns, gap.end_ns) == (NS_PER_S, 4 * NS_PER_S)
    assert gap.reason == "The times of the sound jumped, so the true gap is not known."
    assert reading.ended.at_ns == 5 * NS_PER_S


def test_pictures_follow_a_jump_of_the_sound() -> None:
    reader = new(has_video=True)
    reader.push_audio(0, sound(1))
    reader.push_frame(900 * MS, PICTURE)
    jump_ns = 10**15
    reader.push_audio(NS_PER_S + jump_ns, sound(1, 16_001))
    reader.push_frame(1_500 * MS + jump_ns, PICTURE)
    reader.end()
    reading = read(reader)
    assert reading.frame_times_s == [0.9, 1.5]
    assert reader.counts.jumps == 1


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


def packet(at_ns: int, *, is_key: bool = True, track: int = 0, size: int = 10) -> MediaPacket:
    return MediaPacket(
        stream=0,
        track=track,
        codec="h264" if track == 0 else "aac",
        kind="video" if track == 0 else "audio",
        at_ns=at_ns,
        decode_ns=at_ns,
        duration_ns=200 * MS,
        is_key=is_key,
        data=bytes(size),
        extradata=b"",
    )


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
