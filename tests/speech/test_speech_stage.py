from __future__ import annotations

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.errors import ConfigError
from omnilive.events import AnswerAudio, AnswerEnded, AnswerText, Interruption, Outcome
from omnilive.speech import EspeakConfig, EspeakSynthesizer, Sound, Speech, SpeechConfig


class Beeper:
    """A synthesiser whose sounds are as many samples long as the phrase has letters."""

    def __init__(self, on_phrase=None) -> None:
        self.on_phrase = on_phrase
        self.closed = False

    def synthesize(self, phrase: str) -> Sound:
        if self.on_phrase is not None:
            self.on_phrase(phrase)
        return Sound(np.full(len(phrase), 0.5, np.float32), 16000)

    def configure(self, config: EspeakConfig) -> None:
        """A beep has one voice."""

    def close(self) -> None:
        self.closed = True


def text(delta: str, turn: str = "a") -> AnswerText:
    return AnswerText(turn_id=turn, delta=delta)


def ended(turn: str = "a", outcome: Outcome = "completed") -> AnswerEnded:
    return AnswerEnded(turn_id=turn, question="?", text="", outcome=outcome, known=True)


def texts(speech: Speech, *events, cancel: Cancel | None = None) -> list[str]:
    cancel = cancel or Cancel()
    return [audio.text for event in events for audio in speech.push(event, cancel)]


def test_phrases_are_spoken_while_the_answer_is_written():
    speech = Speech(Beeper())
    assert texts(speech, text("The keys are here. They")) == ["The keys are here."]
    assert texts(speech, text(" were lost.")) == []
    assert texts(speech, ended()) == ["They were lost."]


def test_audio_carries_the_turn_and_the_sound():
    (audio,) = Speech(Beeper()).push(text("Yes. ", "t7"), Cancel())
    assert isinstance(audio, AnswerAudio)
    assert (audio.turn_id, audio.text, audio.sample_rate) == ("t7", "Yes.", 16000)
    assert audio.samples.size == 4


def test_turns_do_not_mix():
    speech = Speech(Beeper())
    assert texts(speech, text("One a", "a"), text("two b", "b")) == []
    assert texts(speech, text(" end. ", "b"), ended("a"), ended("b")) == ["two b end.", "One a"]


def test_chunked_equals_whole():
    answer = "The keys are in the blue box, as far as I know. It was said at 12:30. Twice!"
    whole = texts(Speech(Beeper()), text(answer), ended())
    letters = texts(Speech(Beeper()), *(text(letter) for letter in answer), ended())
    assert letters == whole
    assert len(whole) == 3


def test_an_interrupted_turn_says_nothing_more():
    speech = Speech(Beeper())
    assert texts(speech, text("One. Two")) == ["One."]
    assert texts(speech, Interruption(turn_id="a"), text(" three. Four. "), ended()) == []


def test_an_interruption_may_come_first():
    speech = Speech(Beeper())
    assert texts(speech, Interruption(turn_id="a"), text("One. Two. "), ended()) == []
    assert texts(speech, text("Other. ", "b")) == ["Other."]


@pytest.mark.parametrize("outcome", ["interrupted", "failed"])
def test_an_answer_that_did_not_complete_is_not_finished_aloud(outcome: Outcome):
    assert texts(Speech(Beeper()), text("One. Two"), ended(outcome=outcome)) == ["One."]


def test_a_cancelled_turn_stops_between_phrases():
    cancel = Cancel()
    speech = Speech(Beeper(lambda phrase: cancel.set() if phrase == "Two." else None))
    assert texts(speech, text("One. Two. Three. "), cancel=cancel) == ["One."]
    assert texts(speech, text("Four. "), ended()) == []


def test_an_interruption_between_two_phrases_of_one_piece_is_obeyed():
    speech = Speech(Beeper())
    phrases = speech.push(text("One. Two. "), Cancel())
    assert next(phrases).text == "One."
    assert list(speech.push(Interruption(turn_id="a"), Cancel())) == []
    assert list(phrases) == []


def test_state_is_freed_and_bounded():
    speech = Speech(Beeper())
    for number in range(500):
        texts(speech, text("One. Two", str(number)), ended(str(number)))
        texts(speech, Interruption(turn_id=f"late {number}"))
    assert not speech._open
    assert len(speech._cut) <= 64


def test_phrases_with_nothing_to_say_give_no_sound():
    speech = Speech(EspeakSynthesizer())
    assert texts(speech, text("[u1-12480]\n"), text("Here it is [u1-12480]. "), ended()) == [
        "Here it is [u1-12480]."
    ]


def test_close_releases_the_synthesiser():
    beeper = Beeper()
    speech = Speech(beeper)
    speech.close()
    speech.close()
    assert beeper.closed


def test_impossible_lengths_are_refused():
    with pytest.raises(ConfigError, match="min_clause_chars"):
        SpeechConfig(min_clause_chars=300)


def test_the_voice_and_its_rate_can_be_changed_between_two_phrases():
    speech = Speech(EspeakSynthesizer())
    phrase = "The keys are in the drawer of the kitchen table. "

    def seconds():
        (audio,) = speech.push(text(phrase), Cancel())
        return audio.samples.size / audio.sample_rate

    before = seconds()
    speech.configure(EspeakConfig(rate_wpm=330))
    assert seconds() < 0.7 * before
    speech.configure(EspeakConfig())
    assert seconds() == before
