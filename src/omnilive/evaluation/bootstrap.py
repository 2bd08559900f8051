"""Means with bootstrap intervals, and differences between conditions asked the same questions.

The percentile bootstrap (Efron and Tibshirani 1993, chapter 13). Questions about one stream are
not independent, so whole streams are drawn where there are several. Below `FEW` of them the
plain cluster bootstrap is far too sure of itself (three streams have ten different samples), so
there the questions inside each drawn stream are drawn too; with three to nine streams the
interval then errs on the wide side where streams are alike, and is still somewhat short where they
differ much. Nothing here reads a clock or a global generator: equal input gives equal intervals.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
FEW = 10
"""Fewer clusters than this are drawn in two stages."""
_MOST_NUMBERS = 4_000_000  # held at once


class Interval(NamedTuple):
    """A mean and where it may lie.

    Attributes:
        mean: of the values.
        low, high: ends of the interval; both the mean where there is a single value.
        num: how many values there are.
        num_clusters: streams they come from.
    """

    mean: float
    low: float
    high: float
    num: int
    num_clusters: int

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is: a difference that counts."""
        return self.low > 0


def interval(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return the mean of `values` with its bootstrap interval.

    Args:
        values: one a question.
        clusters: the stream of each value; None, or one stream for all, draws single values.
        draws: bootstrap samples.
        level: share of samples inside the interval.
        seed: of the draws.

    Raises:
        ValueError: there are no values, one is no number, or lengths differ.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("A mean needs at least one value, and every value must be a number.")
    if clusters is not None and len(clusters) != len(numbers):
        raise ValueError("There must be one cluster for each value.")
    rng = np.random.default_rng(seed)
    groups = _grouped(numbers, clusters)
    if len(groups) == 1:
        means = _drawn_values(rng, numbers, draws)
    elif len(groups) < FEW:
        means = _drawn_twice(rng, groups, draws)
    else:
        sums = np.array([each.sum() for each in groups])
        sizes = np.array([len(each) for each in groups], dtype=np.float64)
        means = _drawn_groups(rng, sums, sizes, draws)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(numbers.mean()), float(low), float(high), len(numbers), len(groups))


def paired(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return the mean of `first - second`, question by question, with its interval.

    Raises:
        ValueError: see `interval`; or the two have different lengths.
    """
    if len(first) != len(second):
        raise ValueError("Paired values belong to the same questions; their numbers differ.")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return interval(differences, clusters, draws=draws, level=level, seed=seed)


def _grouped(
    numbers: NDArray[np.float64], clusters: Sequence[Hashable] | None
) -> list[NDArray[np.float64]]:
    if clusters is None:
        return [numbers]
    places: dict[Hashable, list[int]] = {}
    for place, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(place)
    return [numbers[each] for each in places.values()]


def _drawn_values(
    rng: np.random.Generator, numbers: NDArray[np.float64], draws: int
) -> NDArray[np.float64]:
    return _drawn_groups(rng, numbers, np.ones(len(numbers)), draws)


def _drawn_groups(
    rng: np.random.Generator,
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    draws: int,
) -> NDArray[np.float64]:
    """Return the means of samples of whole groups; in pieces, so that memory is bounded."""
    num = len(sums)
    even = np.full(num, 1.0 / num)
    step = max(1, _MOST_NUMBERS // num)
    means = np.empty(draws)
    for start in range(0, draws, step):
        counts = rng.multinomial(num, even, size=min(step, draws - start))
        means[start : start + step] = (counts @ sums) / (counts @ sizes)
    return means


def _drawn_twice(
    rng: np.random.Generator, groups: list[NDArray[np.float64]], draws: int
) -> NDArray[np.float64]:
    chosen = rng.integers(len(groups), size=(draws, len(groups)))
    sums, sizes = np.zeros(draws), np.zeros(draws)
    for number, group in enumerate(groups):
        for slot in range(len(groups)):
            rows = np.flatnonzero(chosen[:, slot] == number)
            if len(rows):
                sums[rows] += _drawn_values(rng, group, len(rows)) * len(group)
                sizes[rows] += len(group)
    return sums / sizes
