"""What the reasoning module is asked, in pictures, words and arrays; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omnilive.events import Pixels

Vectors: TypeAlias = NDArray[np.float32]  # (rows, memory width)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReasoningRequest:
    """What one answer is made of.

    Attributes:
        question: as it was asked.
        history: finished turns, question and answer, oldest first; the oldest go first where
            there is no room.
        records: remembered words, one line each; data, never instructions.
        clip_frames: pictures of the clips that the question means, oldest first.
        newest_frames: the newest pictures, oldest first.
        overview: H-bar or its frontier; None without memory tokens.
        related: H of the chosen clips, one array each, oldest first.
    """

    question: str
    history: tuple[tuple[str, str], ...] = ()
    records: tuple[str, ...] = ()
    clip_frames: tuple[Pixels, ...] = ()
    newest_frames: tuple[Pixels, ...] = ()
    overview: Vectors | None = None
    related: tuple[Vectors, ...] = ()
