"""What happens in the daily world: the exact log. Times are ns of the world's own time, from 0.

A scene is one place for some seconds; it is what a clip should become. Positions and sizes are
fractions of the picture's side (pictures are square).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from omnilive.media.synthetic.records import Said, Span

DailyQuestionKind: TypeAlias = Literal[
    "attribute",
    "count",
    "order",
    "when",
    "where",
    "said",
    "heard",
    "written",
    "happened",
    "semantics_implicit",
    "reference_implicit",
    "not_seen",
]


class Pose(NamedTuple):
    """Where the middle of a group is and how large it is drawn (1 is its normal size)."""

    x: float
    y: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Span):
    """What a group does, one of `catalogue.ACTIONS`; from one pose evenly to the other."""

    name: str
    before: Pose
    after: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Span):
    """Equal things that stand together; the span is when they are in the picture.

    Attributes:
        kind, colour, texture, size: words of the catalogue.
        count: 1 to 4.
        pose: before its first action.
        actions: in order, without overlap; at most two.
    """

    kind: str
    colour: str
    texture: str
    size: str
    count: int
    pose: Pose
    actions: tuple[Action, ...] = ()

    def pose_at(self, at_ns: int) -> Pose:
        """Return where it is at an instant."""
        pose = self.pose
        for action in self.actions:
            if at_ns >= action.end_ns:
                pose = action.after
            elif at_ns > action.start_ns:
                share = (at_ns - action.start_ns) / (action.end_ns - action.start_ns)
                mixed = (
                    a + share * (b - a) for a, b in zip(action.before, action.after, strict=True)
                )
                return Pose(*mixed)
        return pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(Span):
    """A board with one word of `catalogue.SIGNS`; it stands at the top of the picture."""

    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(Span):
    """A sound that is not speech, one of `catalogue.SOUNDS`."""

    label: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyScene(Span):
    """One place for some seconds.

    Attributes:
        place: of `catalogue.PLACES`.
        seed: of everything that is drawn by chance (shade of the walls, noise).
        groups: in order of their start; never more than three at once.
        sign: if there is one.
        noises: what is heard besides talk.
        said: what others say, with the voice's name.
    """

    place: str
    seed: int
    groups: tuple[Group, ...]
    sign: Sign | None = None
    noises: tuple[Noise, ...] = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyQuestion:
    """A question, and what a right answer is.

    Attributes:
        kind: of the twelve kinds.
        text: as a person asks it.
        answer: the words a right answer holds (lower case); all of them.
        evidence: spans of the scenes that show it; empty where nothing does.
        asked_ns: when it is asked; what comes later does not count.
        about: what is needed to answer it.
        known: False where the right answer is that it was not seen.
    """

    kind: DailyQuestionKind
    text: str
    answer: str
    evidence: tuple[Span, ...]
    asked_ns: int
    about: Literal["past", "present"] = "past"
    known: bool = True

    @property
    def age_ns(self) -> int:
        """How long before the question the newest evidence ended; 0 without evidence."""
        return max(
            0, self.asked_ns - max((one.end_ns for one in self.evidence), default=self.asked_ns)
        )
