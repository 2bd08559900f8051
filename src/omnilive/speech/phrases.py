"""Cuts a growing answer into phrases that can be spoken, each as soon as it is sure.

What a reader would not guess: whether a mark ends a phrase is decided only when the characters
that decide it have come, never by where a delta happened to end; so any way of cutting the text
into deltas gives the same phrases.
"""

from __future__ import annotations

import re

_ENDS = frozenset(".?!;:\u2026")
_WIDE_ENDS = frozenset("\u3002\uff01\uff1f\uff1b\uff1a")  # these need no blank after them
_WIDE_COMMAS = frozenset("\uff0c\u3001")
_CLOSERS = frozenset("\"')]}\u2019\u201d\u300d\u300f\uff09\u300b")
# A full stop after these never ends a phrase.
_TITLES = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "e.g", "i.e", "cf", "approx")
    + ("no", "fig", "vol", "dept", "est", "max", "min")
)
# A full stop after these ends one only before a capital letter.
_TRAILING = frozenset(["etc", "a.m", "p.m", "inc", "ltd", "co", "u.s", "u.k"])
_LAST_WORD = re.compile(r"[^\s(\[\"']*\Z")
_LONGEST_BRACKET = 80  # an opening bracket without its partner must not swallow the answer


class PhraseSplitter:
    """Text deltas of one answer in, speakable phrases out.

    Args:
        min_clause_chars: a comma ends a phrase that is at least so long (a wide comma: a third).
        max_phrase_chars: a phrase without any mark is cut at the last blank before this.
    """

    def __init__(self, min_clause_chars: int = 60, max_phrase_chars: int = 200) -> None:
        self._min_clause = min_clause_chars
        self._max_phrase = max_phrase_chars
        self._text = ""

    def push(self, delta: str) -> list[str]:
        """Take more text; return the phrases that became sure, in order."""
        self._text += delta
        phrases: list[str] = []
        start = 0
        while (length := self._first_end(self._text[start:])) > 0:
            _keep(phrases, self._text[start : start + length])
            start += length
        self._text = self._text[start:]
        return phrases

    def flush(self) -> list[str]:
        """Return what is left at the end of the answer, and forget it."""
        # A line break is an end of its own, so what waited for a next character is decided.
        phrases = self.push("\n")
        _keep(phrases, self._text)
        self._text = ""
        return phrases

    def _first_end(self, text: str) -> int:
        """Return how long the first phrase of `text` is; 0 while that is not sure."""
        bracket = -1
        for index, mark in enumerate(text):
            if index >= self._max_phrase:
                blank = text.rfind(" ", 0, index)
                return blank + 1 if blank > 0 else index
            if mark == "\n":
                return index + 1
            if mark == "[":
                bracket = index
            elif mark == "]" or index - bracket > _LONGEST_BRACKET:
                bracket = -1
            # A list of citations is one thing; its commas and colons end nothing.
            if bracket >= 0:
                continue
            if mark in _ENDS or mark in _WIDE_ENDS:
                after = _skip_closers(text, index + 1)
                if after == len(text):
                    return 0
                if mark in _WIDE_ENDS or text[after].isspace():
                    sure = self._is_end(text, index, after)
                    if sure is None:
                        return 0
                    if sure:
                        return after
            elif (mark == "," and index + 1 >= self._min_clause) or (
                mark in _WIDE_COMMAS and 3 * (index + 1) >= self._min_clause
            ):
                if index + 1 == len(text):
                    return 0
                if mark in _WIDE_COMMAS or text[index + 1].isspace():
                    return index + 1
        return 0

    def _is_end(self, text: str, index: int, after: int) -> bool | None:
        """Return whether the mark at `index` ends a phrase; None while that is not sure."""
        if text[index] != ".":
            return True
        found = _LAST_WORD.search(text[:index])
        word = found.group().lower() if found else ""
        before = text[:index].strip()
        # "Mr.", an initial ("J. Smith"), a numbered line ("1. Soup").
        if word in _TITLES or (len(word) == 1 and word.isalpha() and word != "i"):
            return False
        if before.isdigit() and len(before) <= 2:
            return False
        if word in _TRAILING:
            rest = text[after:].lstrip(" \t")
            if not rest:
                return None
            return rest[0].isupper() or rest[0] == "\n"
        return True


def _skip_closers(text: str, index: int) -> int:
    """Return the first index that is neither a further end mark nor a closing quote."""
    while index < len(text) and (text[index] in _CLOSERS or text[index] in ".?!\uff01\uff1f"):
        index += 1
    return index


def _keep(phrases: list[str], text: str) -> None:
    """Add `text` if there is anything in it to say."""
    if any(character.isalnum() for character in text):
        phrases.append(text.strip())
