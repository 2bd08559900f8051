"""The records of a set in a file of our own, from which any one can be had by its number.

A training step is a function of (seed, step), so it needs records by number; the published files
only give them in order. The index is written once: a line of JSON for each record, media relative
to the set's folder, and beside it the offsets of the lines (8 bytes a record).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import (
    GroundedQuestion,
    Record,
    Seconds,
    SoundLabel,
    Speech,
    Turn,
    VideoCaption,
    VideoDialogue,
)
from omnilive.training.readers.rows import Row

_OFFSET = 8  # bytes


def write_index(records: Iterable[Record], folder: Path, path: Path) -> int:
    """Write the records of a set; return how many there are.

    The files get their names when they are whole: one that exists is complete.

    Args:
        records: of one set or of several in one folder.
        folder: all media lie below it.
        path: of the index; its offsets get the same name with ".offsets" behind it.

    Raises:
        MediaError: there are no records, or a file of one lies elsewhere.
    """
    root = folder.resolve()
    unfinished = [_with(file, ".part") for file in (path, _offsets(path))]
    count = offset = 0
    with unfinished[0].open("wb") as lines, unfinished[1].open("wb") as offsets:
        for record in records:
            line = json.dumps(_packed(record, root), ensure_ascii=False).encode() + b"\n"
            lines.write(line)
            offsets.write(offset.to_bytes(_OFFSET, "little"))
            offset += len(line)
            count += 1
    if not count:
        for file in unfinished:
            file.unlink()
        raise MediaError(f"There are no records for the index {path}; read the set's report.")
    os.replace(unfinished[1], _offsets(path))
    os.replace(unfinished[0], path)
    return count


class RecordIndex:
    """Records by number. It holds no open file, so it can be sent to worker processes."""

    def __init__(self, path: Path, folder: Path, *, follow_links: bool = False) -> None:
        """Open an index that `write_index` wrote.

        Args:
            path: of the index.
            folder: of the set, wherever it lies now.
            follow_links: whether symbolic links may lead out of it.

        Raises:
            MediaError: it is missing, or its two files do not belong together.
        """
        self._path = path
        self._folder = Folder(folder, follow_links=follow_links)
        try:
            size = _offsets(path).stat().st_size
            end = path.stat().st_size
        except OSError as error:
            raise MediaError(f"{path} cannot be read ({error.strerror}); write it first.") from None
        self._count = size // _OFFSET
        if not self._count or size % _OFFSET or self._offset(self._count - 1) >= end:
            raise MediaError(f"{path} and its offsets do not belong together; write them again.")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Record:
        """Return one record.

        Raises:
            IndexError: there are not so many.
            MediaError: its line is damaged, or its media file is gone.
        """
        if not 0 <= number < self._count:
            raise IndexError(number)
        place = Place(self._path, number + 1)
        with self._path.open("rb") as file:
            file.seek(self._offset(number))
            line = file.readline()
        try:
            value = json.loads(line)
        except ValueError:
            raise place.wrong("this line is damaged; write the index again.") from None
        return _unpacked(Row(value, place), self._folder)

    def _offset(self, number: int) -> int:
        with _offsets(self._path).open("rb") as file:
            file.seek(number * _OFFSET)
            return int.from_bytes(file.read(_OFFSET), "little")


def _packed(record: Record, root: Path) -> dict[str, Any]:
    values = asdict(record)
    media = "audio" if isinstance(record, Speech | SoundLabel) else "video"
    file: Path = values[media]
    if not file.is_relative_to(root):
        raise MediaError(f"{file} does not lie in {root}; give the folder of the set.")
    values[media] = file.relative_to(root).as_posix()
    return {"kind": type(record).__name__, **values}


def _unpacked(row: Row, folder: Folder) -> Record:
    kind = row.text("kind")
    media = "audio" if kind in ("Speech", "SoundLabel") else "video"
    file = folder.media(row.text(media), row.place)
    if file is None:
        raise row.place.wrong(f"{row.text(media)} is not in {folder.root}; write the index again.")
    end_s = row.number("end_s") if "end_s" in row else None
    if kind == "Speech":
        return Speech(file, row.number("start_s"), end_s, row.text("text"), row.text("language"))
    if kind == "SoundLabel":
        return SoundLabel(file, row.number("start_s"), end_s, tuple(row.texts("labels")))
    if kind == "VideoCaption":
        return VideoCaption(file, row.number("start_s"), end_s, row.text("text"))
    if kind == "VideoDialogue":
        turns = tuple(Turn(*_pair(each, row.place)) for each in row.items("turns"))
        return VideoDialogue(file, turns, row.number("start_s"), end_s)
    if kind == "GroundedQuestion":
        spans = tuple(Seconds(*_pair(each, row.place)) for each in row.items("spans"))
        choices = tuple(row.texts("choices"))
        return GroundedQuestion(file, row.text("question"), row.text("answer"), spans, choices)
    raise row.place.wrong(f"{kind[:40]!r} is no kind of record; write the index again.")


def _pair(value: object, place: Place) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise place.wrong("a pair is expected; write the index again.")
    return value


def _offsets(path: Path) -> Path:
    return _with(path, ".offsets")


def _with(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
