"""One recognised segment becomes one utterance a sentence, where a pause shows the border.

A recogniser does better on a long stretch, a citation on a short one. The text says that there
is a border, the voice says where: a sentence ends in the pause nearest to where its letters
would end, and where there is none near by, nothing is split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'])")
_MIN_PAUSE_BLOCKS = 5  # 160 ms without voice
_MAX_OFF_BLOCKS = 24  # 0.8 s of voice between where the pause is and where it was expected
# "Hey Omni." belongs to the question behind it, and "Mr." is no sentence.
_MIN_WORDS = 4


class Sentence(NamedTuple):
    """A part of a segment: its text and the blocks `first` to `end` (not included)."""

    text: str
    first: int
    end: int


def split_at_pauses(text: str, voiced: Sequence[bool]) -> list[Sentence]:
    """Return the sentences of a segment, in order; together they hold all of its text.

    Args:
        text: what was said in it.
        voiced: whether each of its blocks is voiced; the first and the last one are.
    """
    texts = _sentences(text)
    pauses = _pauses(voiced)
    if len(texts) < 2 or not pauses:
        return [Sentence(text, 0, len(voiced))]
    num_voiced = sum(voiced)
    num_letters = [len(re.findall(r"\w", one)) + 1 for one in texts]
    parts: list[Sentence] = []
    begun, first, letters_done = 0, 0, 0
    for i in range(len(texts) - 1):
        letters_done += num_letters[i]
        expected = letters_done / sum(num_letters) * num_voiced
        later = [pause for pause in pauses if pause[0] > first]
        if not later:
            break
        start, end = min(later, key=lambda pause: abs(sum(voiced[: pause[0]]) - expected))
        if abs(sum(voiced[:start]) - expected) > _MAX_OFF_BLOCKS:
            continue
        parts.append(Sentence(" ".join(texts[begun : i + 1]), first, start))
        begun, first = i + 1, end
    return [*parts, Sentence(" ".join(texts[begun:]), first, len(voiced))]


def _sentences(text: str) -> list[str]:
    sentences: list[str] = []
    for one in _END.split(text):
        if sentences and len(sentences[-1].split()) < _MIN_WORDS:
            sentences[-1] += " " + one
        else:
            sentences.append(one)
    return sentences


def _pauses(voiced: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the blocks (start, end) of each pause."""
    pauses: list[tuple[int, int]] = []
    start: int | None = None
    for i, is_voiced in enumerate(voiced):
        if is_voiced:
            if start is not None and i - start >= _MIN_PAUSE_BLOCKS:
                pauses.append((start, i))
            start = None
        elif start is None:
            start = i
    return pauses
