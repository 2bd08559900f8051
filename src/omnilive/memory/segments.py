"""Recordings on disk: fragments appended to segment files of at most a minute.

The order of writing is the promise: segment row, file, directory fsync, fragment, fsync, and only
then (by the caller) the clip's transaction with the fragment's byte range. What lies beyond the
last referenced byte was never acknowledged and is cut off at the next opening.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from omnilive.errors import StoreError
from omnilive.memory.database import Database

_log = logging.getLogger(__name__)
_WIPE_BYTES = 1 << 20


class RecordedFragment(Protocol):
    """What media hands over for one clip: packets muxed into bytes that open by themselves."""

    @property
    def data(self) -> bytes:
        """The bytes."""
        ...

    @property
    def start_ns(self) -> int:
        """Stream time of the first packet."""
        ...

    @property
    def end_ns(self) -> int:
        """Stream time of the end."""
        ...

    @property
    def starts_with_key(self) -> bool:
        """Whether it can be decoded without the fragment before it."""
        ...

    @property
    def key_ns(self) -> int | None:
        """Stream time of its last key frame; None without."""
        ...


class WrittenFragment(NamedTuple):
    """A fragment that is on disk but not yet referenced."""

    segment: int
    start_ns: int
    end_ns: int
    offset: int
    starts_with_key: bool
    key_ns: int | None
    sha256: bytes
    num_bytes: int


class Rewrite(NamedTuple):
    """Segments copied without some fragments: (fragment, segment, offset) moves, files to wipe."""

    moves: tuple[tuple[int, int, int], ...]
    segments: tuple[int, ...]
    files: tuple[Path, ...]


@dataclass(slots=True)
class _OpenSegment:
    id: int
    path: Path
    start_ns: int
    size: int


class Recordings:
    """The segment files of one store, as its writer sees them."""

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory
        self._open: dict[int, _OpenSegment] = {}

    def recover(self) -> None:
        """Cut files to their last referenced byte, and delete what nothing references."""
        referenced: dict[str, int] = {}
        for segment, file, end in self._database.rows(
            "SELECT s.id, s.file, max(f.offset + f.bytes) FROM segment s "
            "LEFT JOIN fragment f ON f.segment = s.id GROUP BY s.id"
        ):
            if end is None:
                self._database.run("DELETE FROM segment WHERE id = ?", (segment,))
            else:
                referenced[file] = end
        for path in self._directory.iterdir():
            if path.name not in referenced:
                _log.info("removing a recording that nothing references")
                wipe(path)
            elif path.stat().st_size > referenced[path.name]:
                os.truncate(path, referenced[path.name])

    def write(self, stream: int, fragment: RecordedFragment, segment_ns: int) -> WrittenFragment:
        """Put a fragment on disk; it counts only once the caller commits a row for it.

        Writing again after a failed commit overwrites what the failed one left.
        """
        segment = self._open.get(stream)
        if segment is None or fragment.end_ns - segment.start_ns > segment_ns:
            segment = self._start_segment(stream, fragment.start_ns)
        try:
            with segment.path.open("r+b") as file:
                file.truncate(segment.size)
                file.seek(segment.size)
                file.write(fragment.data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_write(self._directory, error) from error
        return WrittenFragment(
            segment=segment.id,
            start_ns=fragment.start_ns,
            end_ns=fragment.end_ns,
            offset=segment.size,
            starts_with_key=fragment.starts_with_key,
            key_ns=fragment.key_ns,
            sha256=hashlib.sha256(fragment.data).digest(),
            num_bytes=len(fragment.data),
        )

    def insert(self, node: int, stream: int, written: WrittenFragment) -> None:
        """Reference a written fragment; part of the clip's transaction."""
        self._database.run(
            "INSERT INTO fragment(node, segment, stream, start_ns, end_ns, offset, "
            "starts_with_key, key_ns, sha256, bytes) VALUES(?,?,?,?,?,?,?,?,?,?)",
            (node, written.segment, stream, written.start_ns, written.end_ns, written.offset)
            + (written.starts_with_key, written.key_ns, written.sha256, written.num_bytes),
        )
        self._database.run(
            "UPDATE segment SET bytes = ? WHERE id = ?",
            (written.offset + written.num_bytes, written.segment),
        )

    def committed(self, stream: int, written: WrittenFragment) -> None:
        """Go on behind a fragment whose transaction was committed."""
        segment = self._open.get(stream)
        if segment is not None and segment.id == written.segment:
            segment.size = written.offset + written.num_bytes

    def is_open(self, segment: int) -> bool:
        """Whether fragments are still being added to a segment."""
        return any(each.id == segment for each in self._open.values())

    def largest_open(self) -> int:
        """Return the bytes of the largest segment that is still being added to."""
        return max((each.size for each in self._open.values()), default=0)

    def close_segment(self, stream: int) -> None:
        """Let the stream's next fragment start a new file."""
        self._open.pop(stream, None)

    def rewrite_without(self, fragments: Sequence[int]) -> Rewrite:
        """Copy the segments of these fragments without them; the caller commits the moves."""
        doomed = set(fragments)
        moves: list[tuple[int, int, int]] = []
        segments: list[int] = []
        files: list[Path] = []
        affected = {
            row[0]
            for fragment in doomed
            for row in self._database.rows("SELECT segment FROM fragment WHERE id = ?", (fragment,))
        }
        for segment in sorted(affected):
            row = self._database.row("SELECT stream, file FROM segment WHERE id = ?", (segment,))
            assert row is not None
            stream, file = row
            if self.is_open(segment):
                self.close_segment(stream)
            segments.append(segment)
            files.append(self._directory / file)
            kept = [
                part
                for part in self._database.rows(
                    "SELECT id, offset, bytes, start_ns FROM fragment WHERE segment = ? "
                    "ORDER BY offset",
                    (segment,),
                )
                if part[0] not in doomed
            ]
            if kept:
                moves += self._copy(stream, self._directory / file, kept)
        return Rewrite(tuple(moves), tuple(segments), tuple(files))

    def apply(self, rewrite: Rewrite) -> None:
        """Point to the copies and drop the old segments; part of the forgetting transaction."""
        for fragment, segment, offset in rewrite.moves:
            self._database.run(
                "UPDATE fragment SET segment = ?, offset = ? WHERE id = ?",
                (segment, offset, fragment),
            )
        for segment in rewrite.segments:
            self._database.run("DELETE FROM segment WHERE id = ?", (segment,))

    def _copy(
        self, stream: int, source: Path, kept: list[tuple[int, int, int, int]]
    ) -> list[tuple[int, int, int]]:
        copy = self._new_segment(stream, kept[0][3])
        moves = []
        try:
            with source.open("rb") as old, copy.path.open("r+b") as new:
                for fragment, offset, num_bytes, _start_ns in kept:
                    old.seek(offset)
                    moves.append((fragment, copy.id, new.tell()))
                    new.write(old.read(num_bytes))
                new.flush()
                os.fsync(new.fileno())
                size = new.tell()
        except OSError as error:
            raise _cannot_write(self._directory, error) from error
        self._database.run("UPDATE segment SET bytes = ? WHERE id = ?", (size, copy.id))
        return moves

    def _start_segment(self, stream: int, start_ns: int) -> _OpenSegment:
        self._open[stream] = self._new_segment(stream, start_ns)
        return self._open[stream]

    def _new_segment(self, stream: int, start_ns: int) -> _OpenSegment:
        with self._database.transaction():
            number = self._database.insert(
                "INSERT INTO segment(stream, start_ns, file) VALUES(?, ?, '')", (stream, start_ns)
            )
            name = f"{stream}-{number}.mkv"
            self._database.run("UPDATE segment SET file = ? WHERE id = ?", (name, number))
        path = self._directory / name
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
            _sync_directory(self._directory)
        except OSError as error:
            raise _cannot_write(self._directory, error) from error
        return _OpenSegment(number, path, start_ns, 0)


def delete_all(paths: Iterable[Path]) -> None:
    """Delete files without overwriting them; one that cannot go now goes at the next opening."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a recording could not be deleted (%s)", error.strerror)


def wipe(path: Path) -> None:
    """Overwrite a file with zeros and delete it."""
    try:
        left = path.stat().st_size
        with path.open("r+b") as file:
            while left > 0:
                left -= file.write(bytes(min(left, _WIPE_BYTES)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_write(path.parent, error) from error


def wipe_all(paths: Iterable[Path]) -> None:
    """Overwrite and delete files."""
    for path in paths:
        wipe(path)


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # Windows has no directory handles to flush
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(directory: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The recording in {directory} cannot be written ({error.strerror}); "
        "make room or check its rights, nothing remembered was lost."
    )
