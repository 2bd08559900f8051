"""Plans what is said in the daily world: people to each other, and now and then to the system."""

from __future__ import annotations

import zlib
from random import Random
from typing import NamedTuple

from omnilive.events import NS_PER_S, SAMPLE_RATE, Word
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.phrasebook import instructions, line
from omnilive.media.synthetic.daily.voices import Saying, Voice, say, voice_named, voices_of
from omnilive.media.synthetic.records import Said

_PAUSE_NS = 300_000_000  # at least so long before, between and after sentences
_TRIES = 4  # a sentence too long for its scene is exchanged for another so often


class Fact(NamedTuple):
    """What can be known from something said: a question about it, and the answer."""

    question: str
    answer: str
    said: Said


class Talker:
    """Plans talk, and remembers what can be asked about it (`planning.Talk`).

    Args:
        requests: the share of talk that is meant for the system.

    Attributes:
        facts: of all that was planned, in order.
        requests: what was said to the system, in order.
    """

    def __init__(self, requests: float) -> None:
        self._share = requests
        self.facts: list[Fact] = []
        self.requests: list[Said] = []

    def __call__(self, rng: Random, split: Split, start_ns: int, end_ns: int) -> tuple[Said, ...]:
        """Return one sentence or two, by different voices, between a start and an end."""
        speakers = rng.sample(voices_of(split), 2)
        if rng.random() < self._share:
            spoken = _that_fits(rng, speakers[0], start_ns, end_ns, instructions(rng, split))
            self.requests += [spoken] if spoken else []
            return (spoken,) if spoken else ()
        said: list[Said] = []
        for speaker in speakers[: rng.choice((1, 1, 2))]:
            for _ in range(_TRIES):
                told = line(rng, split)
                spoken = _that_fits(rng, speaker, start_ns, end_ns, told.text)
                if spoken is not None:
                    said.append(spoken)
                    self.facts.append(Fact(told.question, told.answer, spoken))
                    start_ns = spoken.end_ns
                    break
        return tuple(said)


def sound_of(said: Said) -> Saying:
    """Return how something said sounds; its samples last as long as its span."""
    return _spoken(said.text, voice_named(said.voice))


def _spoken(text: str, voice: Voice) -> Saying:
    return say(text, voice, zlib.crc32(text.encode()))


def _that_fits(rng: Random, speaker: Voice, start_ns: int, end_ns: int, text: str) -> Said | None:
    """Return a sentence at some time between two instants; None if it is too long."""
    saying = _spoken(text, speaker)
    lasts_ns = round(saying.samples.size * NS_PER_S / SAMPLE_RATE)
    free_ns = end_ns - start_ns - lasts_ns - 2 * _PAUSE_NS
    if free_ns < 0:
        return None
    # Whole milliseconds, at most half of the room: another sentence may follow.
    at_ns = start_ns + _PAUSE_NS + rng.randrange(free_ns // 2_000_000 + 1) * 1_000_000
    return Said(
        start_ns=at_ns,
        end_ns=at_ns + lasts_ns,
        text=text,
        voice=speaker.name,
        words=tuple(
            Word(
                word.text,
                at_ns + round(word.start_s * NS_PER_S),
                at_ns + round(word.end_s * NS_PER_S),
            )
            for word in saying.words
        ),
    )
