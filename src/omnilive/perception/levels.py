"""Loud sounds and long silences, by level alone.

No sound is ever named here: "loud sound" and "silence" say what was measured. Loud means far
above the background, and the background is what the quietest quarter of the last 40 s reaches:
a hum that does not stop becomes background, and a beep that comes and goes stays loud.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from omnilive.events import NS_PER_S, Samples
from omnilive.perception.voice_activity import BLOCK_NS

LOUD = "loud sound"
SILENCE = "silence"
LOWEST_DB = -100
_LOUDEST_BLOCKS = 3  # 96 ms, "the loudest 100 ms"
_JOIN_NS = 500_000_000  # loud blocks this near to each other are one sound
_SPEECH_GUARD_NS = 300_000_000  # the first consonant is not a sound of its own
_MAX_BLIP_BLOCKS = 2  # a click this short does not end a silence
_HOLD_DB = 6.0  # a loud sound lasts until it is this much below where it would start


@dataclass(frozen=True, kw_only=True)
class LevelsConfig:
    """What counts as loud and as silent. Levels are dB full scale.

    Attributes:
        enabled: whether sounds are reported at all.
        loud_above_background_db: how far above the background a loud sound is.
        loud_at_least_db: no sound below this is loud.
        min_loud_ms: shorter ones are clicks.
        max_loud_s: a longer one is reported in parts, so that no clip waits for its end.
        background_window_s: how far back the background reaches.
        silence_below_db: below this it is silent.
        min_silence_s: shorter silences are not reported.
        max_silence_s: a longer one is reported in parts.
    """

    enabled: bool = True
    loud_above_background_db: float = 15.0
    loud_at_least_db: float = -35.0
    min_loud_ms: int = 90
    max_loud_s: float = 30.0
    background_window_s: float = 40.0
    silence_below_db: float = -50.0
    min_silence_s: float = 10.0
    max_silence_s: float = 60.0


class SoundClassifier(Protocol):
    """Puts a name to a sound. The embedded preset has none."""

    def classify(self, samples: Samples) -> str:
        """Return the sound's name, or "" if none is likely; `samples` is 16 kHz mono."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One stretch that was loud or silent; `level_db` is of its loudest 100 ms."""

    start_ns: int
    end_ns: int
    label: str
    level_db: float


