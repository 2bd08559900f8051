"""The folder of one set on this machine: where its media lie, and what of it could not be used.

Names in annotation files are words of a stranger: none may lead out of the folder.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omnilive.errors import MediaError, UsageError

_NAMED = 10
_REMEMBERED = 4096  # folders that were looked at
_LONGEST_NAME = 4096
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an annotation file something stands, for error messages.

    Attributes:
        path: the file.
        line: counted from 1; 0 for the file as a whole.
        item: of a list in it, counted from 1 (a file may be one long line); 0 if there is none.
    """

    path: Path
    line: int = 0
    item: int = 0

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        item = f", item {self.item}" if self.item else ""
        return f"{self.path}{line}{item}"

    def wrong(self, what: str) -> MediaError:
        """Return the error that says what is wrong here."""
        return MediaError(f"{self}: {what}")


@dataclass(slots=True)
class Report:
    """What a reading gave and what it left out.

    Attributes:
        given: records.
        missing: rows whose media file is not in the folder.
        missing_named: the first few of those files, as the annotations name them.
        left_out: rows that teach nothing, by reason.
    """

    given: int = 0
    missing: int = 0
    missing_named: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = [f"{self.given} records"]
        if self.missing:
            shown = ", ".join(self.missing_named)
            parts.append(f"{self.missing} rows without their media file (the first: {shown})")
        parts += [f"{count} rows left out: {reason}" for reason, count in self.left_out.items()]
        return "; ".join(parts)

    def leave_out(self, reason: str) -> None:
        """Count a row that cannot be used."""
        self.left_out[reason] += 1


class Folder:
    """A set on this machine.

    Args:
        root: its folder.
        follow_links: whether symbolic links may lead out of it. The names that annotations give
            must stay inside in any case.
    """

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        try:
            self.root = root.resolve(strict=True)
        except (OSError, RuntimeError):
            raise UsageError(f"There is no folder {root}; put the data set there first.") from None
        if not self.root.is_dir():
            raise UsageError(f"{root} is not a folder; give the folder of the data set.")
        self.report = Report()
        self._follow_links = follow_links
        self._inside: dict[Path, bool] = {}
        self._last: tuple[tuple[str, ...], Path | None] = ((), None)

    def annotation(self, *names: str) -> Path:
        """Return the first of these files that there is.

        Raises:
            MediaError: there is none of them.
        """
        found = self.find(*names)
        if found is None:
            wanted = " or ".join(names)
            raise MediaError(f"There is no {wanted} in {self.root}; is this the set's folder?")
        return found

    def find(self, *names: str) -> Path | None:
        """Return the first of these files or folders that there is; None if there is none."""
        for name in names:
            path = self.root / name
            if path.exists() and self._stays(path):
                return path
        return None

    def media(self, names: str | Sequence[str], place: Place) -> Path | None:
        """Return a media file that stands in an annotation; None, and counted, if it is missing.

        Args:
            names: where it may lie, relative to the folder, the likeliest first.
            place: of the annotation.

        Raises:
            MediaError: a name leads out of the folder.
        """
        tried = (names,) if isinstance(names, str) else tuple(names)
        if tried != self._last[0]:
            self._last = (tried, self._first(tried, place))
        found = self._last[1]
        if found is None:
            self.report.missing += 1
            named = self.report.missing_named
            if len(named) < _NAMED and tried[0] not in named:
                named.append(tried[0])
        return found

    def check_given(self, name: str) -> None:
        """Raise MediaError if a whole reading gave nothing because no media file was there."""
        report = self.report
        if report.missing and not report.given:
            raise MediaError(
                f"None of the {report.missing} media files that {name} names is in {self.root} "
                f"(the first: {report.missing_named[0]}); unpack the media there."
            )

    def _first(self, names: tuple[str, ...], place: Place) -> Path | None:
        for name in names:
            path = self.root / _plain(name, self.root, place)
            try:
                there = path.is_file()
            except OSError:  # a name that is too long, or a loop of links
                there = False
            if not there:
                continue
            if not self._stays(path):
                raise place.wrong(
                    f"{name!r} is a link that leads out of the data set's folder; put the file "
                    "itself there, or open the set with follow_links."
                )
            return path
        return None

    def _stays(self, path: Path) -> bool:
        if self._follow_links:
            return True
        if path.is_symlink() or path.is_dir():
            return self._leads_inside(path)
        parent = path.parent
        if parent not in self._inside:
            if len(self._inside) >= _REMEMBERED:
                self._inside.clear()
            self._inside[parent] = self._leads_inside(parent)
        return self._inside[parent]

    def _leads_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self.root)


def _plain(name: str, root: Path, place: Place) -> str:
    """Return a name that leads nowhere but down from the folder."""
    if not name or len(name) > _LONGEST_NAME or _UNPRINTABLE.search(name):
        raise place.wrong("the name of a media file is empty, too long, or not printable.")
    text = name.replace("\\", "/")
    prefix = f"{root.as_posix()}/"
    # Kaldi's lists hold absolute paths; one that begins with this folder is as good as relative.
    text = text.removeprefix(prefix)
    parts = text.split("/")
    if text.startswith("/") or ".." in parts or ":" in parts[0]:
        raise place.wrong(
            f"{name!r} leads out of the data set's folder; names must be relative to {root}."
        )
    return text
