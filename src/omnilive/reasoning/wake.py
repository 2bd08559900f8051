"""The wake phrase, as a recogniser may have heard it.

A small recogniser has never met the name, so "hey omni" comes out as "hey, Omny", "hey on me"
or "hay omni". Letters that sound alike are folded together and the folded phrases compared
exactly; anything looser takes "hey honey" and "hey Tony" for us.
"""

from __future__ import annotations

import re

from omnilive.reasoning.words import is_chinese

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SOUNDS_ALIKE = str.maketrans({"y": "i", "e": "i", "j": "i", "n": "m", "k": "c", "q": "c"})
# Fold to the same letters, but belong to ordinary sentences ("he on me", "hey, on my way").
_NEVER = frozenset({"he", "my"})


def find_wake(text: str, phrases: tuple[str, ...]) -> tuple[int, int] | None:
    """Return where the first wake phrase of `text` starts and ends, in characters, or None."""
    found = [span for phrase in phrases if (span := _find(text, phrase)) is not None]
    return min(found, default=None)


def _find(text: str, phrase: str) -> tuple[int, int] | None:
    if is_chinese(phrase):
        at = text.find(phrase)
        return (at, at + len(phrase)) if at >= 0 else None
    wanted = _WORD.findall(phrase.casefold())
    if not wanted:
        return None
    heard = list(_WORD.finditer(text))
    folded_first, folded_whole = _fold(wanted[0]), _fold("".join(wanted))
    for i in range(len(heard)):
        first = heard[i].group().casefold()
        for length in range(1, len(wanted) + 3):
            window = heard[i : i + length]
            if len(window) < length:
                break
            if length > 1 and (_fold(first) != folded_first or first in _NEVER):
                break
            words = [word.group().casefold() for word in window]
            if words[-1] not in _NEVER and _fold("".join(words)) == folded_whole:
                return window[0].start(), window[-1].end()
    return None


def _fold(letters: str) -> str:
    folded = re.sub(r"\W", "", letters.casefold()).replace("ck", "k").replace("ai", "ei")
    folded = folded.replace("hay", "hey").translate(_SOUNDS_ALIKE)
    return re.sub(r"(.)\1+", r"\1", folded)
