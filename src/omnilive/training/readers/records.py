"""What the readers of public sets give: one small record for each thing that can be learned from.

Seconds count from the start of the file; an end of None means the end of the file, for sets whose
annotations do not say how long it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias


class Turn(NamedTuple):
    """A question and its answer; the question is "" where a set only describes."""

    question: str
    answer: str


class Seconds(NamedTuple):
    """A stretch of a file."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Somebody says something: recognition.

    Attributes:
        audio: a file of sound, or of video with sound.
        start_s, end_s: where in it.
        text: what is said, as the set writes it, without its marks for noises.
        language: "en", "zh", ... as of BCP 47; "" if the set does not say.
    """

    audio: Path
    start_s: float
    end_s: float | None
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class SoundLabel:
    """Something sounds: classification.

    Attributes:
        audio: a file of sound.
        start_s, end_s: where in it.
        labels: names of what is heard, at least one, in the set's order.
    """

    audio: Path
    start_s: float
    end_s: float | None
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VideoCaption:
    """A stretch of a video and its description: clip compression, integration, retrieval.

    Attributes:
        video: a file.
        start_s, end_s: where in it.
        text: what is seen.
    """

    video: Path
    start_s: float
    end_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class VideoDialogue:
    """Questions and answers about a video: reasoning.

    Attributes:
        video: a file.
        turns: at least one, in order.
        start_s, end_s: the stretch that is talked about.
    """

    video: Path
    turns: tuple[Turn, ...]
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class GroundedQuestion:
    """A question about a video with what proves its answer, or with choices: retrieval, reasoning.

    Attributes:
        video: a file.
        question: what is asked.
        answer: "" where the set only says when it is to be seen.
        spans: where in the video the evidence lies; empty where the set does not say.
        choices: what may be answered; empty for free answers.
    """

    video: Path
    question: str
    answer: str
    spans: tuple[Seconds, ...] = ()
    choices: tuple[str, ...] = ()


Record: TypeAlias = Speech | SoundLabel | VideoCaption | VideoDialogue | GroundedQuestion
