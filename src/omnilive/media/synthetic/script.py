"""Who says and shows what, and when it is due: drawn once from the seed, small for any length.

What a reader would not guess: only facts, refrains and shown texts are placed here; everything
between them follows from the seed and the number of the segment, when that segment is planned.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from omnilive.media.synthetic.vocabulary import (
    DAYS,
    FACTS,
    FILLERS,
    REFRAINS,
    SHOWN,
    Fact,
    Line,
    Refrain,
    Shown,
)


class Slot(NamedTuple):
    """A place for one sentence: number of the segment, and of the sentence in it."""

    segment: int
    place: int


class PlacedFact(NamedTuple):
    """A fact with its blanks filled, and where it is said."""

    fact: Fact
    slot: Slot


class Script:
    """What is said and shown where; equal seeds and sizes give equal scripts."""

    def __init__(self, seed: int, num_segments: int, num_places: int) -> None:
        rng = random.Random(f"script {seed}")
        total = num_segments * num_places
        self._num_places = num_places
        self._fillers = rng.sample(FILLERS, len(FILLERS))
        num_facts = min(len(FACTS), max(1, total // 3))
        count = rng.randint(2, 4) if total >= 6 else 0
        # One fact stands near the end, so that something happened in the last minute.
        late = max(0, total - 2)
        slots = rng.sample([slot for slot in _spread(rng, total, 256) if slot != late],
                           min(total - 1, num_facts - 1 + count))  # fmt: skip
        facts = rng.sample(FACTS, num_facts)
        fact_slots = [*slots[: num_facts - 1], late]
        self.facts = tuple(
            sorted(
                (
                    PlacedFact(_filled(fact, rng), self._slot(at))
                    for fact, at in zip(facts, fact_slots, strict=False)
                ),
                key=lambda placed: placed.slot,
            )
        )
        self.refrain: Refrain | None = rng.choice(REFRAINS) if count else None
        self.refrain_slots = tuple(sorted(self._slot(at) for at in slots[num_facts - 1 :]))
        self._lines: dict[Slot, Line] = {placed.slot: placed.fact.line for placed in self.facts}
        if self.refrain is not None:
            self._lines |= dict.fromkeys(self.refrain_slots, self.refrain.line)
        # The last segment shows a text at its very end: what is there now.
        num_shown = min(len(SHOWN), num_segments)
        segments = [*rng.sample(range(num_segments - 1), num_shown - 1), num_segments - 1]
        shown = rng.sample(SHOWN, num_shown)
        self._shown = dict(sorted(zip(segments, shown, strict=True)))

    @property
    def shown(self) -> dict[int, Shown]:
        """The texts that are asked about, by number of the segment."""
        return dict(self._shown)

    def line(self, slot: Slot) -> Line:
        """Return what is said there."""
        at = slot.segment * self._num_places + slot.place
        return self._lines.get(slot) or self._fillers[at % len(self._fillers)]

    def shown_in(self, segment: int) -> Shown | None:
        """Return the text that this segment shows, if it is one that is asked about."""
        return self._shown.get(segment)

    def _slot(self, at: int) -> Slot:
        return Slot(*divmod(at, self._num_places))


def _spread(rng: random.Random, total: int, at_most: int) -> list[int]:
    """Return distinct numbers below `total`, in order: all of them if there are few."""
    return list(range(total)) if total <= at_most else sorted(rng.sample(range(total), at_most))


def _filled(fact: Fact, rng: random.Random) -> Fact:
    """Return the fact with a day in place of `{day}`."""
    day = rng.choice(DAYS)
    line = fact.line
    return fact._replace(
        line=line._replace(
            sentence=line.sentence.format(day=day),
            answer=tuple(
                tuple(word.format(day=day.lower()) for word in group) for group in line.answer
            ),
        )
    )
