"""The guard against our own voice: is what the microphone hears what we are saying ourselves?

Two things are asked. Does it sound like it: band levels against those of the sound that went out
(`echo_match`), which also finds a person who talks over it, as what the echo does not explain. And
does it say so: words that are mostly contained, in order, in what was being said, however badly the
recogniser heard them. Nothing here costs anything while nothing is being said.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np

from omnilive.errors import ConfigError
from omnilive.events import NS_PER_S, SAMPLE_RATE, OwnSpeech, Samples
from omnilive.perception.echo_match import FRAME, HOP, HOP_NS, EchoMatch, band_levels
from omnilive.perception.sound_blocks import SAMPLE_NS, SoundBlock
from omnilive.perception.voice_activity import BLOCK_NS, BLOCK_SAMPLES

_MAX_SECONDS = 60  # of sound that was announced and not yet heard
_MAX_PHRASES = 64
_CHARACTER_NS = 65_000_000  # of ordinary speech
_JOIN_NS = 250_000_000  # pieces of a phrase this near to each other are one
_BEFORE_BLOCKS = 10  # how far back the microphone is known when the system begins to speak
_TALKED_OVER_HOPS = 10
# Shares of what is heard that the echo does not explain: measured in docs/results.md.
_OWN_AT_MOST = 0.12
_NEW_AT_MOST = 0.05  # while it is hardly known yet how an echo sounds
_KNOWN_HOPS = 30
_LEAST_HEARD = 10  # hops: less than 160 ms of sound proves nothing
_WELL_KNOWN_HOPS, _LEAST_HEARD_THEN = 90, 4
_AGREES = 0.6
_PERSON_FROM = 0.25


@dataclass(frozen=True, kw_only=True)
class OwnVoiceConfig:
    """How the system's own voice is told from a person's.

    Attributes:
        enabled: whether it is.
        max_delay_ms: an echo comes at most this late.
        min_share: share of recognised words that must be among what was being said.
    """

    enabled: bool = True
    max_delay_ms: int = 800
    min_share: float = 0.75

    def __post_init__(self) -> None:
        if not 32 <= self.max_delay_ms <= 3000:
            raise ConfigError("own_voice.max_delay_ms must be between 32 and 3000.")
        if not 0.5 <= self.min_share <= 1:
            raise ConfigError("own_voice.min_share must be between 0.5 and 1.")


@dataclass(frozen=True, slots=True)
class _Phrase:
    start_ns: int
    end_ns: int
    text: str


class OwnVoice:
    """What one stream hears of what the system says into its room."""

    def __init__(self, config: OwnVoiceConfig) -> None:
        self._config = config
        self._max_delay_ns = config.max_delay_ms * 1_000_000
        self._match = EchoMatch(config.max_delay_ms * 1_000_000 // HOP_NS)
        self._sent: deque[tuple[int, Samples]] = deque()  # (stream time of the first sample, sound)
        self._phrases: deque[_Phrase] = deque(maxlen=_MAX_PHRASES)
        self._recent: deque[SoundBlock] = deque(maxlen=_BEFORE_BLOCKS + 1)
        self._is_awake = False

    def take(self, event: OwnSpeech) -> None:
        """Note what goes out."""
        if not self._config.enabled or len(event.samples) == 0:
            return
        num_waiting = sum(len(samples) for _, samples in self._sent)
        if num_waiting + len(event.samples) > _MAX_SECONDS * SAMPLE_RATE:
            return  # far more than can be waiting: the stream's time has stopped
        self._sent.append((event.at_ns, event.samples))
        end_ns = event.at_ns + len(event.samples) * SAMPLE_NS
        last = self._phrases[-1] if self._phrases else None
        if last is not None and not event.text and event.at_ns - last.end_ns <= _JOIN_NS:
            self._phrases[-1] = replace(last, end_ns=end_ns)
        else:
            self._phrases.append(_Phrase(event.at_ns, end_ns, event.text))

    def hear(self, block: SoundBlock) -> None:
        """Take the next block of the microphone."""
        if self._is_awake:
            self._compare(self._recent[-1], block)
        elif self._sent and self._sent[0][0] < block.end_ns:
            self._is_awake = True
            self._match.pause()
            before = [*self._recent, block]
            for one, other in zip(before, before[1:], strict=False):
                self._compare(one, other)
        self._recent.append(block)
        horizon_ns = block.at_ns - 2 * BLOCK_NS
        while self._sent and _end_ns(self._sent[0]) <= horizon_ns:
            self._sent.popleft()
        if self._is_awake and not self._sent and self._match.is_idle:
            self._is_awake = False

    def pause(self) -> None:
        """The sound breaks off: what comes next does not follow on."""
        self._recent.clear()
        self._is_awake = False

    def is_own(self, start_ns: int, end_ns: int) -> bool:
        """Whether the voice of a stretch that ends now is the system's own, by its sound."""
        if not self._is_awake:
            return False
        shares = self._match.unexplained(max((end_ns - start_ns) // HOP_NS, 1))
        is_well_known = self._match.num_known >= _WELL_KNOWN_HOPS
        least = _LEAST_HEARD_THEN if is_well_known else _LEAST_HEARD
        if shares is None or np.count_nonzero(~np.isnan(shares)) < least:
            return False
        share = float(np.nanmean(shares))
        if self._match.num_known >= _KNOWN_HOPS:
            return share <= _OWN_AT_MOST
        return share <= _NEW_AT_MOST and self._match.agreement >= _AGREES

    def talked_over_since(self, end_ns: int) -> int | None:
        """Return since when somebody talks over the system's voice; None if nobody does."""
        shares = self._match.unexplained(_TALKED_OVER_HOPS) if self._is_awake else None
        if not self._is_awake:
            return end_ns - BLOCK_NS  # a voice that goes on where none of ours can be
        if shares is None or len(shares) < _TALKED_OVER_HOPS:
            return None
        shares = np.nan_to_num(shares)
        if float(shares.mean()) < _PERSON_FROM:
            return None
        first = int(np.argmax(shares >= _PERSON_FROM))
        return end_ns - (len(shares) - first) * HOP_NS

    def said_it(self, text: str, start_ns: int, end_ns: int) -> bool:
        """Whether words heard in a stretch are what was being said then."""
        heard = _words(text)
        if len(heard) < 2:
            return False  # one word may be an answer to what was said
        said = [word for one in self._overlapping(start_ns, end_ns) for word in _words(one.text)]
        return _share_in_order(heard, said) >= self._config.min_share

    def words_in(self, start_ns: int, end_ns: int) -> str:
        """Return the words whose echo fell into a stretch, as far as phrases tell."""
        delay_ns = self._match.delay_ns
        start_ns, end_ns = start_ns - delay_ns, end_ns - delay_ns
        found: list[str] = []
        for phrase in self._phrases:
            words = phrase.text.split()
            length = max(phrase.end_ns - phrase.start_ns, 1)
            if phrase is self._phrases[-1]:
                # More of it may still be to come than has gone out.
                length = max(length, len(phrase.text) * _CHARACTER_NS)
            for i, word in enumerate(words):
                middle_ns = phrase.start_ns + int((i + 0.5) / len(words) * length)
                if start_ns <= middle_ns < end_ns:
                    found.append(word)
        return " ".join(found)

    def _overlapping(self, start_ns: int, end_ns: int) -> list[_Phrase]:
        reach_ns = self._max_delay_ns + NS_PER_S // 5
        return [
            phrase
            for phrase in self._phrases
            if phrase.start_ns < end_ns and phrase.end_ns + reach_ns > start_ns
        ]

    def _compare(self, before: SoundBlock, block: SoundBlock) -> None:
        heard = np.concatenate([before.samples, block.samples])
        sent = self._sent_in(block.at_ns - BLOCK_NS)
        for end in range(BLOCK_SAMPLES + HOP, len(heard) + 1, HOP):
            self._match.push(
                band_levels(sent[end - FRAME : end]), band_levels(heard[end - FRAME : end])
            )

    def _sent_in(self, start_ns: int) -> Samples:
        """Return what went out in two blocks of time; zeros where nothing did."""
        sound = np.zeros(2 * BLOCK_SAMPLES, np.float32)
        for at_ns, samples in self._sent:
            place = round((at_ns - start_ns) / SAMPLE_NS)
            first, last = max(place, 0), min(place + len(samples), len(sound))
            if first < last:
                sound[first:last] = samples[first - place : last - place]
        return sound


def _end_ns(piece: tuple[int, Samples]) -> int:
    return piece[0] + len(piece[1]) * SAMPLE_NS


def _words(text: str) -> list[str]:
    # Han characters are words of their own: nothing divides them.
    return re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:'[^\W_]+)*", text.casefold())


def _share_in_order(heard: Sequence[str], said: Sequence[str]) -> float:
    """Return the share of the heard words that match said ones in order (weighted by letters).

    The longest common subsequence; two words match if most of their letters do.
    """
    if not heard or not said:
        return 0.0
    best = [0.0] * (len(said) + 1)
    for word in heard:
        row = [0.0]
        for j, other in enumerate(said):
            match = best[j] + len(word) * _alike(word, other)
            row.append(max(match, best[j + 1], row[j]))
        best = row
    return best[-1] / sum(len(word) for word in heard)


def _alike(word: str, other: str) -> float:
    if word == other:
        return 1.0
    if abs(len(word) - len(other)) > 2 or min(len(word), len(other)) < 3:
        return 0.0
    ratio = SequenceMatcher(None, word, other).ratio()
    return ratio if ratio >= 0.6 else 0.0
