from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.events import (
    NS_PER_S,
    AudioChunk,
    SoundEvent,
    SpeechEnded,
    SpeechStarted,
    StreamGap,
    Utterance,
    Watermark,
)
from omnilive.perception.recognition import RecognitionConfig, SpokenWord, Transcript
from omnilive.perception.stage import Hearing, HearingConfig, build_hearing_backends
from omnilive.perception.voice_activity import SileroVoiceActivity, VoiceActivityConfig
from perception_support import (
    SAMPLE_NS,
    CountingRecogniser,
    LoudVoice,
    NoVoice,
    chunks,
    ended,
    feed,
    hush,
    noise,
    speak,
    started,
    tick,
    tone,
    watermarks_of,
)

MEDIA = Path(__file__).parents[3] / "shared" / "media"


@pytest.fixture(scope="module")
def backends():
    backends = build_hearing_backends(HearingConfig())
    yield backends
    backends.close()


def hear(hearing, samples, sizes=(1600,), at_ns=0, voice="ambient"):
    end_ns = at_ns + len(samples) * SAMPLE_NS
    return feed(
        hearing,
        [started(at_ns, audio=True, voice=voice), *chunks(samples, sizes, at_ns), ended(end_ns)],
    )


def utterances_of(events):
    return [event for event in events if isinstance(event, Utterance)]


def fake_hearing(config=None):
    return Hearing(config or HearingConfig(), LoudVoice(), CountingRecogniser())


# --- with the real networks ---------------------------------------------------------------


def test_utterances_lie_where_the_speech_was_and_say_what_was_said(backends):
    texts = (
        ("Good morning everybody, the train to Paris leaves at noon.", "en-us"),
        ("My name is Anna and I live in Berlin.", "en-gb"),
        ("Please close the door before you leave the room.", "en-us+f3"),
    )
    parts, truth, at_s = [hush(2)], [], 2.0
    for text, voice in texts:
        samples, words = speak(text, voice)
        truth.append((at_s, at_s + len(samples) / 16_000, [(w, at_s + s) for w, s, _ in words]))
        parts += [samples, hush(1.7)]
        at_s += len(samples) / 16_000 + 1.7
    sound = np.concatenate(parts)
    sound += noise(len(sound) / 16_000, 0.001)[: len(sound)]
    hearing = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    events = hear(hearing, sound, at_ns=5 * NS_PER_S, voice="user")
    found = utterances_of(events)
    assert len(found) == 3
    for one, (start_s, end_s, words) in zip(found, truth, strict=True):
        assert one.start_ns / NS_PER_S - 5 == pytest.approx(start_s, abs=0.3)
        assert one.end_ns / NS_PER_S - 5 == pytest.approx(end_s, abs=0.3)
        assert one.voice == "user"
        assert one.id == f"u3-{one.start_ns // 1_000_000}"
        assert not one.words_exact
        assert " ".join(word.text for word in one.words) == one.text
        for word, (_, word_s) in zip(one.words[:1], words[:1], strict=True):
            assert word.start_ns / NS_PER_S - 5 == pytest.approx(word_s, abs=0.3)
    assert "paris" in found[0].text.casefold()
    assert "berlin" in found[1].text.casefold()
    assert "door" in found[2].text.casefold()
    assert [type(e) for e in events if isinstance(e, (SpeechStarted, SpeechEnded))] == [
        SpeechStarted,
        SpeechEnded,
    ] * 3


def test_what_is_no_speech_gives_no_words(backends):
    siren = 0.3 * np.sin(np.cumsum(0.3 + 0.1 * np.sin(np.arange(64_000) / 2500)))
    sound = np.concatenate(
        [hush(2), siren.astype(np.float32), noise(3, 0.1), hush(1), tone(2), hush(2)]
    )
    hearing = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    events = hear(hearing, sound)
    assert utterances_of(events) == []
    assert {e.label for e in events if isinstance(e, SoundEvent)} == {"loud sound"}


def test_two_streams_at_once_hear_what_they_hear_alone(backends):
    sound = np.concatenate([hush(1), speak("The train to Paris leaves at noon.")[0], hush(2)])
    other = noise(len(sound) / 16_000, 0.1)
    alone = hear(Hearing(HearingConfig(), backends.voice_activity, backends.recogniser), sound)
    one = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    two = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    together = feed(one, [started(audio=True)])
    feed(two, [started(audio=True)])
    for mine, its in zip(chunks(sound, [1600]), chunks(other, [1600]), strict=True):
        together += feed(one, [mine])
        feed(two, [its])
    together += feed(one, [ended(len(sound) * SAMPLE_NS)])
    assert together == alone


