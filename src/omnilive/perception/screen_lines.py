"""Which of the lines in a picture are new, and which have been reported already.

A line counts as the same if its words are nearly the same (a reader slips in a letter now and
then) and it stands where it stood; a long one may have moved (a text that scrolls). Numbers
are never "nearly" the same, except in the time of day, which is no news.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from omnilive.events import TextLine
from omnilive.perception.grid import Cells, cells_of_box

_SAME_SHARE = 0.8  # of the letters
_LONG = 10  # letters from which a line is known wherever it stands
_TIME = re.compile(
    r"(?<!\d)(?:[01]?\d|2[0-3])(?:[:;][0-5]\d(?:[:;.][0-5]\d)?|\.[0-5]\d[:;.][0-5]\d)(?!\d)"
)
_LOOK_ALIKES = str.maketrans("01582i", "olsbzl")


def normalise(text: str) -> str:
    """Return what is compared: no case, spaces or signs, and every time of day alike."""
    return "".join(c for c in _TIME.sub("@", text).casefold() if c.isalnum() or c == "@")


def is_same(one: TextLine, other: TextLine) -> bool:
    """Whether two readings show the same line."""
    first, second = normalise(one.text), normalise(other.text)
    shorter = min(len(first), len(second))
    # A zero may be read as an O today and as itself tomorrow.
    alike = first.translate(_LOOK_ALIKES), second.translate(_LOOK_ALIKES)
    if alike[0] == alike[1]:
        return shorter >= _LONG or _is_near(one, other)
    if shorter < 4:
        return False
    matcher = SequenceMatcher(None, *alike, autojunk=False)
    if matcher.quick_ratio() < _SAME_SHARE or matcher.ratio() < _SAME_SHARE:
        return False
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "equal" and any(c.isdigit() for c in first[i1:i2] + second[j1:j2]):
            return False
    return shorter >= 2 * _LONG or _is_near(one, other)


def _is_near(one: TextLine, other: TextLine) -> bool:
    """Whether two boxes overlap, or all but touch."""
    height = max(one.bottom - one.top, other.bottom - other.top)
    gap = max(one.top, other.top) - min(one.bottom, other.bottom)
    aside = max(one.left, other.left) - min(one.right, other.right)
    return gap < 0.25 * height and aside < height


class ScreenLines:
    """What is on one stream's screen, as far as it was read."""

    def __init__(self) -> None:
        self._shown: list[TextLine] = []

    def update(
        self, lines: Sequence[TextLine], differs: Cells, masked: Cells
    ) -> tuple[TextLine, ...]:
        """Take a reading; return the lines that were not on the screen before.

        Args:
            lines: what was read.
            differs: cells that changed since the last reading.
            masked: cells that change all the time; nothing in them is text to remember.
        """
        read = [line for line in lines if normalise(line.text) and _share(line, masked) < 0.5]
        new = [line for line in read if not any(is_same(line, shown) for shown in self._shown)]
        # A line that was not read this time is still there if nothing changed where it stands.
        still = [
            shown
            for shown in self._shown
            if _share(shown, differs) < 0.15 and not any(is_same(shown, line) for line in read)
        ]
        self._shown = [*read, *still]
        return tuple(new)


def _share(line: TextLine, cells: Cells) -> float:
    """Return which share of a line's cells is set."""
    return float(cells[cells_of_box(line.left, line.top, line.right, line.bottom)].mean())
