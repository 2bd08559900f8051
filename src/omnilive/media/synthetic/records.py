"""What happens in a synthetic world: the exact log, and questions with their answers.

All times are integer nanoseconds of the world's own time, which begins at 0; the properties in
seconds are for people. Positions and sizes are fractions of the picture's width and height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from omnilive.events import NS_PER_S, Word

Colour: TypeAlias = tuple[int, int, int]
SceneKind: TypeAlias = Literal["room", "slide", "sign", "still"]
SoundKind: TypeAlias = Literal["tone", "alarm", "noise"]
QuestionKind: TypeAlias = Literal[
    "said_about",
    "when_said",
    "after_before",
    "how_often",
    "screen_text",
    "when_moved",
    "when_heard",
    "what_happened",
    "what_now",
    "not_seen",
    "unknowable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time."""

    start_ns: int
    end_ns: int

    @property
    def start_s(self) -> float:
        """Where it starts, in seconds."""
        return self.start_ns / NS_PER_S

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds."""
        return self.end_ns / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Span):
    """An utterance; the span is that of its sound, without the pauses around it."""

    text: str
    voice: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Span):
    """A sound that is not speech."""

    kind: SoundKind
    frequency_hz: float
    amplitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Span):
    """Nothing but the hiss of the recording."""


class Waypoint(NamedTuple):
    """Where the middle of a thing is at an instant; in between it moves evenly."""

    at_ns: int
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Span):
    """A coloured shape; with more than one waypoint it moves from the first to the last."""

    shape: Literal["circle", "square", "triangle"]
    colour_name: str
    colour: Colour
    size: float
    path: tuple[Waypoint, ...]

    @property
    def moving(self) -> tuple[int, int] | None:
        """The span in which it moves, as (start_ns, end_ns)."""
        return (self.path[0].at_ns, self.path[-1].at_ns) if len(self.path) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Span):
    """Text in the picture: a title and the lines below it."""

    title: str
    lines: tuple[str, ...]

    @property
    def all_lines(self) -> tuple[str, ...]:
        """Every line, from top to bottom."""
        return (self.title, *self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Span):
    """What the picture shows from one change to the next."""

    kind: SceneKind
    index: int
    background: Colour
    things: tuple[Thing, ...]
    text: Text | None


Record: TypeAlias = Scene | Thing | Text | Said | Sound | Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Span):
    """About a minute of the world: planned as one, from the seed and its number alone."""

    scenes: tuple[Scene, ...]
    said: tuple[Said, ...]
    sounds: tuple[Sound, ...]


class TruthSpan(NamedTuple):
    """A stretch of time that an answer may cite, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldQuestion:
    """A question to ask at the end of the world, and what a right answer holds.

    Attributes:
        must_contain: all of these; of each, any of the alternatives (lower case).
        truth: an answer must cite a moment that touches one of these; empty if none is needed.
        known: False where the right answer says that it was not seen or cannot be known.
    """

    id: str
    kind: QuestionKind
    text: str
    must_contain: tuple[tuple[str, ...], ...]
    truth: tuple[TruthSpan, ...]
    known: bool

    def accepts(self, answer: str) -> bool:
        """Return whether the words of `answer` hold what is asked for."""
        held = f" {_plain(answer)} "
        return all(any(f" {_plain(word)} " in held for word in some) for some in self.must_contain)

    def touches(self, start_s: float, end_s: float) -> bool:
        """Return whether a cited span touches the truth."""
        return any(start_s <= span.end_s and span.start_s <= end_s for span in self.truth)


def _plain(text: str) -> str:
    """Return the words of `text` in lower case, one blank between them."""
    kept = (letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join("".join(kept).split())
