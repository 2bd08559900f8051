"""Puts findings in order: channels joined by rank, equal evidence without a slope in time.

Memory systems drift towards what is recent: newest first among equals looks harmless, but with
hundreds of equal findings the past is never shown. Here nothing in a score depends on age, and
findings of one score share one rank; among them the newest comes first and the others follow
evenly spread over the time they come from, so that any prefix of them stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Item = TypeVar("_Item")
_SAME = 4  # digits of a score; what differs less is the same evidence


def without_drift(
    items: Sequence[_Item],
    evidence: Callable[[_Item], Any],
    when: Callable[[_Item], Any],
) -> list[_Item]:
    """Return items best evidence first; equal evidence newest first, the rest spread over time.

    Args:
        items: in any order.
        evidence: sorts the better before the worse; equal values are equal evidence.
        when: sorts the older before the newer.
    """
    ordered: list[_Item] = []
    for _, equals in groupby(sorted(items, key=evidence), key=evidence):
        newest_first = sorted(equals, key=when, reverse=True)
        ordered += [newest_first[place] for place in spread(len(newest_first))]
    return ordered


def spread(count: int) -> Iterator[int]:
    """Yield 0 to count - 1, each once, so that every prefix is spread evenly (van der Corput)."""
    if count <= 0:
        return
    bits = (count - 1).bit_length()
    for number in range(1 << bits):
        place = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
        if place < count:
            yield place


def spread_keys(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sort keys that put the largest place first and every prefix spread over the rest."""
    if not places.size:
        return places
    distance = places.max() - places
    bits = max(1, int(distance.max()).bit_length())
    keys = np.zeros_like(distance)
    for bit in range(bits):
        keys |= ((distance >> bit) & 1) << (bits - 1 - bit)
    return keys


def same(score: float) -> float:
    """Return a score to the digits in which it is told apart from others."""
    return round(score, _SAME)


def fused_ranks(
    channels: Sequence[tuple[float, Sequence[tuple[Hashable, float]]]], offset: float = 10.0
) -> dict[Hashable, float]:
    """Return what each key gets from all channels: weight / (offset + rank), equal scores alike.

    Args:
        channels: of each its weight, and its findings as (key, score), in any order.
        offset: the larger, the less the first ranks stand out.
    """
    sums: dict[Hashable, float] = {}
    for weight, findings in channels:
        ordered = sorted(findings, key=lambda finding: -same(finding[1]))
        rank = 0
        for place, (key, score) in enumerate(ordered):
            if place and same(score) != same(ordered[place - 1][1]):
                rank = place
            sums[key] = sums.get(key, 0.0) + weight / (offset + rank)
    return sums
