"""Which moments hold enough of what a question asks for, with a bound on how many are looked at.

A moment that counts must hold at least one of the *rarest* terms, those without which the rest do
not reach the floor; so only their postings are read, and of common terms no more than meet them.
Where even these are too many (a word in a tenth of a year), the newest are read and slices spread
over the rest: at most `MAX_ROWS` row ids a term, and `MAX_POSTINGS` postings passed over in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omnilive.memory.database import Database
from omnilive.memory.text_index import RowRange, quoted, rowids

MAX_ROWS = 1_500
MAX_POSTINGS = 400_000
NUM_SLICES = 8
_NEWEST_SHARE = 0.5
_MAX_WHOLE = 400  # moments that hold every term, looked for over all time


def coverage(
    database: Database,
    shares: Mapping[str, float],
    counts: Mapping[str, int],
    ranges: Sequence[RowRange],
    total: int,
    floor: float,
) -> dict[int, float]:
    """Return row ids and how much of the question each holds, for those that reach the floor.

    Args:
        database: where.
        shares: terms and how much of the question each is.
        counts: in how many moments of the store each stands.
        ranges: row ids that may count.
        total: moments in the store.
        floor: least share.
    """
    known = sorted((term for term in shares if counts[term]), key=lambda term: counts[term])
    reach = sum(shares[term] for term in known)
    if reach < floor - 1e-9:
        return {}
    rarest = _rarest(known, shares, reach, floor)
    either = quoted(rarest, "OR")
    density = sum(counts[term] for term in rarest) / max(1, total)
    held: dict[int, float] = {}
    for part in bounded(ranges, density):
        for term in known:
            expression = quoted([term], "AND")
            if term not in rarest:
                expression = f"({either}) AND {expression}"
            for key in rowids(database, expression, part, MAX_ROWS):
                held[key] = held.get(key, 0.0) + shares[term]
    found = {key: share for key, share in held.items() if share >= floor - 1e-9}
    if len(known) > 1:
        # What holds all of it may lie between the slices, and few do: they are found over all time.
        for part in newest_of(ranges, sum(counts[term] for term in known) / max(1, total)):
            for key in rowids(database, quoted(known, "AND"), part, _MAX_WHOLE):
                found[key] = reach
    return found


def bounded(ranges: Sequence[RowRange], density: float) -> list[RowRange]:
    """Return the ranges, or where they hold too many: the newest of them and slices of the rest."""
    room = MAX_ROWS / max(1e-9, density)
    if sum(rows.length for rows in ranges) <= room:
        return list(ranges)
    chosen: list[RowRange] = []
    rest: list[RowRange] = []
    left = room * _NEWEST_SHARE
    for rows in sorted(ranges, key=lambda rows: rows.last, reverse=True):
        taken = min(rows.length, int(left))
        if taken > 0:
            chosen.append(RowRange(rows.last - taken + 1, rows.last))
            left -= taken
        if taken < rows.length:
            rest.append(RowRange(rows.first, rows.last - max(0, taken)))
    spare = sum(rows.length for rows in rest)
    length = int(room * (1.0 - _NEWEST_SHARE) / NUM_SLICES)
    for index in range(NUM_SLICES):
        at = (2 * index + 1) * spare // (2 * NUM_SLICES)
        for rows in rest:
            if at < rows.length:
                first = max(rows.first, rows.first + at - length // 2)
                chosen.append(RowRange(first, min(rows.last, first + length - 1)))
                break
            at -= rows.length
    return chosen


def newest_of(ranges: Sequence[RowRange], density: float) -> list[RowRange]:
    """Return the newest part of the ranges in which at most `MAX_POSTINGS` postings lie."""
    left = int(MAX_POSTINGS / max(1e-9, density))
    chosen = []
    for rows in sorted(ranges, key=lambda rows: rows.last, reverse=True):
        taken = min(rows.length, left)
        if taken <= 0:
            break
        chosen.append(RowRange(rows.last - taken + 1, rows.last))
        left -= taken
    return chosen


def _rarest(
    known: Sequence[str], shares: Mapping[str, float], reach: float, floor: float
) -> list[str]:
    """Return the rarest terms of which a moment must hold one to reach the floor."""
    chosen: list[str] = []
    left = reach
    for term in known:
        if left < floor - 1e-9:
            break
        chosen.append(term)
        left -= shares[term]
    return chosen
