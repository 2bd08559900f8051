"""Speech: speaks an answer phrase by phrase while it is still being written."""

from omnilive.speech.stage import Speech, SpeechConfig
from omnilive.speech.synthesizer import EspeakConfig, EspeakSynthesizer, Sound, Synthesizer

__all__ = ["EspeakConfig", "EspeakSynthesizer", "Sound", "Speech", "SpeechConfig", "Synthesizer"]
