"""Checks of files: recordings against their rows, pictures, caches, and what nobody knows of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from omnilive.errors import StoreBusy, StoreError
from omnilive.memory.lock import WriterLock
from omnilive.memory.opening import CACHE, SEGMENTS
from omnilive.memory.vector_files import VectorFiles
from omnilive.memory.verify_support import Checking, Cure, Finding, pages, shown

_READ_BYTES = 1 << 20


def is_being_written(directory: Path) -> bool:
    """Whether another process writes the store at this moment."""
    lock = WriterLock(directory)
    try:
        lock.acquire("omnilive memory verify", 0)
    except StoreBusy:
        return True
    except StoreError:
        return False  # a store that nobody can write
    lock.release()
    return False


def check_recordings(checking: Checking) -> Iterator[Finding]:
    """Every fragment lies in its file with its checksum; every file and byte is some fragment's."""
    database, folder = checking.database, checking.directory / SEGMENTS
    known: set[str] = set()
    for segment, file, num_bytes, end in database.rows(
        "SELECT s.id, s.file, s.bytes, max(f.offset + f.bytes) FROM segment s "
        "LEFT JOIN fragment f ON f.segment = s.id GROUP BY s.id"
    ):
        known.add(file)
        if end is None:
            if not checking.being_written:
                what = f"Recording {shown(file)} is known, but nothing refers to it."
                yield Finding("segment", what, Cure.FILES, "segment", segment)
            continue
        if num_bytes != end:
            what = f"Recording {shown(file)} tells a wrong size."
            yield Finding("size", what, Cure.COUNT, "segment", segment)
        yield from _check_segment(checking, segment, folder / file, end)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known and not checking.being_written:
            what = f"Nothing refers to the recording {shown(path.name)}."
            yield Finding("orphan file", what, Cure.FILES)
    for (fragment,) in database.rows(
        "SELECT f.id FROM fragment f JOIN segment s ON s.id = f.segment "
        "JOIN node n ON n.id = f.node WHERE f.stream != s.stream OR f.stream != n.stream "
        "OR n.level != 0 OR f.end_ns < f.start_ns"
    ):
        what = f"Part {fragment} of the recording belongs to a clip that is not its own."
        yield Finding("fragment", what, Cure.DROP, "fragment", fragment)


def _check_segment(checking: Checking, segment: int, path: Path, end: int) -> Iterator[Finding]:
    parts = checking.database.rows(
        "SELECT id, offset, bytes, sha256 FROM fragment WHERE segment = ? ORDER BY offset",
        (segment,),
    )
    try:
        size = path.stat().st_size
        file = path.open("rb")
    except OSError:
        for fragment, *_ in parts:
            what = f"Part {fragment} of the recording is lost: its file {shown(path.name)} is gone."
            yield Finding("recording", what, Cure.DROP, "fragment", fragment)
        return
    with file:
        if size > end and not checking.being_written:
            what = f"The recording {shown(path.name)} is longer than what refers to it."
            yield Finding("tail", what, Cure.FILES)
        reached = 0
        for fragment, offset, num_bytes, sha256 in parts:
            if offset < reached or num_bytes < 0:
                what = f"Part {fragment} of the recording overlaps another one."
                yield Finding("fragment", what, Cure.DROP, "fragment", fragment)
            reached = max(reached, offset + num_bytes)
            if offset + num_bytes > size:
                what = f"Part {fragment} of the recording lies behind the end of its file."
                yield Finding("recording", what, Cure.DROP, "fragment", fragment)
                continue
            if checking.quick:
                continue
            file.seek(offset)
            digest = hashlib.sha256()
            left = num_bytes
            while left > 0 and (data := file.read(min(left, _READ_BYTES))):
                digest.update(data)
                left -= len(data)
            if digest.digest() != sha256:
                what = f"Part {fragment} of the recording is damaged: its checksum is wrong."
                yield Finding("checksum", what, Cure.DROP, "fragment", fragment)


def check_pictures(checking: Checking) -> Iterator[Finding]:
    """Pictures are whole JPEGs of clips."""
    for rows in pages(
        checking.database,
        "SELECT t.node, hex(substr(t.jpeg, 1, 2)), hex(substr(t.jpeg, -2)), n.level "
        "FROM thumbnail t LEFT JOIN node n ON n.id = t.node",
        "t.node",
    ):
        for node, first, last, level in rows:
            if (first, last) != ("FFD8", "FFD9") or level not in (0, None):
                what = f"The picture of clip row {node} is damaged."
                yield Finding("picture", what, Cure.DROP, "thumbnail", node)


def check_caches(checking: Checking) -> Iterator[Finding]:
    """Caches can be read, and hold no vector that has gone from the store."""
    folder = checking.directory / CACHE
    waiting = {row[0] for row in checking.database.rows("SELECT vector FROM vector_erasure")}
    for path in sorted(folder.glob("*.json")):
        files = VectorFiles.of_header(path)
        if files is None:
            yield Finding("cache", f"The cache {shown(path.name)} cannot be read.", Cure.CACHE)
            continue
        ids = np.array(files.rows["vector"], dtype=np.int64)
        there = np.zeros(len(ids), dtype=bool)
        for table in ("moment_vector", "global_memory"):
            for rows in pages(checking.database, f"SELECT id FROM {table}"):
                there |= np.isin(ids, np.array([row[0] for row in rows], dtype=np.int64))
        for place in np.flatnonzero(~there):
            is_pending = int(ids[place]) in waiting and files.header.erasure < _newest(checking)
            if files.numbers[place].any() and not is_pending:
                what = f"The cache {shown(path.name)} holds a vector that is gone."
                yield Finding("cache", what, Cure.CACHE)
                break


def _newest(checking: Checking) -> int:
    return int(checking.database.value("SELECT coalesce(max(id), 0) FROM vector_erasure"))
