"""Questions that are spoken: by a user at once, by others only after the wake phrase.

The default phrase is "hey omni"; the small recogniser does not understand it from a synthetic
voice, so the one used here is "hey robot", which it does.
"""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omnilive import api
from omnilive.events import SAMPLE_RATE, AnswerEnded, Dismissed, Voice
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample
from omnilive.presets import embedded
from omnilive.reasoning.gate import GateConfig

FACT = "The hotel is next to the railway station."


def speak(path: Path, *sentences: str) -> Path:
    """Write sentences with pauses of 2 s and a little hiss."""
    voice, parts = Espeak(), [np.zeros(SAMPLE_RATE)]
    for sentence in sentences:
        spoken = voice.synthesize(sentence, rate_wpm=165)
        parts += [0.3 * resample(spoken.samples, spoken.sample_rate, SAMPLE_RATE)]
        parts += [np.zeros(2 * SAMPLE_RATE)]
    sound = np.concatenate(parts)
    sound = sound + 0.001 * np.random.default_rng(0).standard_normal(len(sound))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32767).astype(np.int16).tobytes())
    return path


@pytest.mark.parametrize(
    ("voice", "question", "answered"),
    [
        ("ambient", "Hey robot, where is the hotel?", True),
        ("ambient", "Where is the hotel?", False),
        ("user", "Where is the hotel?", True),
    ],
)
def test_who_is_answered(tmp_path: Path, voice: Voice, question: str, answered: bool) -> None:
    path = speak(tmp_path / "room.wav", FACT, question)
    config = replace(embedded(), gate=GateConfig(wake_phrases=("hey robot",)))
    events = list(api.watch(path, store=tmp_path / "memory", voice=voice, config=config))
    answers = [event for event in events if isinstance(event, AnswerEnded)]
    assert any(isinstance(event, Dismissed) for event in events)  # the fact was not for us
    assert len(answers) == answered
    if answered:
        assert answers[0].known
        assert "station" in answers[0].text
        assert "robot" not in answers[0].question.lower()
        # The question itself is never evidence.
        assert all("where" not in each.text.lower() for each in answers[0].citations)
