"""The full-text index: which moments hold a term, and in how many each term stands.

SQLite only matches here. Scores are ours, from the document frequencies kept beside the index,
because its own ranking reads every matching row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def moments_with(database: Database, term: str, limit: int) -> list[int]:
    """Return row ids of the newest moments that hold a term, at most `limit`."""
    return [
        row[0]
        for row in database.rows(
            "SELECT rowid FROM moment_terms WHERE moment_terms MATCH ? ORDER BY rowid DESC LIMIT ?",
            (quoted([term], "AND"), limit),
        )
    ]
