"""The paper's audio network as hearing's backend: words of a segment, names of what sounds.

One network serves all streams; it is asked one of two things (paper, section 3.1). It keeps nothing
between two calls, so streams need not wait for each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import Samples
from omnilive.nn.places import need_packages, place_of
from omnilive.perception.recognition import RecognitionConfig, Transcript

if TYPE_CHECKING:
    from omnilive.nn.audio_questions import AudioTranslator

_NOTHING = frozenset({"speech", "silence", ""})


class TranslatedSound:
    """What hearing asks for words and for names of sounds (`Recogniser`, `SoundNamer`)."""

    def __init__(self, translator: AudioTranslator) -> None:
        self._translator: AudioTranslator | None = translator

    @classmethod
    def load(cls, config: RecognitionConfig) -> TranslatedSound:
        """Load the network that a configuration names.

        Raises:
            BackendError: a package is missing, or no folder is named.
            ConfigError: the device is not there.
            CheckpointError: weights or tokenizer are missing, damaged or of another network.
        """
        if not config.weights:
            raise BackendError(
                'hearing.recognition.backend = "ixc" needs the folder of the audio network: '
                "set hearing.recognition.weights."
            )
        need_packages()
        from omnilive.nn.audio_questions import AudioTranslator
        from omnilive.nn.audio_translation import AudioTranslationNetwork
        from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer

        folder = Path(config.weights).expanduser()
        place = place_of(config.place, "hearing.recognition.place")
        tokenizer = Qwen2Tokenizer.load(folder)
        network = AudioTranslationNetwork.load(
            folder, device=place.device, dtype=place.torch_dtype()
        )
        return cls(AudioTranslator(network, tokenizer))

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        """Return the text of one segment; the network gives no word times."""
        return Transcript(text=self._loaded().words(samples, cancel))

    def name(self, samples: Samples, cancel: Cancel) -> tuple[str, float]:
        """Return the name of what sounds and its probability; "" for speech and silence."""
        found = self._loaded().sound(samples, cancel)
        label = " ".join(found.label.split())
        return ("" if label.casefold() in _NOTHING else label), found.probability

    def close(self) -> None:
        """Let go of the network."""
        self._translator = None

    def _loaded(self) -> AudioTranslator:
        if self._translator is None:
            raise BackendError("The recogniser was closed while sound was still coming.")
        return self._translator
