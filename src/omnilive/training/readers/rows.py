"""One row of an annotation file, with its values checked as they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from omnilive.training.readers.folder import Place, Report
from omnilive.training.readers.records import Seconds

_LATEST_S = 1e6
_EMPTY = "spans of no length"


class Row:
    """An object of a JSON file, or a row of a table.

    Args:
        value: what was read.
        place: where it stands.
    """

    def __init__(self, value: object, place: Place) -> None:
        """Take a value that must be an object.

        Raises:
            MediaError: it is something else.
        """
        if not isinstance(value, Mapping):
            raise place.wrong("an object with named values is expected here.")
        self._values: Mapping[str, object] = value
        self.place = place

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str) -> str:
        """Return a text without spaces at its ends.

        Raises:
            MediaError: there is none.
        """
        value = self._values.get(key)
        if not isinstance(value, str):
            raise self.place.wrong(f"there is no text under {key!r}.")
        return value.strip()

    def number(self, key: str) -> float:
        """Return a finite number, or a text that is one.

        Raises:
            MediaError: there is none.
        """
        return number(self._values.get(key), key, self.place)

    def items(self, key: str) -> list[object]:
        """Return a list.

        Raises:
            MediaError: there is none.
        """
        value = self._values.get(key)
        if not isinstance(value, list):
            raise self.place.wrong(f"there is no list under {key!r}.")
        return value

    def rows(self, key: str) -> Iterator[Row]:
        """Yield the objects of a list.

        Raises:
            MediaError: there is no list, or something else in it.
        """
        for value in self.items(key):
            yield Row(value, self.place)

    def row(self, key: str) -> Row:
        """Return an object.

        Raises:
            MediaError: there is none.
        """
        return Row(self._values.get(key), self.place)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts.

        Raises:
            MediaError: there is none, or something else in it.
        """
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self.place.wrong(f"the list under {key!r} holds something that is no text.")
        return [str(value) for value in values]

    def span(self, start: str, end: str, report: Report) -> Seconds | None:
        """Return a stretch of time; None, and counted, if it has no length.

        Raises:
            MediaError: there are no such numbers.
        """
        return span(self.number(start), self.number(end), self.place, report)


def number(value: object, name: str, place: Place) -> float:
    """Return a finite number, or a text that is one.

    Raises:
        MediaError: it is none.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        raise place.wrong(f"there is no number under {name!r}.") from None
    if not math.isfinite(found):
        raise place.wrong(f"the number under {name!r} is not finite.")
    return found


def span(start_s: float, end_s: float, place: Place, report: Report) -> Seconds | None:
    """Return a stretch of time; None, and counted, if it has no length.

    Raises:
        MediaError: it begins before 0 or ends after any recording.
    """
    if start_s < 0 or end_s > _LATEST_S:
        raise place.wrong(f"{start_s} to {end_s} s cannot lie in a recording.")
    if end_s <= start_s:
        report.leave_out(_EMPTY)
        return None
    return Seconds(start_s, end_s)