def test_chunked_equals_whole_with_the_real_networks(backends):
    sound = np.concatenate([hush(1), speak("My name is Anna.")[0], hush(1), tone(1), hush(1)])

    def run(sizes):
        hearing = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
        return hear(hearing, sound, sizes)

    whole = run([len(sound)])
    assert len(utterances_of(whole)) == 1
    assert run([160]) == whole
    assert run([1, 7000, 333]) == whole


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the real recordings are not on this machine")
def test_real_speech_is_recognised(backends):
    av = pytest.importorskip("av")
    parts = []
    with av.open(str(MEDIA / "jfk.flac")) as container:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        for audio in [*container.decode(audio=0), None]:
            parts += [one.to_ndarray()[0] for one in resampler.resample(audio)]
    hearing = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    found = utterances_of(hear(hearing, np.concatenate(parts)))
    text = " ".join(one.text for one in found).casefold()
    assert "my fellow americans" in text
    assert "ask what you can do for your country" in text
    last = next(one for one in found if "ask what you can do" in one.text.casefold())
    assert last.start_ns / NS_PER_S == pytest.approx(8.2, abs=0.3)


# --- laws ---------------------------------------------------------------------------------

SOUND = np.concatenate(
    [hush(1.3), tone(2, amplitude=0.2), hush(0.3), tone(1), hush(2.2), tone(7), hush(11)]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=6))
def test_chunked_equals_whole(sizes):
    config = HearingConfig(voice_activity=VoiceActivityConfig(max_speech_duration_s=3))
    whole = hear(fake_hearing(config), SOUND, [len(SOUND)], at_ns=123)
    assert hear(fake_hearing(config), SOUND, sizes, at_ns=123) == whole
    assert len(utterances_of(whole)) >= 5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["hush", "voice", "gap", "tick"]), st.floats(0.05, 4)),
        min_size=1,
        max_size=10,
    )
)
def test_nothing_is_reported_before_the_watermark(steps):
    hearing = fake_hearing()
    events, at_ns = [started(audio=True)], 0
    for kind, seconds in steps:
        if kind == "tick":
            events.append(tick(at_ns / NS_PER_S))
        elif kind == "gap":
            end_ns = at_ns + round(seconds * NS_PER_S)
            gap = StreamGap(stream=3, start_ns=at_ns, end_ns=end_ns, sense="both", reason="lost")
            events.append(gap)
            at_ns = end_ns
        else:
            samples = tone(seconds) if kind == "voice" else hush(seconds)
            events += chunks(samples, [1600], at_ns)
            at_ns += len(samples) * SAMPLE_NS
    mark_ns = 0
    answers = feed(hearing, [*events, ended(at_ns)])
    for answer in answers:
        if isinstance(answer, Watermark):
            assert answer.at_ns > mark_ns
            mark_ns = answer.at_ns
        elif isinstance(answer, (Utterance, SoundEvent)):
            assert mark_ns <= answer.start_ns < answer.end_ns <= at_ns
        elif isinstance(answer, SpeechStarted):
            assert answer.at_ns >= mark_ns
    assert mark_ns == at_ns


# --- watermarks, gaps, padding ------------------------------------------------------------


def test_the_watermark_waits_for_who_is_speaking():
    hearing = fake_hearing()
    before = feed(hearing, [started(audio=True), *chunks(noise(5, 0.005), [1600]), tick(5)])
    assert watermarks_of(before)[-1] == pytest.approx(5 * NS_PER_S, abs=40_000_000)
    during = feed(hearing, [*chunks(tone(8), [1600], 5 * NS_PER_S), tick(13)])
    assert max(watermarks_of(during), default=0) <= 5 * NS_PER_S
    after = feed(hearing, [*chunks(noise(2, 0.005), [1600], 13 * NS_PER_S), tick(15)])
    assert len(utterances_of(after)) == 1
    assert watermarks_of(after)[-1] == pytest.approx(15 * NS_PER_S, abs=40_000_000)


def test_a_gap_closes_the_segment_and_moves_the_watermark_to_its_end():
    hearing = fake_hearing()
    gap = StreamGap(
        stream=3, start_ns=3 * NS_PER_S, end_ns=9 * NS_PER_S, sense="audio", reason="lost"
    )
    events = feed(hearing, [started(audio=True), *chunks(tone(3), [1600]), gap])
    (one,) = utterances_of(events)
    assert one.end_ns == 3 * NS_PER_S
    assert watermarks_of(events)[-1] == 9 * NS_PER_S
    later = feed(hearing, [*chunks(tone(2), [1600], 9 * NS_PER_S), ended(11 * NS_PER_S)])
    assert utterances_of(later)[0].start_ns == 9 * NS_PER_S


