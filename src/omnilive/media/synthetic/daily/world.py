"""The daily world as a stream of any length: planned as it is read, an exact log, questions."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias, get_args

from omnilive.errors import ConfigError, UsageError
from omnilive.media.synthetic.daily.catalogue import SPLITS, Split
from omnilive.media.synthetic.daily.planning import no_talk, plan_stretch
from omnilive.media.synthetic.daily.questions import Asking
from omnilive.media.synthetic.daily.records import (
    Action,
    DailyQuestion,
    DailyQuestionKind,
    DailyScene,
    Group,
    Noise,
    Sign,
)
from omnilive.media.synthetic.daily.talking import Fact, Talker
from omnilive.media.synthetic.records import Said

DailyRecord: TypeAlias = DailyScene | Group | Action | Sign | Noise | Said
QUESTION_KINDS: tuple[DailyQuestionKind, ...] = get_args(DailyQuestionKind)
_SHORTEST_S = 8.0
_STRETCH_S = 60
_TRIES = 30  # not every kind can be asked about every scene


@dataclass(frozen=True, slots=True)
class DailyConfig:
    """What there is besides pictures.

    Attributes:
        talk: whether people talk.
        requests: the share of talk that is meant for the system.
        noise_db: by how much speech is louder than the room, from and to.

    Raises:
        ConfigError: a value is out of range.
    """

    talk: bool = True
    requests: float = 0.15
    noise_db: tuple[float, float] = (10.0, 40.0)

    def __post_init__(self) -> None:
        if not 0.0 <= self.requests <= 1.0:
            raise ConfigError(f"requests is {self.requests}; it must be 0 to 1.")
        low, high = self.noise_db
        if not 0.0 <= low <= high:
            raise ConfigError(f"noise_db is {self.noise_db}; it must be two rising numbers.")


@dataclass(frozen=True, slots=True)
class Stretch:
    """About a minute of the world.

    Attributes:
        scenes: one after the other, without gaps.
        facts: of what people said to each other.
        requests: what was said to the system.
    """

    scenes: tuple[DailyScene, ...]
    facts: tuple[Fact, ...] = ()
    requests: tuple[Said, ...] = ()


class DailyWorld:
    """What happens in a stream that does not exist; equal arguments give equal worlds.

    Stretches of a minute are planned when they are needed and soon forgotten, so that a day costs
    no more memory than a minute; only questions about the past have to look at all of it.

    Args:
        seed: any integer.
        duration_s: at least 8 seconds; made for 1 minute to 24 hours.
        split: which things and voices may appear.
        config: what there is besides pictures.

    Raises:
        UsageError: the duration is too short, or there is no such split.
    """

    def __init__(
        self,
        seed: int,
        duration_s: float,
        split: Split = "train",
        config: DailyConfig | None = None,
    ) -> None:
        if not duration_s >= _SHORTEST_S:
            raise UsageError(f"A world lasts at least {_SHORTEST_S:g} s, not {duration_s:g} s.")
        if split not in SPLITS:
            raise UsageError(f"There is no split {split!r}; use {', '.join(SPLITS)}.")
        self.seed = seed
        self.split: Split = split
        self.config = config or DailyConfig()
        self.duration_ns = round(duration_s * 1000) * 1_000_000
        self.num_stretches = max(1, round(duration_s / _STRETCH_S))
        self._planned = functools.lru_cache(maxsize=4)(self._plan)

    @property
    def scenes(self) -> Iterator[DailyScene]:
        """The scenes in order of time, planned as they are read."""
        for index in range(self.num_stretches):
            yield from self.stretch(index).scenes

    @property
    def log(self) -> Iterator[DailyRecord]:
        """Everything that happens, in order of its start, planned as it is read."""
        for scene in self.scenes:
            records: list[DailyRecord] = [scene, *scene.groups, *scene.noises, *scene.said]
            records += [action for group in scene.groups for action in group.actions]
            records += [scene.sign] if scene.sign is not None else []
            yield from sorted(records, key=lambda one: one.start_ns)

    def stretch(self, index: int) -> Stretch:
        """Return a stretch; the same index always gives an equal one."""
        return self._planned(index)

    def scene_at(self, at_ns: int) -> DailyScene:
        """Return the scene of an instant; the last one when the world has ended."""
        index = min(self.num_stretches - 1, at_ns * self.num_stretches // self.duration_ns)
        # Bounds are whole milliseconds, so the division can be one off.
        while index > 0 and self._bounds(index)[0] > at_ns:
            index -= 1
        while index < self.num_stretches - 1 and self._bounds(index)[1] <= at_ns:
            index += 1
        scenes = self.stretch(index).scenes
        return next((scene for scene in scenes if at_ns < scene.end_ns), scenes[-1])

    def asking(self, asked_ns: int | None = None) -> Asking:
        """Return what may be asked at an instant (the end if None), of all that was until then.

        It holds every scene so far: about 40 MB for a day.

        Raises:
            UsageError: nothing has happened by then.
        """
        until_ns = self.duration_ns if asked_ns is None else asked_ns
        if until_ns <= 0:
            raise UsageError("Nothing has happened yet; ask later.")
        scenes: list[DailyScene] = []
        facts: list[tuple[str, str, DailyScene]] = []
        for index in range(self.num_stretches):
            if self._bounds(index)[0] >= until_ns:
                break
            stretch = self.stretch(index)
            told = {fact.said: fact for fact in stretch.facts}
            for scene in stretch.scenes:
                if scene.start_ns >= until_ns:
                    break
                seen = scene if scene.end_ns <= until_ns else _until(scene, until_ns)
                scenes.append(seen)
                facts += [
                    (told[said].question, told[said].answer, seen)
                    for said in seen.said
                    if said in told
                ]
        return Asking(scenes, facts, until_ns)

    def questions(
        self,
        num_questions: int = 24,
        kinds: Sequence[DailyQuestionKind] = QUESTION_KINDS,
        asked_ns: int | None = None,
        seed: int = 0,
    ) -> tuple[DailyQuestion, ...]:
        """Return questions with answers, of the kinds in turn; no text twice.

        Fewer come back where the world has not enough to ask about.

        Args:
            num_questions: at most so many.
            kinds: which.
            asked_ns: when they are asked; when the world has ended if None.
            seed: of what is asked.

        Raises:
            UsageError: nothing has happened by then.
        """
        rng = Random(f"questions {self.seed} {self.split} {seed}")
        asking = self.asking(asked_ns)
        asked: dict[str, DailyQuestion] = {}
        for number in range(num_questions):
            for _ in range(_TRIES):
                question = asking.draw(rng, kinds[number % len(kinds)])
                if question is not None and question.text not in asked:
                    asked[question.text] = question
                    break
        return tuple(asked.values())

    def _bounds(self, index: int) -> tuple[int, int]:
        ms = self.duration_ns // 1_000_000
        start, end = (edge * ms // self.num_stretches for edge in (index, index + 1))
        return start * 1_000_000, end * 1_000_000

    def _plan(self, index: int) -> Stretch:
        talker = Talker(self.config.requests)
        scenes = plan_stretch(
            f"{self.seed} {index}",
            self.split,
            *self._bounds(index),
            talker if self.config.talk else no_talk,
        )
        # What the talker knows is complete when the last scene is planned.
        planned = tuple(scenes)
        return Stretch(planned, tuple(talker.facts), tuple(talker.requests))


def _until(scene: DailyScene, at_ns: int) -> DailyScene:
    """Return what there was of a scene by an instant that lies in it."""
    groups = tuple(
        replace(
            group,
            end_ns=min(group.end_ns, at_ns),
            actions=tuple(action for action in group.actions if action.end_ns <= at_ns),
        )
        for group in scene.groups
        if group.start_ns < at_ns
    )
    return replace(
        scene,
        end_ns=at_ns,
        groups=groups,
        sign=replace(scene.sign, end_ns=min(scene.sign.end_ns, at_ns)) if scene.sign else None,
        noises=tuple(noise for noise in scene.noises if noise.end_ns <= at_ns),
        said=tuple(said for said in scene.said if said.end_ns <= at_ns),
    )
