"""The two worlds that the demo plays: the scripted one, and the one the preset tiny was trained on.

The questions of the second are judged as the memory benchmark judges them (`scoring_memory.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from omnilive.evaluation.memory_worlds import as_memory_question
from omnilive.evaluation.scoring import Asked
from omnilive.evaluation.scoring_memory import MemoryAnswer, score_answer
from omnilive.events import NS_PER_S
from omnilive.media.synthetic import World, render
from omnilive.media.synthetic.daily.records import DailyQuestion
from omnilive.media.synthetic.daily.rendering import render_daily
from omnilive.media.synthetic.daily.world import DailyWorld
from omnilive.media.synthetic.records import TruthSpan

_NUM_QUESTIONS = 24


class DemoWorld(Protocol):
    """A world whose truth is known."""

    @property
    def questions(self) -> Sequence[Asked]:
        """What is asked at its end."""
        ...

    def render(self, path: Path, progress: Callable[[float], None]) -> None:
        """Write it as a video; `progress` is told the seconds that are done."""
        ...


class ScriptedWorld:
    """The first world: a script, screens and speech."""

    def __init__(self, *, seed: int, seconds: float) -> None:
        self._world = World(seed=seed, duration_s=seconds)
        self.questions: Sequence[Asked] = self._world.questions

    def render(self, path: Path, progress: Callable[[float], None]) -> None:
        """Write it as a video; `progress` is told the seconds that are done."""
        render(self._world, path, progress=progress)


class DailyDemoWorld:
    """The second world: things, places, actions, signs, sounds, talk; of the test split."""

    def __init__(self, *, seed: int, seconds: float) -> None:
        self._world = DailyWorld(seed, seconds, "test")
        self.questions: Sequence[Asked] = [
            DailyAsked.of(each, f"q{number}")
            for number, each in enumerate(self._world.questions(_NUM_QUESTIONS), 1)
        ]

    def render(self, path: Path, progress: Callable[[float], None]) -> None:
        """Write it as a video; `progress` is told the seconds that are done."""
        render_daily(self._world, path, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyAsked:
    """A question of the daily world, as the demo asks and judges it (`scoring.Asked`)."""

    id: str
    kind: str
    text: str
    must_contain: tuple[tuple[str, ...], ...]
    truth: tuple[TruthSpan, ...]
    known: bool
    question: DailyQuestion

    @classmethod
    def of(cls, question: DailyQuestion, name: str) -> DailyAsked:
        """Return a question of the world under a name."""
        return cls(
            id=name,
            kind=question.kind,
            text=question.text,
            must_contain=((question.answer,),) if question.known else (),
            truth=tuple(
                TruthSpan(one.start_ns / NS_PER_S, one.end_ns / NS_PER_S)
                for one in question.evidence
            ),
            known=question.known,
            question=question,
        )

    def accepts(self, answer: str) -> bool:
        """Return whether the words of `answer` hold what is asked for."""
        asked = as_memory_question(self.question, "world", self.id)
        return score_answer(asked, MemoryAnswer(text=answer, known=True)).right is True

    def touches(self, start_s: float, end_s: float) -> bool:
        """Return whether a cited span touches the truth."""
        return any(start_s <= span.end_s and span.start_s <= end_s for span in self.truth)
