"""Streams put together from the pool's clips, with questions about them and where the answers lie.

Half of the streams are hard: many of their clips share a thing or the place with one of them, so
that a question has to be read to its last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

import torch
from torch import Tensor

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.questions import SEEN_KINDS, Asking
from omnilive.media.synthetic.daily.records import (
    DailyQuestion,
    DailyQuestionKind,
    DailyScene,
)
from omnilive.nn.clip_text import TimeOrigin, clip_text
from omnilive.training.clip_pool import moved, pool_scene

LATEST_S = 8000
"""Streams begin within so many seconds of their origin (`memory.compressor.origin_s`)."""
_ORIGIN = TimeOrigin("epoch", 0)


@dataclass(frozen=True, slots=True)
class Stream:
    """Clips one after the other.

    Attributes:
        numbers: of the pool's clips.
        scenes: what they show, at their times in the stream.
        questions: about them, asked when they are over.
    """

    numbers: tuple[int, ...]
    scenes: tuple[DailyScene, ...]
    questions: tuple[DailyQuestion, ...]

    def targets(self) -> Tensor:
        """Return how much each question means each clip, (Q, K); a row adds up to 1, or is 0."""
        targets = torch.zeros(len(self.questions), len(self.scenes))
        at = {scene.start_ns: number for number, scene in enumerate(self.scenes)}
        for row, question in enumerate(self.questions):
            for span in question.evidence:
                targets[row, at[span.start_ns]] = 1.0 / len(question.evidence)
        return targets


@dataclass(frozen=True)
class StreamSource:
    """Draws streams.

    Attributes:
        split: of the pool.
        num_clips: clips in the pool.
        shortest, longest: clips of a stream.
        num_questions: at most so many a stream.
        kinds: of questions.
        hard: share of hard streams.
    """

    split: Split
    num_clips: int
    shortest: int = 32
    longest: int = 32
    num_questions: int = 24
    kinds: tuple[DailyQuestionKind, ...] = SEEN_KINDS
    hard: float = 0.5

    @cached_property
    def _alike(self) -> dict[str, list[int]]:
        """Clips by what they have in common: a kind of thing, or the place."""
        alike: dict[str, list[int]] = {}
        for number in range(self.num_clips):
            scene = pool_scene(self.split, number)
            for name in {scene.place, *(group.kind for group in scene.groups)}:
                alike.setdefault(name, []).append(number)
        return alike

    def numbers(self, rng: Random) -> list[int]:
        """Return the clips of one stream, no clip twice."""
        wanted = min(rng.randint(self.shortest, self.longest), self.num_clips)
        chosen: set[int] = set()
        if rng.random() < self.hard:
            one = pool_scene(self.split, rng.randrange(self.num_clips))
            for name in (one.place, *(group.kind for group in one.groups[:1])):
                alike = self._alike[name]
                chosen.update(rng.sample(alike, min(len(alike), wanted // 3)))
        while len(chosen) < wanted:
            chosen.add(rng.randrange(self.num_clips))
        numbers = sorted(chosen)[:wanted]
        rng.shuffle(numbers)
        return numbers

    def stream(self, rng: Random) -> Stream:
        """Return one stream with its questions."""
        numbers = self.numbers(rng)
        scenes = placed(self.split, numbers, rng.randrange(LATEST_S))
        asking = Asking(scenes)
        questions: list[DailyQuestion] = []
        for _ in range(3 * self.num_questions):
            asked = asking.draw(rng, rng.choice(self.kinds))
            if asked is not None:
                questions.append(asked)
            if len(questions) == self.num_questions:
                break
        return Stream(tuple(numbers), tuple(scenes), tuple(questions))


def placed(split: Split, numbers: Sequence[int], start_s: int) -> list[DailyScene]:
    """Return scenes of the pool, one after the other from a second on."""
    scenes = []
    at_ns = start_s * NS_PER_S
    for number in numbers:
        scene = moved(pool_scene(split, number), at_ns)
        scenes.append(scene)
        at_ns = scene.end_ns
    return scenes


def text_of(scene: DailyScene) -> str:
    """Return the sentence in front of a clip."""
    return clip_text(scene.start_ns, scene.end_ns, _ORIGIN)
