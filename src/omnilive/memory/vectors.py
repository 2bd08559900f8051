"""How vectors lie in the database: eight bits a number and one scale, 260 bytes for 256 numbers.

A unit vector loses less than half a percent of a cosine this way, which is far below what the
floors of retrieval can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SCALE_BYTES = 4


def pack_vector(vector: NDArray[np.float32]) -> bytes:
    """Return a (dimension,) vector as a little-endian float32 scale and int8 numbers."""
    largest = float(np.abs(vector).max(initial=0.0))
    scale = np.float32(largest / 127.0 if largest > 0.0 else 1.0)
    numbers = np.clip(np.rint(vector / scale), -127, 127).astype(np.int8)
    return np.array([scale], dtype="<f4").tobytes() + numbers.tobytes()


def unpack_vectors(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """Return packed vectors as unit rows (count, dimension); a zero vector stays zero."""
    if not blobs:
        return np.zeros((0, dimension), dtype=np.float32)
    packed = np.frombuffer(b"".join(blobs), dtype=np.uint8)
    packed = packed.reshape(len(blobs), _SCALE_BYTES + dimension)
    rows = packed[:, _SCALE_BYTES:].view(np.int8).astype(np.float32)
    return unit_rows(rows)


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale every row of (count, dimension) to unit length; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (rows / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
    return scaled
