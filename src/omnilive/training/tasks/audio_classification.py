"""Recognition and classification together: words, and the names of sounds, alone and under speech.

The paper's second stage of the audio module (section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from omnilive.training.tasks.audio_recognition import AudioRecognition


class AudioClassification(AudioRecognition):
    """Trains the whole audio module on both of its questions."""

    name = "audio_classification"
    share_named = 0.5

    def validate(self) -> Mapping[str, float]:
        """Return the word error rate, and the shares of sounds that get their name."""
        named = {f"named_{name}": share for name, share in self._named_right().items()}
        return {"word_error_rate": self._word_error_rate(), **named}
