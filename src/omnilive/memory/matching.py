"""Every moment that holds all of some words, or lies in some span: what may be forgotten.

Retrieval ranks and stops; here nothing is ranked and nothing left out, and no vector decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from omnilive.memory.database import Database
from omnilive.memory.forget_request import StreamSpan
from omnilive.memory.moments import COLUMNS, MomentRow, by_ids
from omnilive.memory.text_index import quoted
from omnilive.memory.tokens import query_words

_PART = 500


class WithinSpan(NamedTuple):
    """How many moments reach into a span, how many clips lie in it, and the first moments."""

    num_moments: int
    num_clips: int
    first: tuple[MomentRow, ...]


def moments_holding(
    database: Database, words: str, streams: Sequence[int] = (), spans: Sequence[StreamSpan] = ()
) -> Iterator[MomentRow]:
    """Yield the moments whose text holds every word asked for; none if there are no words.

    Args:
        database: where to look.
        words: as a question would say them; words that carry no meaning are left out.
        streams: only in these; all if empty.
        spans: only what reaches into these; everywhere if empty.
    """
    terms = sorted({term for word in query_words(words) for term in word.terms})
    if not terms:
        return
    found = [
        row[0]
        for row in database.rows(
            "SELECT rowid FROM moment_terms WHERE moment_terms MATCH ? ORDER BY rowid",
            (quoted(terms, "AND"),),
        )
    ]
    for start in range(0, len(found), _PART):
        for row in by_ids(database, found[start : start + _PART]):
            if streams and row.stream not in streams:
                continue
            if spans and not any(_reaches_into(row, span) for span in spans):
                continue
            yield row


def within_span(database: Database, span: StreamSpan, limit: int) -> WithinSpan:
    """Return what lies in a span, with at most `limit` of its moments in order of time."""
    condition = (
        "FROM moment m WHERE m.stream = ? AND m.start_ns < ? AND max(m.end_ns, m.start_ns + 1) > ?"
    )
    bindings = (span.stream, span.end_ns, span.start_ns)
    rows = database.rows(
        f"SELECT {COLUMNS} {condition} ORDER BY m.start_ns, m.id LIMIT ?", (*bindings, limit)
    )
    return WithinSpan(
        num_moments=database.value(f"SELECT count(*) {condition}", bindings),
        num_clips=database.value(
            "SELECT count(*) FROM node WHERE stream = ? AND level = 0 AND start_ns >= ? "
            "AND end_ns <= ?",
            (span.stream, span.start_ns, span.end_ns),
        ),
        first=tuple(MomentRow(*row) for row in rows),
    )


def _reaches_into(row: MomentRow, span: StreamSpan) -> bool:
    end_ns = max(row.end_ns, row.start_ns + 1)
    return row.stream == span.stream and row.start_ns < span.end_ns and end_ns > span.start_ns
