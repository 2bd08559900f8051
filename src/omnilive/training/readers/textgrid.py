"""Praat's TextGrid files (fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).

Praat reads only what stands free: texts in quotation marks, numbers, and flags in angle brackets;
everything else is a comment. That makes its long and its short form the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Place

_TOKEN = re.compile(
    r'"((?:[^"]|"")*)"'
    r"|(?<!\S)<(\w+)>(?!\S)"
    r"|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)"
)
_LARGEST = 1 << 26
_MOST_INTERVALS = 1_000_000


class Interval(NamedTuple):
    """A marked stretch of one tier (one speaker)."""

    tier: str
    start_s: float
    end_s: float
    text: str


def intervals(path: Path) -> Iterator[Interval]:
    """Yield the intervals with a text, tier by tier.

    Raises:
        MediaError: the file cannot be read, is cut off, or is no TextGrid.
    """
    tokens = _Tokens(path)
    tokens.text("ooTextFile")
    tokens.text("TextGrid")
    tokens.number()
    tokens.number()
    if tokens.flag() != "exists":
        return
    for _ in range(tokens.count()):
        kind, tier = tokens.text(), tokens.text()
        tokens.number()
        tokens.number()
        for _ in range(tokens.count()):
            start_s = tokens.number()
            end_s = tokens.number() if kind == "IntervalTier" else start_s
            text = tokens.text().strip()
            if text and kind == "IntervalTier":
                yield Interval(tier, start_s, end_s, text)


class _Tokens:
    """The free-standing values of a file, taken one by one."""

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_size > _LARGEST:
                raise Place(path).wrong("this is too large for a TextGrid.")
            data = path.read_bytes()
        except OSError as error:
            raise MediaError(f"{path} cannot be read ({error.strerror}).") from None
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            self._text = data.decode(encoding)
        except UnicodeDecodeError:
            raise Place(path).wrong(f"this is not {encoding} text; the file is damaged.") from None
        self._path = path
        self._found = _TOKEN.finditer(self._text)
        self._at = 0

    def text(self, wanted: str = "") -> str:
        match = self._next()
        if match[1] is None or (wanted and match[1] != wanted):
            raise self._wrong(f"the text {wanted!r}" if wanted else "a text")
        return str(match[1]).replace('""', '"')

    def number(self) -> float:
        match = self._next()
        if match[3] is None:
            raise self._wrong("a number")
        return float(match[3])

    def flag(self) -> str:
        match = self._next()
        if match[2] is None:
            raise self._wrong("a flag")
        return str(match[2])

    def count(self) -> int:
        count = self.number()
        if not 0 <= count <= _MOST_INTERVALS or count != int(count):
            raise self._wrong("a sensible count")
        return int(count)

    def _next(self) -> re.Match[str]:
        match = next(self._found, None)
        if match is None:
            raise Place(self._path).wrong("the TextGrid ends in the middle; the file is cut off.")
        self._at = match.start()
        return match

    def _wrong(self, what: str) -> MediaError:
        line = 1 + self._text.count("\n", 0, self._at)
        return Place(self._path, line).wrong(f"{what} is expected here; this is no TextGrid.")
