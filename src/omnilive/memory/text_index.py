"""The full-text index: which moments hold a term, and in how many each term stands.

SQLite only matches here. Scores are ours, from the document frequencies kept beside the index,
because its own ranking reads every matching row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from omnilive.memory.database import Database
from omnilive.memory.tokens import index_terms


def add_text(database: Database, moment: int, text: str) -> None:
    """Make a moment's text findable."""
    terms = index_terms(text)
    if not terms:
        return
    database.run("INSERT INTO moment_terms(rowid, terms) VALUES(?, ?)", (moment, " ".join(terms)))
    database.run_many(
        "INSERT INTO term VALUES(?, 1) ON CONFLICT(term) DO UPDATE SET moments = moments + 1",
        ((term,) for term in sorted(set(terms))),
    )


def remove_text(database: Database, moment: int, text: str) -> None:
    """Take a moment's text out of the index; `text` must be what was added."""
    terms = index_terms(text)
    if not terms:
        return
    # A contentless index keeps no text, so it must be told what to delete.
    database.run(
        "INSERT INTO moment_terms(moment_terms, rowid, terms) VALUES('delete', ?, ?)",
        (moment, " ".join(terms)),
    )
    distinct = sorted(set(terms))
    database.run_many(
        "UPDATE term SET moments = moments - 1 WHERE term = ?", ((term,) for term in distinct)
    )
    database.run_many(
        "DELETE FROM term WHERE term = ? AND moments <= 0", ((term,) for term in distinct)
    )


def frequencies(database: Database, terms: Iterable[str]) -> dict[str, int]:
    """Return in how many moments each term stands; 0 for unknown ones."""
    wanted = list(dict.fromkeys(terms))
    if not wanted:
        return {}
    known = database.rows(
        f"SELECT term, moments FROM term WHERE term IN ({','.join('?' * len(wanted))})", wanted
    )
    return dict.fromkeys(wanted, 0) | {term: int(count) for term, count in known}


def quoted(terms: Sequence[str], joiner: str) -> str:
    """Return an FTS5 expression of terms, each quoted so that none is read as syntax."""
    return f" {joiner} ".join('"' + term.replace('"', '""') + '"' for term in terms)


class RowRange(NamedTuple):
    """A range of row ids, both ends included. Moments are numbered as they are remembered."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Numbers in it."""
        return max(0, self.last - self.first + 1)


def rowids(
    database: Database,
    expression: str,
    rows: RowRange,
    limit: int,
    order: Literal["ASC", "DESC"] = "DESC",
) -> list[int]:
    """Return row ids in a range that match an FTS5 expression of `quoted` terms."""
    return [
        row[0]
        for row in database.rows(
            "SELECT rowid FROM moment_terms WHERE moment_terms MATCH ? AND rowid BETWEEN ? AND ? "
            f"ORDER BY rowid {order} LIMIT ?",
            (expression, rows.first, rows.last, limit),
        )
    ]


def count_matches(database: Database, terms: Sequence[str], rows: RowRange) -> int:
    """Return how many row ids in a range hold every term; 30 ns a posting, in compiled code."""
    return int(
        database.value(
            "SELECT count(*) FROM moment_terms WHERE moment_terms MATCH ? "
            "AND rowid BETWEEN ? AND ?",
            (quoted(terms, "AND"), rows.first, rows.last),
        )
    )
