"""Reads the items of a JSON list or object one by one, however large the file is.

GigaSpeech.json and WenetSpeech.json are lists of gigabytes under one key. The standard library's
`raw_decode` finds where a value ends; here it is given a window of the file that doubles when a
value does not fit, so the work stays linear and the memory is that of the largest value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Place

_WINDOW = 1 << 16  # characters read at a time
_LARGEST = 1 << 27  # characters of one value
_SPACE = " \t\n\r"
_NEAR_END = 32  # an error this close to the end of the window may only mean that it is too short


class Item(NamedTuple):
    """A value of a list (key "") or of an object, and where it begins."""

    key: str
    value: object
    place: Place


def list_items(path: Path, key: str = "") -> Iterator[Item]:
    """Yield the items of the list that a file is, or that lies under `key` of its object.

    Raises:
        MediaError: the file is damaged, cut off, or something else.
    """
    yield from _items(path, key, "[")


def object_items(path: Path, key: str = "") -> Iterator[Item]:
    """Yield the values of the object that a file is, or that lies under `key` of it.

    Raises:
        MediaError: the file is damaged, cut off, or something else.
    """
    yield from _items(path, key, "{")


def first_character(path: Path) -> str:
    """Return "[" or "{": what a JSON file begins with ("" for an empty one)."""
    with _opened(path) as file:
        return _Cursor(file, path).peek()


def _items(path: Path, key: str, opening: str) -> Iterator[Item]:
    with _opened(path) as file:
        cursor = _Cursor(file, path)
        if key:
            cursor.take("{")
            _go_to(cursor, key)
        if cursor.peek() != opening:
            what = "a list" if opening == "[" else "an object"
            raise cursor.place.wrong(f"{what} is expected here{f' under {key!r}' if key else ''}.")
        yield from _members(cursor, opening)
        if not key and cursor.peek():
            raise cursor.place.wrong("the JSON value ends here, but the file goes on.")


def _members(cursor: _Cursor, opening: str) -> Iterator[Item]:
    closing = "]" if opening == "[" else "}"
    cursor.take(opening)
    number = 0
    if cursor.peek() == closing:
        cursor.take(closing)
        return
    while True:
        number += 1
        cursor.number = number
        cursor.peek()
        place = cursor.place
        name = ""
        if opening == "{":
            name = cursor.name()
        yield Item(name, cursor.value(), place)
        if cursor.peek() == closing:
            cursor.take(closing)
            cursor.number = 0
            return
        cursor.take(",")


def _go_to(cursor: _Cursor, key: str) -> None:
    """Move to the value of a key of an object that was just opened."""
    while cursor.peek() != "}":
        if cursor.name() == key:
            return
        cursor.value()
        if cursor.peek() != "}":
            cursor.take(",")
    raise cursor.place.wrong(f"there is no {key!r} in this file; is it the right one?")


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}).") from None


class _Cursor:
    """A place in a JSON text of which only a window is in memory."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._line = 1
        self._over = False
        self._decoder = json.JSONDecoder()
        self.number = 0

    @property
    def place(self) -> Place:
        """Where the cursor stands."""
        return Place(self._path, self._line, self.number)

    def peek(self) -> str:
        """Return the next character that is no space; "" at the end of the file."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in _SPACE:
                at += 1
            self._move(at)
            if at < len(text):
                return text[at]
            if self._over:
                return ""
            self._read(_WINDOW)

    def take(self, character: str) -> None:
        """Go past a character that must come next."""
        found = self.peek()
        if not found:
            raise self._cut_off()
        if found != character:
            raise self.place.wrong(f"{character!r} is expected here, but {found!r} comes.")
        self._move(self._at + 1)

    def name(self) -> str:
        """Go past the name of a member and its colon."""
        if self.peek() != '"':
            self.take('"')
        name = self.value()
        self.take(":")
        return str(name)

    def value(self) -> object:
        """Go past one value and return it."""
        if not self.peek():
            raise self._cut_off()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._over:
                    raise self._cut_off() if self._may_be_cut(error) else self._bad(error) from None
                if not self._may_be_cut(error):
                    raise self._bad(error) from None
                self._more()
                continue
            except (RecursionError, ValueError):
                raise self.place.wrong(
                    "a JSON value is nested too deeply or holds a number that is too long."
                ) from None
            # A number at the edge of the window may go on behind it: "0", "0.", "1e", "1e-".
            if type(value) in (int, float) and end + 3 > len(self._text) and not self._over:
                self._more()
                continue
            self._move(end)
            return value

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR_END

    def _more(self) -> None:
        """Double what is in the window behind the cursor."""
        left = len(self._text) - self._at
        if left > _LARGEST:
            raise self.place.wrong(
                f"a JSON value of more than {_LARGEST} characters begins here; the file is damaged."
            )
        self._read(max(_WINDOW, left))

    def _read(self, characters: int) -> None:
        try:
            more = self._file.read(characters)
        except UnicodeDecodeError:
            raise self.place.wrong("what follows is not UTF-8 text; the file is damaged.") from None
        except OSError as error:
            raise self.place.wrong(f"the file cannot be read on ({error.strerror}).") from None
        self._over = not more
        self._text = self._text[self._at :] + more
        self._at = 0

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _bad(self, error: json.JSONDecodeError) -> MediaError:
        line = self._line + self._text.count("\n", self._at, error.pos)
        place = Place(self._path, line, self.number)
        return place.wrong(f"this is not valid JSON ({error.msg}).")

    def _cut_off(self) -> MediaError:
        return self.place.wrong("the JSON text ends in the middle; the file is cut off.")
