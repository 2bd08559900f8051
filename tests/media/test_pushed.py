"""Media that is pushed in: the same however it is cut, placed by its times, never lost unsaid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_reading import check_promises
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    StreamEnded,
    StreamGap,
    Tick,
)
from omnilive.media.contract import MediaEvent
from omnilive.media.pushed import HELD_SOUND_S
from pushed_support import (
    MS,
    PICTURE,
    SAMPLE_NS,
    HandClock,
    Heard,
    events_of,
    new,
    packet,
    read,
    sorted_out,
    sound,
)

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
