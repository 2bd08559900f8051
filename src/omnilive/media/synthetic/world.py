"""A synthetic world: a plan from a seed, an exact log, and questions with answers."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from omnilive.errors import UsageError
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.planning import (
    WorldConfig,
    num_places,
    plan_life,
    plan_still,
    plan_talk,
)
from omnilive.media.synthetic.questions import make_questions
from omnilive.media.synthetic.records import (
    Record,
    Said,
    Segment,
    Silence,
    Sound,
    WorldQuestion,
)
from omnilive.media.synthetic.script import Script
from omnilive.media.synthetic.voices import Voices

_SHORTEST_S = 8.0
_SILENCE_NS = 5 * NS_PER_S  # a shorter pause is not logged


class World:
    """What happens in a stream that does not exist; equal arguments give equal worlds.

    Segments are planned when they are needed and soon forgotten, so a world of a day costs
    little more memory than one of a minute.

    Args:
        seed: any integer.
        duration_s: at least 8 seconds.
        config: what kind of world.

    Raises:
        UsageError: the duration is too short.
    """

    def __init__(self, seed: int, duration_s: float, config: WorldConfig | None = None) -> None:
        if not duration_s >= _SHORTEST_S:
            raise UsageError(f"A world lasts at least {_SHORTEST_S:g} s, not {duration_s:g} s.")
        self.seed = seed
        self.config = config or WorldConfig()
        self.duration_ns = round(duration_s * 1000) * 1_000_000
        self.voices = Voices()
        still = self.config.kind == "still"
        self.num_segments = 1 if still else max(1, round(duration_s / self.config.segment_s))
        self.num_places = num_places(self._bounds(0)[1])
        self.script = Script(seed, self.num_segments, self.num_places)
        self._planned = functools.lru_cache(maxsize=8)(self._plan)

    @property
    def has_sound(self) -> bool:
        """Whether anything can be heard."""
        return self.config.kind != "still"

    @property
    def segments(self) -> Iterator[Segment]:
        """The segments in order of time, planned one by one."""
        return (self.segment(index) for index in range(self.num_segments))

    @property
    def log(self) -> Iterator[Record]:
        """Everything that happens, in order of its start, planned as it is read."""
        for index, segment in enumerate(self.segments):
            records: list[Record] = [*segment.said, *segment.sounds, *self.silences(index)]
            for scene in segment.scenes:
                records += [scene, *scene.things]
                if scene.text is not None:
                    records.append(scene.text)
            yield from sorted(records, key=lambda one: one.start_ns)

    @property
    def questions(self) -> tuple[WorldQuestion, ...]:
        """What to ask when the world has ended; none of a talk or a still picture."""
        return make_questions(self) if self.config.kind == "life" else ()

    def segment(self, index: int) -> Segment:
        """Return a segment; the same index always gives an equal one."""
        return self._planned(index)

    def segment_at(self, at_ns: int) -> int:
        """Return the number of the segment that holds an instant."""
        index = min(self.num_segments - 1, at_ns * self.num_segments // self.duration_ns)
        # Bounds are whole milliseconds, so the division can be one off.
        while index > 0 and self._bounds(index)[0] > at_ns:
            index -= 1
        while index < self.num_segments - 1 and self._bounds(index)[1] <= at_ns:
            index += 1
        return index

    def silences(self, index: int) -> tuple[Silence, ...]:
        """Return the stretches of at least 5 s without sound that start in a segment.

        The last one may end in a later segment; that before the first sound is the first's.
        """
        if not self.has_sound:
            return ()
        heard = _in_order(self.segment(index))
        begins = [one.end_ns for one in heard]
        ends = [*(one.start_ns for one in heard), self._next_sound(index)]
        if index == 0:
            begins.insert(0, 0)
        else:
            ends.pop(0)
        return tuple(
            Silence(start_ns=start_ns, end_ns=end_ns)
            for start_ns, end_ns in zip(begins, ends, strict=True)
            if end_ns - start_ns >= _SILENCE_NS
        )

    def _next_sound(self, index: int) -> int:
        """Return where it sounds again after a segment; the end of the world if never."""
        for later in range(index + 1, self.num_segments):
            heard = _in_order(self.segment(later))
            if heard:
                return heard[0].start_ns
        return self.duration_ns

    def _bounds(self, index: int) -> tuple[int, int]:
        ms = self.duration_ns // 1_000_000
        start, end = (edge * ms // self.num_segments for edge in (index, index + 1))
        return start * 1_000_000, end * 1_000_000

    def _plan(self, index: int) -> Segment:
        span = self._bounds(index)
        if self.config.kind == "still":
            return plan_still(self.seed, span)
        if self.config.kind == "talk":
            return plan_talk(self.seed, index, span, self.voices)
        is_last = index == self.num_segments - 1
        return plan_life(self.seed, index, span, self.num_places, self.script, self.voices, is_last)


def talk(seed: int, duration_s: float) -> World:
    """Return a talk: speech throughout, and a slide every 20 to 60 s."""
    return World(seed, duration_s, WorldConfig(kind="talk"))


def still_with_clock(seed: int, duration_s: float, grain: int = 4) -> World:
    """Return a noisy picture in which nothing changes but a digital clock in a corner."""
    return World(seed, duration_s, WorldConfig(kind="still", grain=grain))


def _in_order(segment: Segment) -> list[Said | Sound]:
    return sorted((*segment.said, *segment.sounds), key=lambda one: one.start_ns)
