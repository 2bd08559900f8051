"""Reads text files line by line: lists, JSON lines, and tables with commas or tabs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Place
from omnilive.training.readers.rows import Row

_LONGEST_LINE = 1 << 24


class Line(NamedTuple):
    """A line without its end."""

    text: str
    place: Place


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a text file that are not empty.

    Raises:
        MediaError: it cannot be read, or is no UTF-8 text.
    """
    with _opened(path) as file:
        for number, text in _numbered(file, path):
            text = text.rstrip("\r\n")
            if text.strip():
                yield Line(text, Place(path, number))


def json_lines(path: Path) -> Iterator[tuple[object, Place]]:
    """Yield the value of each line.

    Raises:
        MediaError: a line is not JSON.
    """
    for text, place in lines(path):
        try:
            yield json.loads(text), place
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else "too deep or too long"
            raise place.wrong(f"this line is not valid JSON ({said}).") from None


def table(
    path: Path,
    *,
    delimiter: str = ",",
    quoted: bool = True,
    columns: Sequence[str] = (),
    needs: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield the rows of a table as their cells by column name.

    Args:
        path: the file.
        delimiter: between cells.
        quoted: whether cells may stand in quotation marks.
        columns: names, for tables whose first line is a row; read from the first line otherwise.
        needs: columns without which the table is another one.

    Raises:
        MediaError: a needed column is absent, or a row has too few cells.
    """
    with _opened(path) as file:
        reader = csv.reader(
            (text for _, text in _numbered(file, path)),
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            skipinitialspace=quoted,
        )
        names = list(columns)
        while True:
            place = Place(path, reader.line_num + 1)
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise place.wrong(f"this is no row of a table ({error}).") from None
            if not any(cells):
                continue
            if not names:
                names = [name.strip() for name in cells]
                _check_columns(names, needs, place)
                continue
            if len(cells) < len(names):
                raise place.wrong(f"{len(names)} cells are expected, but there are {len(cells)}.")
            yield Row(dict(zip(names, cells, strict=False)), place)
        if not names:
            raise Place(path).wrong("the table is empty.")


def _check_columns(names: list[str], needs: Sequence[str], place: Place) -> None:
    absent = [need for need in needs if need not in names]
    if absent:
        raise place.wrong(f"the columns {', '.join(absent)} are missing; is it the right file?")


def _numbered(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    while True:
        number += 1
        try:
            text = file.readline(_LONGEST_LINE)
        except UnicodeDecodeError:
            raise Place(path, number).wrong(
                "this is not UTF-8 text; the file is damaged."
            ) from None
        except OSError as error:
            raise Place(path, number).wrong(f"it cannot be read on ({error.strerror}).") from None
        if not text:
            return
        if len(text) == _LONGEST_LINE and not text.endswith("\n"):
            raise Place(path, number).wrong("this line is too long; the file is damaged.")
        # The table reader refuses it with a message of its own making.
        if "\0" in text:
            raise Place(path, number).wrong("this line holds a zero byte; the file is damaged.")
        yield number, text


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}).") from None
