"""All text vectors of a store in one matrix, kept as long as nothing was erased.

What is new since the last look is appended; a deletion makes it load again, so that nothing
forgotten is found through a cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omnilive.memory.database import Database
from omnilive.memory.vectors import unpack_vectors


class VectorCache:
    """The vectors of one model: unit rows, and which moment each is of."""

    def __init__(self, database: Database, model: str, dimension: int) -> None:
        self._database = database
        self._model = model
        self._dimension = dimension
        self._generation = -1
        self._erased = -1
        self._last = 0
        self._clear()

    def refresh(self) -> None:
        """Bring the matrix up to the store's generation; call inside a snapshot."""
        generation, erased = self._database.generation, self._database.erased
        if generation == self._generation:
            return
        if erased != self._erased:
            self._clear()
        rows = self._database.rows(
            "SELECT v.id, v.data, m.id, m.stream, m.start_ns, m.end_ns FROM moment_vector v "
            "JOIN moment m ON m.id = v.moment WHERE v.id > ? "
            "AND v.model = (SELECT id FROM model WHERE name = ?) ORDER BY v.id",
            (self._last, self._model),
        )
        if rows:
            self._last = rows[-1][0]
            self._append(
                unpack_vectors([row[1] for row in rows], self._dimension),
                np.array([row[2:] for row in rows], dtype=np.int64),
            )
        self._generation, self._erased = generation, erased

    @property
    def matrix(self) -> NDArray[np.float32]:
        """Unit rows, (count, dimension)."""
        return self._matrix[: self._count]

    @property
    def moments(self) -> NDArray[np.int64]:
        """Row id, stream, start and end (stream time) of each row's moment, (count, 4)."""
        return self._moments[: self._count]

    def _clear(self) -> None:
        self._last = 0
        self._count = 0
        self._matrix = np.zeros((0, self._dimension), dtype=np.float32)
        self._moments = np.zeros((0, 4), dtype=np.int64)

    def _append(self, rows: NDArray[np.float32], moments: NDArray[np.int64]) -> None:
        needed = self._count + len(rows)
        if needed > len(self._matrix):
            # Half as much again, so that appending one by one stays cheap.
            room = needed + needed // 2
            matrix = np.zeros((room, self._dimension), dtype=np.float32)
            numbers = np.zeros((room, 4), dtype=np.int64)
            matrix[: self._count] = self.matrix
            numbers[: self._count] = self.moments
            self._matrix, self._moments = matrix, numbers
        self._matrix[self._count : needed] = rows
        self._moments[self._count : needed] = moments
        self._count = needed
