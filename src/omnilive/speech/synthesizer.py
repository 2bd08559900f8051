"""From a phrase to sound: what a synthesiser is, and the one by espeak-ng.

What a reader would not guess: ids of moments ("u1-12480") and the brackets around them are
written for eyes and links; they are taken out before anything is spoken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from omnilive.errors import ConfigError
from omnilive.events import Samples
from omnilive.media.espeak import Espeak

_ID = r"[ctusmb]\d+-\d+"
_BRACKETED_IDS = re.compile(rf"[\[(]\s*{_ID}(?:\s*[,;]?\s*(?:and\s+)?{_ID})*\s*[\])]")
_BARE_ID = re.compile(rf"\b{_ID}\b")
_LINK = re.compile(r"https?://\S+")
_MARKUP = re.compile(r"[*_`#|<>\[\]{}]+")
_BLANKS = re.compile(r"\s+")
_BLANK_BEFORE_MARK = re.compile(r"\s+([.,;:?!])")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_PEAK = 32767 / 32768  # so that 16-bit samples never wrap


class Sound(NamedTuple):
    """A spoken phrase: mono float samples in -1..1 and their rate."""

    samples: Samples
    sample_rate: int


class Synthesizer(Protocol):
    """Speaks one phrase at a time."""

    def synthesize(self, phrase: str) -> Sound:
        """Return the sound of `phrase`; no samples if it holds nothing to say."""
        ...

    def configure(self, config: EspeakConfig) -> None:
        """Speak the next phrase in another voice or at another rate."""
        ...

    def close(self) -> None:
        """Release what is held. Safe to call twice."""
        ...


@dataclass(frozen=True, kw_only=True)
class EspeakConfig:
    """How espeak-ng speaks."""

    voice: str = "en-us"  # language tag, or tag+variant, as in "en-us+f3"
    chinese_voice: str = "cmn"  # for phrases with Chinese characters
    rate_wpm: int = 165  # words a minute, 80..450
    pitch: int = 50  # 0..99

    def __post_init__(self) -> None:
        if not 80 <= self.rate_wpm <= 450:
            raise ConfigError(f"rate_wpm is {self.rate_wpm}; it must be 80 to 450.")
        if not 0 <= self.pitch <= 99:
            raise ConfigError(f"pitch is {self.pitch}; it must be 0 to 99.")


class EspeakSynthesizer:
    """Speaks English, and Chinese where a phrase holds Chinese characters."""

    def __init__(self, config: EspeakConfig | None = None) -> None:
        self._config = config or EspeakConfig()
        self._espeak = Espeak()

    def synthesize(self, phrase: str) -> Sound:
        """Return the sound of `phrase` without its ids and markup."""
        text = spoken_form(phrase)
        if not text:
            return Sound(np.zeros(0, np.float32), 22050)
        # The Mandarin voice reads Latin words as English; the English one cannot read Chinese.
        voice = self._config.chinese_voice if _HAN.search(text) else self._config.voice
        spoken = self._espeak.synthesize(
            text, voice=voice, rate_wpm=self._config.rate_wpm, pitch=self._config.pitch
        )
        return Sound(np.clip(spoken.samples, -1.0, _PEAK), spoken.sample_rate)

    def configure(self, config: EspeakConfig) -> None:
        """Speak the next phrase in another voice or at another rate."""
        self._config = config

    def close(self) -> None:
        """Release nothing: the library is unloaded after every phrase."""


def spoken_form(text: str) -> str:
    """Return what of `text` is for the ear: no ids, links or markup; "" if nothing is left."""
    text = _BRACKETED_IDS.sub(" ", text)
    text = _BARE_ID.sub(" ", text)
    text = _LINK.sub(" ", text)
    text = _MARKUP.sub(" ", text)
    text = _BLANK_BEFORE_MARK.sub(r"\1", _BLANKS.sub(" ", text)).strip()
    return text if any(character.isalnum() for character in text) else ""
