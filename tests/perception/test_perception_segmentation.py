from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.events import AudioChunk
from omnilive.perception.segmentation import Segment, Segmenter, VoiceEnded, VoiceStarted
from omnilive.perception.sound_blocks import SoundBlocks
from omnilive.perception.voice_activity import BLOCK_NS, BLOCK_SAMPLES, VoiceActivityConfig
from perception_support import SAMPLE_NS, chunks


def segment(probabilities, levels=None, **settings):
    segmenter = Segmenter(VoiceActivityConfig(**settings))
    marks = []
    for i, probability in enumerate(probabilities):
        level = levels[i] if levels is not None else 0.1
        marks += segmenter.push(i * BLOCK_NS, probability, level)
    return marks + segmenter.flush()


def test_start_and_end_are_dated_back_to_the_voice():
    marks = segment([0.0] * 10 + [0.9] * 20 + [0.0] * 30)
    assert marks[0] == VoiceStarted(start_ns=10 * BLOCK_NS)
    assert marks[1] == VoiceEnded(start_ns=10 * BLOCK_NS, end_ns=30 * BLOCK_NS)
    assert isinstance(marks[2], Segment)
    assert (marks[2].first_block, len(marks[2].voiced)) == (10, 20)


def test_a_short_pause_does_not_end_and_a_long_one_does():
    pause = [0.0] * 14  # 448 ms
    assert len(segment([0.9] * 10 + pause + [0.9] * 10)) == 3
    assert len(segment([0.9] * 10 + pause * 2 + [0.9] * 10)) == 6


def test_a_click_is_not_speech():
    assert segment([0.0] * 5 + [0.9] * 3 + [0.0] * 40) == []


def test_a_voice_that_wavers_goes_on():
    marks = segment([0.9] * 10 + [0.4] * 30 + [0.0] * 30)
    assert marks[1].end_ns == 40 * BLOCK_NS


def test_endless_talk_is_cut_where_it_is_least_voiced():
    probabilities = [1.0] * 200
    probabilities[85] = 0.55
    marks = segment(probabilities, max_speech_duration_s=3.2)
    pieces = [mark for mark in marks if isinstance(mark, Segment)]
    assert pieces[0].end_ns == 85 * BLOCK_NS
    assert pieces[1].start_ns == pieces[0].end_ns
    assert all(len(piece.voiced) <= 100 for piece in pieces)
    assert sum(len(piece.voiced) for piece in pieces) == 200
    # The voice never stopped: it started once and ended once.
    assert sum(isinstance(mark, VoiceStarted) for mark in marks) == 1
    assert sum(isinstance(mark, VoiceEnded) for mark in marks) == 1


def test_where_the_network_is_sure_throughout_the_quietest_place_is_cut():
    levels = [0.2] * 150
    levels[70:73] = [0.05, 0.01, 0.05]
    marks = segment([1.0] * 150, levels, max_speech_duration_s=3.2)
    assert marks[1].end_ns == 71 * BLOCK_NS


def test_a_cut_in_a_pause_takes_the_pause_from_both_parts():
    probabilities = [1.0] * 60 + [0.0] * 12 + [1.0] * 60
    first, second = (
        mark
        for mark in segment(probabilities, max_speech_duration_s=3.2)
        if isinstance(mark, Segment)
    )
    assert (first.end_ns, second.start_ns) == (60 * BLOCK_NS, 72 * BLOCK_NS)
    assert 60 < first.lent_until <= 72


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=400),
    st.sampled_from([1.0, 3.2, 15.0]),
)
def test_segments_never_overlap_nor_outgrow_their_bound(probabilities, longest):
    pieces = [
        mark
        for mark in segment(probabilities, max_speech_duration_s=longest)
        if isinstance(mark, Segment)
    ]
    for piece in pieces:
        assert 0 < piece.end_ns - piece.start_ns <= longest * 1e9 + BLOCK_NS
        assert piece.end_ns - piece.start_ns == len(piece.voiced) * BLOCK_NS
        assert piece.voiced[0]
        assert piece.voiced[-1]
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert one.end_ns <= other.start_ns


def blocks_of(events):
    blocks = SoundBlocks()
    taken = [block for event in events for block in blocks.feed(event)]
    last = blocks.flush()
    return [*taken, last] if last is not None else taken


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8), st.integers(1, 20_000))
def test_blocks_do_not_depend_on_how_sound_is_cut(sizes, num_samples):
    samples = np.arange(num_samples, dtype=np.float32)
    one = blocks_of(chunks(samples, [num_samples], at_ns=7))
    other = blocks_of(chunks(samples, sizes, at_ns=7))
    assert [(b.at_ns, b.num_samples) for b in one] == [(b.at_ns, b.num_samples) for b in other]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(one, other, strict=True))
    assert one[-1].end_ns == 7 + num_samples * SAMPLE_NS
    assert all(len(block.samples) == BLOCK_SAMPLES for block in one)


def test_block_times_follow_a_clock_that_drifts():
    # 100 ms chunks whose timestamps are 1 ms late each: nothing may add up.
    events = [
        AudioChunk(stream=1, at_ns=i * 101_000_000, samples=np.zeros(1600, np.float32))
        for i in range(100)
    ]
    last = blocks_of(events)[-1]
    assert last.at_ns == pytest.approx(99 * 101_000_000, abs=101_000_000)


def test_sound_that_comes_twice_is_heard_once():
    samples = np.arange(16_000, dtype=np.float32)
    again = AudioChunk(stream=1, at_ns=500_000_000, samples=samples)
    blocks = blocks_of([AudioChunk(stream=1, at_ns=0, samples=samples), again])
    heard = np.concatenate([block.samples[: block.num_samples] for block in blocks])
    assert len(heard) == 24_000
    assert np.array_equal(heard[16_000:], samples[8_000:])
