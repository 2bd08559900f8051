"""All text vectors of a store, ready to be searched: mapped files and the newest rows in memory.

The first stage compares int8 numbers in compiled code, skipping zones of other times; what comes
near the floor is scored again from the vectors in the store. A row whose vector was erased finds
nothing any more, because that second look is into the store itself.

The writer brings the files along while it remembers (`keep_up`). A reader maps them and reads the
few rows behind them; where there are none, or they do not fit, it makes them anew, in memory if the
directory cannot be written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import StoreError
from omnilive.memory.database import Database
from omnilive.memory.opening import CACHE
from omnilive.memory.ranking import spread_keys
from omnilive.memory.vector_files import (
    ROW,
    SCALE,
    ZONE,
    VectorFiles,
    header_path,
    quantised,
    wipe_strangers,
    zone_of,
)
from omnilive.memory.vector_zones import Window, dots, mask, zones_in
from omnilive.memory.vectors import unpack_vectors

_log = logging.getLogger(__name__)

ROWS_AT_ONCE = 16_384
MARGIN = 0.016
"""How far below the floor the first stage looks: five times what int8 numbers are off."""
_CLIPS_BETWEEN_LOOKS = 256
KEPT_ERASURES = 100_000
RESCORED = 200
_STRIDE = 17  # odd, so that two streams in turns are both met


class Near(NamedTuple):
    """A vector that came near: row id of its moment (or node), its cosine."""

    moment: int
    cosine: float


class VectorSource(NamedTuple):
    """Where vectors lie in the store.

    Attributes:
        table: of vectors `v`, with `id`, `model` and `data`.
        owner: table and column of what a vector is of.
        end_ns: where that ends, as SQL.
        unpack: what lies there as unit rows (count, dimension).
    """

    table: str
    owner: str
    end_ns: str
    unpack: Callable[[Sequence[bytes], int], NDArray[np.float32]]

    @property
    def select(self) -> str:
        """The beginning of a query for vectors and their owners."""
        return (
            f"SELECT v.id, o.id, o.start_ns, {self.end_ns}, o.stream, v.data FROM {self.table} v "
            f"JOIN {self.owner} o ON o.id = v.{self.owner}"
        )


TEXTS = VectorSource("moment_vector", "moment", "o.end_ns", unpack_vectors)
"""Vectors of what was said, shown and described."""


class VectorCache:
    """The vectors of one model in one store."""

    def __init__(
        self, database: Database, model: str, dimension: int, source: VectorSource = TEXTS
    ) -> None:
        self._source = source
        self._database = database
        self._directory = database.directory / CACHE
        self._model = model
        self._dimension = dimension
        self._files: VectorFiles | None = None
        self._stamp: tuple[int, int] | None = None
        self._generation = -1
        self._clips = 0
        self._is_own = False
        self._tail_after = 0
        self._rows: NDArray[np.void] = np.zeros(0, dtype=ROW)
        self._numbers: NDArray[np.int8] = np.zeros((0, dimension), dtype=np.int8)

    # --- keeping up ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring what is searched up to the store's generation; call inside a snapshot."""
        generation = self._database.generation
        if generation == self._generation:
            return
        self._open_files(generation)
        self._read_tail()
        self._generation = generation
        if len(self._rows) >= ZONE:
            self._write_tail()

    def keep_up(self) -> None:
        """Note that a clip was remembered; every so often its vectors go into the files."""
        self._clips += 1
        if self._clips >= _CLIPS_BETWEEN_LOOKS:
            self._clips = 0
            self.refresh()
            newest = self._database.value("SELECT max(id) FROM vector_erasure")
            if self._files is not None and (newest or 0) > self._files.header.erasure:
                try:
                    scrub(self._database, self._directory)
                except StoreError:
                    _log.warning("what was erased could not be wiped from the vector cache yet")

    @property
    def count(self) -> int:
        """Rows that are searched, erased ones too."""
        return self._mapped + len(self._rows)

    @property
    def mapped_bytes(self) -> int:
        """Bytes of vectors that are mapped from files."""
        return self._mapped * self._dimension

    # --- searching ----------------------------------------------------------------------

    def num_within(self, windows: Sequence[Window]) -> int:
        """Return how many vectors lie in the windows; estimated where streams lie mixed."""
        return sum(
            end - start if is_inside else self._num_masked(start, end, windows)
            for start, end, is_inside in self._stretches(windows)
        )

    def nearest(
        self,
        asked: NDArray[np.float32],
        windows: Sequence[Window],
        *,
        floor: float,
        limit: int,
    ) -> list[Near]:
        """Return the moments whose vectors reach `floor`, nearest first, at most `limit`.

        Args:
            asked: unit vector, (dimension,).
            windows: where to look.
            floor: least cosine.
            limit: how many; twice as many, at least `RESCORED`, are scored again in float.
        """
        question = quantised(asked[np.newaxis])
        least = (floor - MARGIN) * SCALE * SCALE
        places: list[NDArray[np.int64]] = []
        scores: list[NDArray[np.float32]] = []
        for start, end, is_inside in self._stretches(windows):
            for at in range(start, end, ROWS_AT_ONCE):
                stop = min(end, at + ROWS_AT_ONCE)
                scored = dots(question, self._numbers_of(at, stop))
                above = np.flatnonzero(scored >= least)
                if above.size and not is_inside:
                    above = above[mask(self._rows_of(at, stop)[above], windows)]
                if above.size:
                    places.append(above + at)
                    scores.append(scored[above])
        if not places:
            return []
        place, score = np.concatenate(places), np.concatenate(scores)
        # The same words said again and again have one and the same vector: none of them may
        # be left out for being old.
        best = np.lexsort((spread_keys(place), -score))[: max(2 * limit, RESCORED)]
        return self._rescored(asked, place[best], floor)[:limit]

    # --- inside -------------------------------------------------------------------------

    @property
    def _mapped(self) -> int:
        return 0 if self._files is None else self._files.header.count

    def _open_files(self, generation: int) -> None:
        stamp = self._header_stamp()
        if stamp is None:
            self._files, self._stamp = None, None
        elif self._files is None or stamp != self._stamp:
            self._is_own = False
            self._files = VectorFiles.open(self._directory, self._model, self._dimension)
            self._stamp = stamp
            if self._files is not None and not self._fits(self._files, generation):
                self._files = None
        last = 0 if self._files is None else self._files.header.last
        if last < self._tail_after:
            self._empty_tail()
        elif last > self._tail_after:
            kept = self._rows["vector"] > last
            self._rows, self._numbers = self._rows[kept], self._numbers[kept]
        self._tail_after = last

    def _header_stamp(self) -> tuple[int, int] | None:
        path = header_path(self._directory, self._model)
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _fits(self, files: VectorFiles, generation: int) -> bool:
        """Whether files are of this store: not newer than it, and a few rows are as in it."""
        header = files.header
        if self._database.write and header.generation > generation:
            return False  # to a reader a writer may just have added some
        if header.count > ZONE and 2 * header.erased > header.count:
            return False
        there = 0
        places = sorted({header.count * share // 8 for share in range(8)} | {header.count - 1})
        for place in places if header.count else []:
            vector, moment, start, end, stream = files.rows[place].tolist()
            row = self._database.row(f"{self._source.select} WHERE v.id = ?", (vector,))
            if row is None or moment == 0:
                continue  # erased; nothing is found through it
            stored = quantised(self._source.unpack([row[5]], self._dimension))[0]
            if row[1:5] != (moment, start, end, stream):
                return False
            if not np.array_equal(stored, files.numbers[place]):
                return False
            there += 1
        return there > 0 or header.count <= ZONE

    def _empty_tail(self) -> None:
        self._tail_after = 0
        self._rows = np.zeros(0, dtype=ROW)
        self._numbers = np.zeros((0, self._dimension), dtype=np.int8)

    def _read_tail(self) -> None:
        """Read what the store has behind the files and the tail, in bounded steps."""
        last = int(self._rows["vector"][-1]) if len(self._rows) else self._tail_after
        while True:
            found = self._database.rows(
                f"{self._source.select} WHERE v.id > ? "
                "AND v.model = (SELECT id FROM model WHERE name = ?) ORDER BY v.id LIMIT ?",
                (last, self._model, ROWS_AT_ONCE),
            )
            if found:
                last = found[-1][0]
                rows = np.array([row[:5] for row in found], dtype=ROW)
                numbers = quantised(self._source.unpack([row[5] for row in found], self._dimension))
                self._rows = np.concatenate([self._rows, rows])
                self._numbers = np.concatenate([self._numbers, numbers])
            if len(found) < ROWS_AT_ONCE:
                return
            self._write_tail()

    def _write_tail(self) -> None:
        """Put the rows in memory into the files: the writer always, others only into their own."""
        if not (self._files is None or self._database.write or self._is_own):
            return
        gone = self._database.rows(
            "SELECT vector FROM vector_erasure WHERE vector BETWEEN ? AND ?",
            (int(self._rows["vector"][0]), int(self._rows["vector"][-1])),
        )
        if gone:
            kept = ~np.isin(self._rows["vector"], [vector for (vector,) in gone])
            self._rows, self._numbers = self._rows[kept], self._numbers[kept]
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            if self._files is None:
                newest = self._database.value("SELECT max(id) FROM vector_erasure") or 0
                self._files = VectorFiles.create(
                    self._directory, self._model, self._dimension, erasure=newest
                )
                self._is_own = True
            generation = self._database.generation
            self._files = self._files.append(self._numbers, self._rows, generation)
        except OSError:
            return  # a full or read-only disk: they stay in memory
        self._stamp = self._header_stamp()
        last = self._files.header.last
        self._empty_tail()
        self._tail_after = last

    def _numbers_of(self, start: int, end: int) -> NDArray[np.int8]:
        if self._files is not None and end <= self._mapped:
            return self._files.numbers[start:end]
        return self._numbers[start - self._mapped : end - self._mapped]

    def _rows_of(self, start: int, end: int) -> NDArray[np.void]:
        if self._files is not None and end <= self._mapped:
            return self._files.rows[start:end]
        return self._rows[start - self._mapped : end - self._mapped]

    def _stretches(self, windows: Sequence[Window]) -> list[tuple[int, int, bool]]:
        """Return (start, end, wholly inside) of what to look at; none crosses the files' end."""
        found: list[tuple[int, int, bool]] = []
        if self._files is not None:
            zones = self._files.zones
            rest = len(zones) * ZONE
            if rest < self._mapped:
                zones = np.concatenate([zones, zone_of(self._files.rows[rest:])])
            touched, inside = zones_in(zones, windows)
            for index in np.flatnonzero(touched):
                start, end = int(index) * ZONE, min(self._mapped, (int(index) + 1) * ZONE)
                if found and found[-1][1] == start and found[-1][2] == bool(inside[index]):
                    found[-1] = (found[-1][0], end, found[-1][2])
                else:
                    found.append((start, end, bool(inside[index])))
        if len(self._rows):
            found.append((self._mapped, self.count, False))
        return found

    def _num_masked(self, start: int, end: int, windows: Sequence[Window]) -> int:
        """Count rows one by one; of very many every `_STRIDE`th stands for its neighbours."""
        stride = _STRIDE if end - start > 4 * ZONE else 1
        return stride * int(mask(self._rows_of(start, end)[::stride], windows).sum())

    def _rescored(
        self, asked: NDArray[np.float32], places: NDArray[np.int64], floor: float
    ) -> list[Near]:
        """Score rows again from the vectors in the store; erased ones are gone there."""
        vectors = [int(self._row_at(int(place))["vector"]) for place in places]
        found: dict[int, tuple[int, bytes]] = {}
        for start in range(0, len(vectors), 500):
            part = vectors[start : start + 500]
            marks = ",".join("?" * len(part))
            for vector, moment, data in self._database.rows(
                f"SELECT id, {self._source.owner}, data FROM {self._source.table} "
                f"WHERE id IN ({marks})",
                part,
            ):
                found[vector] = (moment, data)
        kept = [vector for vector in vectors if vector in found]
        if not kept:
            return []
        rows = self._source.unpack([found[vector][1] for vector in kept], self._dimension)
        near = [
            Near(found[vector][0], float(cosine))
            for vector, cosine in zip(kept, rows @ asked, strict=True)
            if cosine >= floor
        ]
        return sorted(near, key=lambda one: -one.cosine)

    def _row_at(self, place: int) -> Any:
        return self._rows_of(place, place + 1)[0]


def scrub(database: Database, directory: Path) -> None:
    """Overwrite in the cache files whatever was erased from the store; the writer calls it.

    Files that cannot be brought in line, and those that nothing names, are wiped.

    Raises:
        StoreError: the files cannot be wiped.
    """
    if not directory.is_dir():
        return
    oldest, newest = database.row("SELECT min(id), max(id) FROM vector_erasure") or (None, None)
    for path in sorted(directory.glob("*.json")):
        files = VectorFiles.of_header(path)
        if files is not None and newest is None:
            continue
        if files is None or files.header.erasure + 1 < oldest:
            path.unlink(missing_ok=True)
            continue
        entries = database.rows(
            "SELECT id, vector FROM vector_erasure WHERE id > ? ORDER BY id",
            (files.header.erasure,),
        )
        if not entries:
            continue
        try:
            files.erase((vector for _, vector in entries), entries[-1][0])
        except OSError:
            path.unlink(missing_ok=True)
    wipe_strangers(directory)
    if newest is not None and newest - oldest > 2 * KEPT_ERASURES:
        database.run("DELETE FROM vector_erasure WHERE id <= ?", (newest - KEPT_ERASURES,))
