"""What was measured, one row a question and one value a measure, and what that comes to.

A table's rows are kept as they were measured, so that a comparison can pair two measures question
by question, whichever parts of a run they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from omnilive.evaluation.bootstrap import Interval, interval, paired


@dataclass(frozen=True, slots=True)
class Row:
    """One question.

    Attributes:
        table: where it belongs.
        stream: that it is about; intervals draw whole streams.
        number: of the question in its stream and group.
        group: what else tells it from others ("32 clips", "1 h").
        kind: of the question.
        shown: whether something shows the answer.
        values: 0 or 1 by measure.
        more: what a later part needs of it.
    """

    table: str
    stream: str
    number: int
    group: str
    kind: str
    shown: bool
    values: dict[str, float]
    more: dict[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def merged(rows: Iterable[Row]) -> list[Row]:
    """Return rows about the same question as one row with the values of all."""
    found: dict[tuple[str, str, int, str], Row] = {}
    for row in rows:
        key = (row.table, row.stream, row.number, row.group)
        if key in found:
            assert found[key].kind == row.kind
            found[key].values.update(row.values)
            found[key].more.update(row.more)
        else:
            found[key] = Row(**row.told())  # a copy
    return list(found.values())


def mean_of(rows: Sequence[Row], measure: str) -> Interval | None:
    """Return the mean of a measure over the rows that have it."""
    kept = [row for row in rows if measure in row.values]
    if not kept:
        return None
    return interval([row.values[measure] for row in kept], [row.stream for row in kept])


def margin_of(rows: Sequence[Row], first: str, second: str) -> Interval | None:
    """Return by how much the first measure is above the second, question by question."""
    kept = [row for row in rows if first in row.values and second in row.values]
    if not kept:
        return None
    return paired(
        [row.values[first] for row in kept],
        [row.values[second] for row in kept],
        [row.stream for row in kept],
    )


def parted(rows: Sequence[Row], key: Callable[[Row], str]) -> Mapping[str, list[Row]]:
    """Return the rows by a key, in the order in which the keys first come."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
