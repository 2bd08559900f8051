from __future__ import annotations

import numpy as np
import pytest

from omnilive.events import NS_PER_S, SoundEvent
from omnilive.perception.hearing import Hearing, HearingConfig
from omnilive.perception.levels import LevelsConfig
from perception_support import NoVoice, chunks, ended, feed, hush, noise, started, tone

EXACT_S = 0.1


def sounds(samples, classifier=None, **settings):
    config = HearingConfig(levels=LevelsConfig(**settings))
    hearing = Hearing(config, NoVoice(), None, classifier)
    events = [
        started(audio=True),
        *chunks(samples, [1600]),
        ended(len(samples) * 62_500),
    ]
    return [event for event in feed(hearing, events) if isinstance(event, SoundEvent)]


def spans(events):
    return [(e.label, e.start_ns / NS_PER_S, e.end_ns / NS_PER_S) for e in events]


def assert_spans(events, truth):
    found = spans(events)
    assert [one[0] for one in found] == [one[0] for one in truth]
    for one, other in zip(found, truth, strict=True):
        assert one[1:] == pytest.approx(other[1:], abs=EXACT_S)


def quiet(seconds, seed=0):
    return noise(seconds, 0.006, seed)  # -44 dB: neither loud nor silent


def test_a_loud_sound_is_found_with_its_span_and_level():
    sound = np.concatenate([quiet(5), tone(3, amplitude=0.3), quiet(4)])
    (found,) = sounds(sound)
    assert_spans([found], [("loud sound", 5, 8)])
    assert found.level_db == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.5)
    assert found.id == f"s3-{found.start_ns // 1_000_000}"


def test_beeps_near_to_each_other_are_one_sound():
    beeps = np.concatenate([np.concatenate([tone(0.25), quiet(0.25)]) for _ in range(8)])
    assert_spans(sounds(np.concatenate([quiet(5), beeps, quiet(3)])), [("loud sound", 5, 8.75)])


def test_a_quiet_sound_is_not_loud():
    assert sounds(np.concatenate([quiet(5), tone(2, amplitude=0.015), quiet(3)])) == []


def test_the_same_sound_is_not_loud_where_it_is_loud_all_the_time():
    loud_room = noise(30, 0.1)
    loud_room[15 * 16_000 : 17 * 16_000] += tone(2, amplitude=0.2)
    assert sounds(loud_room) == []


def test_an_endless_hum_becomes_background():
    found = sounds(np.concatenate([quiet(30), tone(200, 110.0, 0.2)]))
    assert spans(found)[0][1] == pytest.approx(30, abs=EXACT_S)
    assert sum(end - start for _, start, end in spans(found)) < 45


def test_silence_is_reported_from_ten_seconds_on():
    sound = np.concatenate([quiet(3), hush(9.5), quiet(3), hush(12), quiet(2)])
    assert_spans(sounds(sound), [("silence", 15.5, 27.5)])


def test_a_click_does_not_end_a_silence():
    sound = hush(14)
    sound[7 * 16_000 : 7 * 16_000 + 200] = 0.05
    assert_spans(sounds(sound), [("silence", 0, 14)])


def test_long_silence_comes_in_parts_that_leave_nothing_out():
    found = spans(sounds(hush(150)))
    assert found == [("silence", 0, 60), ("silence", 60, 120), ("silence", 120, 150)]


def test_nothing_is_reported_where_levels_are_turned_off():
    assert sounds(np.concatenate([hush(20), tone(2), hush(20)]), enabled=False) == []


class Names:
    def __init__(self, name):
        self.name = name
        self.lengths = []

    def classify(self, samples):
        self.lengths.append(len(samples))
        return self.name


def test_a_classifier_names_the_sound_and_only_it():
    sound = np.concatenate([quiet(5), tone(2), quiet(3)])
    classifier = Names("alarm clock")
    assert [one.label for one in sounds(sound, classifier)] == ["alarm clock"]
    assert classifier.lengths == [pytest.approx(32_000, abs=1600)]
    assert [one.label for one in sounds(sound, Names(""))] == ["loud sound"]
