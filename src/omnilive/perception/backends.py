"""Builds what perception's stages share: one of each for all streams of a process."""

from __future__ import annotations

from dataclasses import dataclass

from omnilive.errors import ConfigError
from omnilive.perception.audio_translation import TranslatedSound
from omnilive.perception.clips import ClipsConfig
from omnilive.perception.hearing import HearingConfig
from omnilive.perception.moonshine import MoonshineRecogniser
from omnilive.perception.reading import RapidOcrReader, TextReader
from omnilive.perception.reading_schedule import ReadingConfig
from omnilive.perception.recognition import Recogniser
from omnilive.perception.siglip_cuts import FrameEmbedder, SiglipEmbedder
from omnilive.perception.sound_names import SoundNamer
from omnilive.perception.voice_activity import SileroVoiceActivity, VoiceActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingBackends:
    """What `Hearing` needs; None for what its config turns off."""

    voice_activity: VoiceActivity | None
    recogniser: Recogniser | None
    namer: SoundNamer | None = None

    def close(self) -> None:
        """Release the models. Safe to call twice."""
        if self.recogniser is not None:
            self.recogniser.close()


def build_hearing_backends(config: HearingConfig, *, num_recognisers: int = 1) -> HearingBackends:
    """Return the backends `config` names; models are loaded when sound first needs them.

    Args:
        config: which.
        num_recognisers: how many recognisers may work at once; each takes its own memory.

    Raises:
        BackendError: a package is missing, or a network's weights are not what they should be.
        ConfigError: no such backend.
    """
    if not config.enabled:
        return HearingBackends(voice_activity=None, recogniser=None)
    if config.voice_activity.backend != "silero":
        raise ConfigError(
            f"hearing.voice_activity.backend is {config.voice_activity.backend!r}; "
            'the only one there is is "silero".'
        )
    if config.recognition.backend not in ("moonshine", "ixc", "none"):
        raise ConfigError(
            f"hearing.recognition.backend is {config.recognition.backend!r}; "
            'use "moonshine", "ixc" or "none".'
        )
    if config.recognition.backend == "ixc":
        translated = TranslatedSound.load(config.recognition)
        return HearingBackends(
            voice_activity=SileroVoiceActivity(), recogniser=translated, namer=translated
        )
    return HearingBackends(
        voice_activity=SileroVoiceActivity(),
        recogniser=(
            MoonshineRecogniser(num_recognisers)
            if config.recognition.backend == "moonshine"
            else None
        ),
    )


def build_reader(config: ReadingConfig) -> TextReader | None:
    """Return the reader of text in the picture; None if it is turned off.

    Raises:
        BackendError: a package is missing.
    """
    return RapidOcrReader(config) if config.enabled else None


def build_frame_embedder(config: ClipsConfig) -> FrameEmbedder | None:
    """Return what tells frames apart where cuts are made by a network; None if they are not.

    Raises:
        BackendError: a package is missing, or the weights are not what they should be.
        ConfigError: the device is not there.
    """
    return SiglipEmbedder.load(config.siglip) if config.cuts == "siglip" else None
