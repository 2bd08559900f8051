"""Held-out daily worlds as subjects of the memory benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.memory_subjects import WorldSubject
from omnilive.events import NS_PER_S, Event, Pixels
from omnilive.media.synthetic.daily.painting import paint
from omnilive.media.synthetic.daily.records import DailyQuestion
from omnilive.media.synthetic.daily.streaming import daily_events
from omnilive.media.synthetic.daily.world import QUESTION_KINDS, DailyWorld
from omnilive.system import Config

MOMENTS = 4
"""In each world questions are asked at so many moments, evenly spread; the last is its end."""
_SIDE = 288


class DailyStream:
    """A daily world as a stream of events."""

    def __init__(self, world: DailyWorld, config: Config) -> None:
        self._world = world
        self._interval_ns = round(config.media.frame_interval_s * NS_PER_S)
        self.duration_ns = world.duration_ns

    def events(self) -> Iterable[Event]:
        """Yield its start, frames, sound, ticks and its end."""
        return daily_events(self._world, frame_interval_ns=self._interval_ns, side=_SIDE)

    def picture(self, at_ns: int) -> Pixels:
        """Return what is seen at an instant."""
        return paint(self._world.scene_at(at_ns), at_ns, _SIDE)


def world_subjects(
    num_seeds: int, duration_s: float, num_questions: int, out: Path, config: Config
) -> list[WorldSubject]:
    """Return the worlds of the test split with the first seeds, each with its questions.

    Args:
        num_seeds: how many worlds.
        duration_s: of each.
        num_questions: asked in each, at `MOMENTS` moments; fewer where there is not enough to ask.
        out: folder of the memories.
        config: how sources are read.

    Raises:
        UsageError: the duration is too short.
    """
    subjects = []
    for seed in range(num_seeds):
        world = DailyWorld(seed, duration_s, split="test")
        name = f"world-{seed}"
        subjects.append(
            WorldSubject(
                name=name,
                seed=seed,
                world=DailyStream(world, config),
                questions=daily_questions(world, name, num_questions),
                store=out / "memories" / name,
            )
        )
    return subjects


def daily_questions(world: DailyWorld, name: str, num_questions: int) -> tuple[MemoryQuestion, ...]:
    """Return questions about a world, asked at several moments of it."""
    made: list[MemoryQuestion] = []
    for moment in range(MOMENTS):
        asked_ns = world.duration_ns * (moment + 1) // MOMENTS
        first = num_questions * moment // MOMENTS
        share = num_questions * (moment + 1) // MOMENTS - first
        # Kinds come in turn over all moments, so that few questions still are of every kind.
        turned = first % len(QUESTION_KINDS)
        kinds = QUESTION_KINDS[turned:] + QUESTION_KINDS[:turned]
        asked = world.questions(share, kinds, asked_ns=asked_ns, seed=moment)
        made += [
            as_memory_question(each, name, f"{moment + 1}-{number}")
            for number, each in enumerate(asked, 1)
        ]
    return tuple(made)


def as_memory_question(question: DailyQuestion, video: str, name: str) -> MemoryQuestion:
    """Return a world's question as one of the benchmark's."""
    asked_s = question.asked_ns / NS_PER_S
    return MemoryQuestion(
        id=name,
        video=video,
        text=question.text,
        ask_time_s=asked_s,
        accepted=(question.answer,) if question.known else (),
        evidence=tuple((one.start_s, min(one.end_s, asked_s)) for one in question.evidence),
        kind=question.kind,
        needs=question.about,
        known=question.known,
    )