def test_a_hole_nobody_told_of_closes_the_segment():
    hearing = fake_hearing()
    later = chunks(tone(2), [1600], 10 * NS_PER_S)
    events = feed(
        hearing, [started(audio=True), *chunks(tone(2), [1600]), *later, ended(12 * NS_PER_S)]
    )
    spans = [(u.start_ns, u.end_ns) for u in utterances_of(events)]
    assert spans == [(0, 2 * NS_PER_S), (10 * NS_PER_S, 12 * NS_PER_S)]


def test_ticks_carry_the_watermark_over_sound_that_never_came():
    hearing = fake_hearing()
    events = feed(hearing, [started(audio=True), *(tick(i) for i in range(1, 31))])
    assert watermarks_of(events)[-1] == 30 * NS_PER_S


def test_a_stream_without_sound_has_no_hearing_watermark():
    events = feed(fake_hearing(), [started(video=True), tick(5), ended(9 * NS_PER_S)])
    assert events == []


def test_hearing_that_is_turned_off_only_moves_its_watermark():
    hearing = Hearing(HearingConfig(enabled=False), None)
    events = hear(hearing, SOUND)
    assert {type(event) for event in events} == {Watermark}
    assert watermarks_of(events)[-1] == len(SOUND) * SAMPLE_NS


def test_a_silent_track_is_not_worth_asking_about():
    voice_activity = NoVoice()
    events = hear(Hearing(HearingConfig(), voice_activity, None), hush(30))
    assert voice_activity.num_asked < 40
    assert [e.label for e in events if isinstance(e, SoundEvent)] == ["silence"]


def test_the_recogniser_gets_a_little_more_than_the_speech_but_nothing_twice():
    recogniser = CountingRecogniser()
    hearing = Hearing(HearingConfig(), LoudVoice(), recogniser)
    hear(hearing, np.concatenate([hush(1.024), tone(1.024), hush(2)]))
    assert recogniser.lengths == [pytest.approx(1.536 * 16_000, abs=512)]
    endless = CountingRecogniser()
    hearing = Hearing(HearingConfig(), LoudVoice(), endless)
    hear(hearing, tone(40))
    assert sum(endless.lengths) == 40 * 16_000
    assert max(endless.lengths) <= 15.04 * 16_000


class TimedRecogniser(CountingRecogniser):
    def transcribe(self, samples, cancel):
        words = (SpokenWord("so", 0.26, 0.6), SpokenWord("there", 0.6, 9.0))
        return Transcript(text="so there", words=words, words_exact=True)


def test_exact_word_times_count_from_the_padded_sound():
    hearing = Hearing(HearingConfig(), LoudVoice(), TimedRecogniser())
    (one,) = utterances_of(hear(hearing, np.concatenate([hush(1.024), tone(1.024), hush(2)])))
    assert one.words_exact
    assert one.words[0].start_ns == pytest.approx(1.024e9, abs=40_000_000)
    assert one.words[1].end_ns == one.end_ns


class BrokenRecogniser(CountingRecogniser):
    def transcribe(self, samples, cancel):
        raise BackendError("The recogniser is broken.")


def test_a_recogniser_that_fails_is_told_and_hearing_goes_on():
    hearing = Hearing(HearingConfig(), LoudVoice(), BrokenRecogniser())
    feed(hearing, [started(audio=True)])
    whole = AudioChunk(stream=3, at_ns=0, samples=np.concatenate([tone(1), hush(3)]))
    answers = []
    with pytest.raises(BackendError):
        answers.extend(hearing.push(whole, Cancel()))
    found = feed(hearing, [*chunks(noise(3, 0.005), [1600], 4 * NS_PER_S), tick(7)])
    assert watermarks_of(found)[-1] == pytest.approx(7 * NS_PER_S, abs=40_000_000)


def test_unknown_backends_are_refused_and_none_are_built_for_deaf_ears():
    with pytest.raises(ConfigError, match="recognition.backend"):
        build_hearing_backends(HearingConfig(recognition=RecognitionConfig(backend="whisper")))
    with pytest.raises(ConfigError, match="voice_activity.backend"):
        build_hearing_backends(HearingConfig(voice_activity=VoiceActivityConfig(backend="ear")))
    backends = build_hearing_backends(HearingConfig(enabled=False))
    assert (backends.voice_activity, backends.recogniser) == (None, None)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("omnilive.perception.voice_activity.find_spec", lambda name: None)
    with pytest.raises(BackendError, match="pip install"):
        SileroVoiceActivity()
