"""Which rows of a vector cache lie in the windows of a question, and how near they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_THREADS = 1  # more of them spin while perception works beside


class Window(NamedTuple):
    """A stretch of a stream in which vectors may be found."""

    stream: int
    start_ns: int
    end_ns: int


def mask(rows: NDArray[np.void], windows: Iterable[Window]) -> NDArray[np.bool_]:
    """Return for each row whether it lies in a window."""
    inside = np.zeros(len(rows), dtype=bool)
    ends = np.maximum(rows["end"], rows["start"] + 1)
    for window in windows:
        inside |= (
            (rows["stream"] == window.stream)
            & (rows["start"] < window.end_ns)
            & (ends > window.start_ns)
        )
    return inside


def zones_in(
    zones: NDArray[np.void], windows: Iterable[Window]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each zone whether a row of it may lie in a window, and whether all do."""
    touched = np.zeros(len(zones), dtype=bool)
    covered: dict[int, NDArray[np.bool_]] = {}
    for window in windows:
        has = (zones["first_stream"] <= window.stream) & (zones["last_stream"] >= window.stream)
        touched |= (
            has & (zones["first_start"] < window.end_ns) & (zones["last_end"] >= window.start_ns)
        )
        whole = (
            has & (zones["last_start"] < window.end_ns) & (zones["first_start"] >= window.start_ns)
        )
        covered[window.stream] = covered.get(window.stream, np.zeros_like(touched)) | whole
    # Wholly inside: each of the streams between the first and the last one is covered.
    num_covered = sum(each.astype(np.int64) for each in covered.values())
    inside = num_covered == zones["last_stream"] - zones["first_stream"] + 1
    return touched, inside & touched


def dots(question: NDArray[np.int8], numbers: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the dot products of (1, dimension) with (count, dimension), by compiled code."""
    import simsimd

    found = simsimd.cdist(question, numbers, metric="dot", out_dtype="float32", threads=_THREADS)
    return np.asarray(found, dtype=np.float32).reshape(-1)
