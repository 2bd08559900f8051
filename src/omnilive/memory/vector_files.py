"""The file form of a vector cache: what searching maps into memory instead of reading the store.

Three files that only grow, and a header that says how much of them counts: numbers (int8), rows
(which moment each is of, and when it was) and zones (the reach of every `ZONE` rows, so that a
search skips what lies at other times). Data first, the header after it by renaming: whoever reads
the header may map what it names, whatever crashed in between. Nothing here is truth; files that do
not fit are made again from the store.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnilive.memory.segments import wipe_all

FORMAT = 1
ZONE = 4096
SCALE = 127.0
"""No number of a unit vector is cut at this scale; a cosine is off by about 0.003 (one sigma)."""

ROW = np.dtype(
    [("vector", "<i8"), ("moment", "<i8"), ("start", "<i8"), ("end", "<i8"), ("stream", "<i8")]
)
ZONES = np.dtype(
    [
        ("first_stream", "<i8"),
        ("last_stream", "<i8"),
        ("first_start", "<i8"),
        ("last_start", "<i8"),
        ("last_end", "<i8"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """How much of the files counts: `count` rows up to vector `last`.

    `erasure` is the last entry of the store's list of erased vectors that was applied, `erased` how
    many rows are empty for it, `generation` the store's when this was written.
    """

    model: str
    dimension: int
    files: str
    generation: int
    count: int = 0
    last: int = 0
    erasure: int = 0
    erased: int = 0
    format: int = FORMAT


class VectorFiles:
    """The files of one model in a store's cache directory, mapped for reading."""

    def __init__(self, directory: Path, header: Header) -> None:
        self.directory = directory
        self.header = header
        numbers = _mapped(self._path("numbers"), np.int8, header.count * header.dimension)
        self.numbers: NDArray[np.int8] = numbers.reshape(header.count, header.dimension)
        self.rows: NDArray[np.void] = _mapped(self._path("rows"), ROW, header.count)
        self.zones: NDArray[np.void] = _mapped(self._path("zones"), ZONES, header.count // ZONE)

    @classmethod
    def open(cls, directory: Path, model: str, dimension: int) -> VectorFiles | None:
        """Map the files of a model; None if there are none, or none of use."""
        files = cls.of_header(header_path(directory, model))
        if files is None or (files.header.model, files.header.dimension) != (model, dimension):
            return None
        return files

    @classmethod
    def of_header(cls, path: Path) -> VectorFiles | None:
        """Map the files that a header names; None if they are of no use."""
        try:
            fields: dict[str, Any] = json.loads(path.read_bytes())
            header = Header(**fields)
            if header.format != FORMAT or not re.fullmatch(r"[A-Za-z0-9-]+", header.files):
                return None
            return cls(path.parent, header)
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def create(cls, directory: Path, model: str, dimension: int, *, erasure: int) -> VectorFiles:
        """Start new files; the old ones count until the first `append` is done."""
        name = f"{_slug(model)}-{secrets.token_hex(4)}"
        header = Header(model=model, dimension=dimension, files=name, generation=0, erasure=erasure)
        for part in ("numbers", "rows", "zones"):
            path = directory / f"{name}.{part}"
            path.touch(mode=0o600)
        return cls(directory, header)

    def append(
        self, numbers: NDArray[np.int8], rows: NDArray[np.void], generation: int
    ) -> VectorFiles:
        """Write rows behind those that count, and return the files as they are then.

        Raises:
            OSError: the disk is full or read-only; what counted before still does.
        """
        count = self.header.count
        _write(self._path("numbers"), numbers.tobytes(), count * self.header.dimension)
        _write(self._path("rows"), rows.tobytes(), count * ROW.itemsize)
        first = count // ZONE
        start = first * ZONE - count
        zones = []
        for at in range(start, len(rows) - ZONE + 1, ZONE):
            part = rows[max(0, at) : at + ZONE]
            if at < 0:
                part = np.concatenate([self.rows[count + at :], part])
            zones.append(zone_of(part))
        _write(
            self._path("zones"), b"".join(zone.tobytes() for zone in zones), first * ZONES.itemsize
        )
        header = replace(
            self.header,
            generation=generation,
            count=count + len(rows),
            last=int(rows["vector"][-1]) if len(rows) else self.header.last,
        )
        return self._written(header)

    def erase(self, vectors: Iterable[int], erasure: int) -> VectorFiles:
        """Overwrite the rows of erased vectors with zeros, and return the files as they are then.

        Raises:
            OSError: the files cannot be written.
        """
        ids = self.rows["vector"]
        places = []
        for vector in vectors:
            place = bisect_left(ids, vector)
            if place < len(ids) and ids[place] == vector:
                places.append(place)
        width = self.header.dimension
        with self._path("numbers").open("r+b") as numbers, self._path("rows").open("r+b") as rows:
            for place in places:
                numbers.seek(place * width)
                numbers.write(bytes(width))
                # The vector's own number stays: rows are found by it, and it tells nothing.
                rows.seek(place * ROW.itemsize + 8)
                rows.write(bytes(ROW.itemsize - 8))
            for file in (numbers, rows):
                file.flush()
                os.fsync(file.fileno())
        erased = self.header.erased + len(places)
        return self._written(replace(self.header, erasure=erasure, erased=erased))

    def _path(self, part: str) -> Path:
        return self.directory / f"{self.header.files}.{part}"

    def _written(self, header: Header) -> VectorFiles:
        path = header_path(self.directory, header.model)
        temporary = path.with_name(f"{header.files}.tmp")
        temporary.write_text(json.dumps(asdict(header)))
        temporary.chmod(0o600)
        os.replace(temporary, path)
        return VectorFiles(self.directory, header)


def zone_of(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the reach of some rows, as one zone. Erased rows belong to stream 0, at time 0."""
    zone = np.zeros(1, dtype=ZONES)
    zone["first_stream"], zone["last_stream"] = rows["stream"].min(), rows["stream"].max()
    zone["first_start"], zone["last_start"] = rows["start"].min(), rows["start"].max()
    zone["last_end"] = rows["end"].max()
    return zone


def quantised(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return unit rows as int8 of one scale for all, so that a dot product is a cosine."""
    return np.clip(np.rint(vectors * np.float32(SCALE)), -127, 127).astype(np.int8)


def wipe_strangers(directory: Path) -> None:
    """Overwrite and delete what no header names: left by a crash, or by another process."""
    named = set()
    for path in directory.glob("*.json"):
        try:
            named.add(str(json.loads(path.read_bytes())["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    parts = (".numbers", ".rows", ".zones", ".tmp")
    wipe_all(
        path
        for path in directory.iterdir()
        if path.suffix in parts and path.name.removesuffix(path.suffix) not in named
    )


def header_path(directory: Path, model: str) -> Path:
    """Return where the header of a model's files lies."""
    return directory / f"{_slug(model)}.json"


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", model)[:60] or "model"


def _mapped(path: Path, dtype: Any, count: int) -> NDArray[Any]:
    if not count:
        return np.zeros(0, dtype=dtype)
    if path.stat().st_size < count * np.dtype(dtype).itemsize:
        raise ValueError("the file is shorter than its header says")
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(count,)))


def _write(path: Path, data: bytes, offset: int) -> None:
    with path.open("r+b") as file:
        # What a crash left behind the rows that count is written over.
        file.seek(offset)
        file.write(data)
        if path.stat().st_size > file.tell():
            file.truncate()
        file.flush()
        os.fsync(file.fileno())