class Background:
    """The level that the quietest quarter of the recent blocks reaches, in dB full scale."""

    def __init__(self, window_s: float) -> None:
        self._size = max(round(window_s * NS_PER_S / BLOCK_NS), 32)
        self._recent: deque[int] = deque()
        self._counts = np.zeros(-LOWEST_DB + 1, np.int64)

    @property
    def is_known(self) -> bool:
        """Whether about a second of sound has come."""
        return len(self._recent) >= 30

    @property
    def level_db(self) -> float:
        """The background. What has not been heard yet counts as the quietest so far."""
        unheard = self._size - len(self._recent)
        rank = max(self._size // 4 - unheard, 0)
        return float(np.searchsorted(np.cumsum(self._counts), rank, side="right")) + LOWEST_DB

    def push(self, level_db: float) -> None:
        """Take the level of the next block."""
        place = min(max(round(level_db), LOWEST_DB), 0) - LOWEST_DB
        self._recent.append(place)
        self._counts[place] += 1
        if len(self._recent) > self._size:
            self._counts[self._recent.popleft()] -= 1


class LevelMeter:
    """Finds loud sounds and long silences of one stream, block by block."""

    def __init__(self, config: LevelsConfig) -> None:
        self._config = config
        self._background = Background(config.background_window_s)
        self._powers: deque[float] = deque(maxlen=_LOUDEST_BLOCKS)
        self._loud: _Open | None = None
        self._silent: _Open | None = None
        self._num_blips = 0
        self._not_loud_before_ns = 0

    @property
    def open_ns(self) -> int | None:
        """Start of the loud sound that is open, if any; a silence holds nothing up."""
        return None if self._loud is None else self._loud.start_ns

    def push(self, at_ns: int, end_ns: int, power: float, *, is_speech: bool) -> list[Sound]:
        """Take the next block and return the sounds that are over.

        Args:
            at_ns: its first instant.
            end_ns: its last instant.
            power: mean square of its samples.
            is_speech: whether it belongs to a voice that was confirmed.
        """
        if not self._config.enabled:
            return []
        self._powers.append(power)
        level_db = to_db(power)
        loudest_db = to_db(sum(self._powers) / len(self._powers))
        sounds = self._push_silence(at_ns, end_ns, level_db, loudest_db, is_speech=is_speech)
        sounds += self._push_loud(at_ns, end_ns, level_db, loudest_db, is_speech=is_speech)
        if not is_speech:
            self._background.push(level_db)
        return sounds

    def speech_began(self, start_ns: int) -> list[Sound]:
        """Take note that a voice is there since `start_ns`: what is open ends before it."""
        sounds = []
        if self._loud is not None:
            # Loud only since just before the voice: that was the voice.
            if self._loud.start_ns < start_ns - _SPEECH_GUARD_NS:
                self._loud.end_ns = min(self._loud.end_ns, start_ns)
                sounds += self._close_loud()
            self._loud = None
        if self._silent is not None:
            self._silent.end_ns = min(self._silent.end_ns, start_ns)
            sounds += self._close_silent()
        return sounds

    def speech_ended(self, end_ns: int) -> None:
        """Take note that a voice fell silent: its last breath is no sound of its own."""
        self._not_loud_before_ns = end_ns + _SPEECH_GUARD_NS

    def flush(self) -> list[Sound]:
        """Close what is open: the sound breaks off here."""
        self._powers.clear()
        return self._close_loud() + self._close_silent()

    def _push_loud(
        self, at_ns: int, end_ns: int, level_db: float, loudest_db: float, *, is_speech: bool
    ) -> list[Sound]:
        config = self._config
        threshold_db = max(
            self._background.level_db + config.loud_above_background_db, config.loud_at_least_db
        )
        if self._loud is not None:
            threshold_db -= _HOLD_DB
        is_loud = self._background.is_known and not is_speech and level_db >= threshold_db
        if self._loud is None:
            if is_loud and at_ns >= self._not_loud_before_ns:
                self._loud = _Open(at_ns, end_ns, level_db)
            return []
        if is_loud:
            self._loud.grow(end_ns, max(level_db, loudest_db))
            if end_ns - self._loud.start_ns >= config.max_loud_s * NS_PER_S:
                return self._close_loud()
        elif end_ns - self._loud.end_ns >= _JOIN_NS:
            return self._close_loud()
        return []

    def _push_silence(
        self, at_ns: int, end_ns: int, level_db: float, loudest_db: float, *, is_speech: bool
    ) -> list[Sound]:
        is_silent = not is_speech and level_db < self._config.silence_below_db
        if self._silent is None:
            if is_silent:
                self._silent = _Open(at_ns, end_ns, level_db)
                self._num_blips = 0
            return []
        self._num_blips = 0 if is_silent else self._num_blips + 1
        if is_silent:
            self._silent.grow(end_ns, loudest_db)
            if end_ns - self._silent.start_ns >= self._config.max_silence_s * NS_PER_S:
                return self._close_silent()
        elif self._num_blips > _MAX_BLIP_BLOCKS or is_speech:
            return self._close_silent()
        return []

    def _close_loud(self) -> list[Sound]:
        sound, self._loud = self._loud, None
        if sound is None or sound.end_ns - sound.start_ns < self._config.min_loud_ms * 1_000_000:
            return []
        return [sound.closed(LOUD)]

    def _close_silent(self) -> list[Sound]:
        sound, self._silent = self._silent, None
        if sound is None or sound.end_ns - sound.start_ns < self._config.min_silence_s * NS_PER_S:
            return []
        return [sound.closed(SILENCE)]


@dataclass(slots=True)
class _Open:
    """A stretch that is still going on."""

    start_ns: int
    end_ns: int
    level_db: float

    def grow(self, end_ns: int, level_db: float) -> None:
        self.end_ns = end_ns
        self.level_db = max(self.level_db, level_db)

    def closed(self, label: str) -> Sound:
        return Sound(
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            label=label,
            level_db=round(self.level_db, 1),
        )


def to_db(power: float) -> float:
    """Return a mean square as dB full scale, at least -100."""
    return 10.0 * math.log10(max(power, 1e-10))
