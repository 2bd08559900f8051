"""Names of sounds, also while somebody speaks; the paper's audio network as hearing's backend."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples, SoundEvent, Utterance, Watermark
from omnilive.nn.ixc_config import PlaceConfig
from omnilive.perception.backends import build_hearing_backends
from omnilive.perception.hearing import Hearing, HearingConfig
from omnilive.perception.levels import LevelsConfig
from omnilive.perception.recognition import RecognitionConfig, Transcript
from omnilive.perception.sound_names import SoundNamesConfig
from perception_support import NoVoice, chunks, ended, feed, hush, noise, started, tone


class ByPitch:
    """Hears a bell where the tone of 880 Hz is strong, and is sure of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def name(self, samples: Samples, cancel: Cancel) -> tuple[str, float]:
        self.asked.append(len(samples))
        spectrum = np.abs(np.fft.rfft(samples))
        at = round(880 * len(samples) / SAMPLE_RATE)
        strong = spectrum[at - 2 : at + 3].max() > 0.02 * len(samples)
        return ("bell", 0.9) if strong else ("", 1.0)


class Doubtful:
    def name(self, samples: Samples, cancel: Cancel) -> tuple[str, float]:
        return "ghost", 0.4


class AlwaysSpeech:
    """Voice activity that hears a voice in everything that is not silent."""

    def start(self) -> AlwaysSpeech:
        return self

    def probability(self, block: Samples) -> float:
        return 0.9 if float(np.abs(block).max()) > 0 else 0.0

    def reset(self) -> None:
        """Nothing is kept."""


class Words:
    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        return Transcript(text="so many words")

    def close(self) -> None:
        """Nothing is held."""


def heard(samples: Samples, namer: object, voice: object = None, size: int = 1600) -> list[object]:
    config = HearingConfig(
        levels=LevelsConfig(enabled=voice is None), names=SoundNamesConfig(window_s=2.0, max_s=8.0)
    )
    hearing = Hearing(config, voice or NoVoice(), Words(), namer=namer)  # type: ignore[arg-type]
    events = [started(audio=True), *chunks(samples, [size]), ended(len(samples) * 62_500)]
    return list(feed(hearing, events))


def bells(events: list[object]) -> list[tuple[float, float]]:
    return [
        (e.start_ns / NS_PER_S, e.end_ns / NS_PER_S)
        for e in events
        if isinstance(e, SoundEvent) and e.label == "bell"
    ]


def test_a_bell_during_a_sentence_is_heard_beside_the_words() -> None:
    speech = noise(12, 0.02)
    speech[4 * SAMPLE_RATE : 6 * SAMPLE_RATE] += tone(2)
    found = heard(speech, ByPitch(), AlwaysSpeech())
    ((start, end),) = bells(found)
    assert start <= 4.1
    assert end >= 6.0
    assert end - start <= 4.1
    assert any(isinstance(each, Utterance) for each in found)


def test_a_loud_bell_is_told_once() -> None:
    quiet = noise(20, 0.006)
    quiet[9 * SAMPLE_RATE : 10 * SAMPLE_RATE] += tone(1)
    found = heard(quiet, ByPitch())
    assert len(bells(found)) == 1
    assert [e.label for e in found if isinstance(e, SoundEvent)] == ["bell"]


def test_a_long_sound_comes_in_parts_and_no_watermark_passes_it() -> None:
    ringing = tone(21)
    found = heard(ringing, ByPitch(), AlwaysSpeech())
    spans = bells(found)
    assert spans[0][0] == 0.0
    assert all(end - start <= 8.1 for start, end in spans)
    assert all(one[1] == other[0] for one, other in zip(spans, spans[1:], strict=False))
    assert spans[-1][1] == pytest.approx(21.0)
    passed = 0
    for event in found:
        if isinstance(event, Watermark):
            passed = event.at_ns
        elif isinstance(event, SoundEvent):
            assert event.start_ns >= passed


def test_chunks_of_any_size_give_the_same_names() -> None:
    speech = noise(9, 0.02)
    speech[3 * SAMPLE_RATE : 5 * SAMPLE_RATE] += tone(2)
    assert bells(heard(speech, ByPitch(), AlwaysSpeech(), 700)) == bells(
        heard(speech, ByPitch(), AlwaysSpeech(), 16_000)
    )


def test_silence_is_not_asked_about_and_doubt_names_nothing() -> None:
    namer = ByPitch()
    heard(hush(10), namer, AlwaysSpeech())
    assert namer.asked == []
    found = heard(noise(10, 0.05), Doubtful(), AlwaysSpeech())
    assert not any(isinstance(each, SoundEvent) for each in found)


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra nn")
def test_the_audio_network_hears_words_and_names(tmp_path: Path) -> None:
    from ixc_support import official_tree

    folder = official_tree(tmp_path) / "audio"
    config = RecognitionConfig(
        backend="ixc", weights=str(folder), place=PlaceConfig(device="cpu", dtype="float32")
    )
    backends = build_hearing_backends(HearingConfig(recognition=config))
    assert backends.recogniser is not None
    assert backends.namer is not None
    sound = noise(1, 0.1)
    first = backends.recogniser.transcribe(sound, Cancel())
    assert first == backends.recogniser.transcribe(sound, Cancel())
    label, probability = backends.namer.name(sound, Cancel())
    assert label.casefold() not in ("speech", "silence")
    assert 0 < probability <= 1
    backends.close()
    with pytest.raises(BackendError, match="closed"):
        backends.recogniser.transcribe(sound, Cancel())


def test_a_backend_without_weights_says_so() -> None:
    with pytest.raises(BackendError, match=r"recognition\.weights"):
        build_hearing_backends(HearingConfig(recognition=RecognitionConfig(backend="ixc")))
    with pytest.raises(ConfigError, match="moonshine"):
        build_hearing_backends(HearingConfig(recognition=RecognitionConfig(backend="whisper")))
