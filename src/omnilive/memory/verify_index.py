"""Checks of what questions search: the text index, frequencies, vectors and their caches."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from omnilive.memory.clips import EMBEDDED_KINDS
from omnilive.memory.moments import KINDS
from omnilive.memory.tokens import index_terms
from omnilive.memory.verify_support import Checking, Cure, Finding, pages

_NORM_TOLERANCE = 0.03  # eight bits a number


def check_text_index(checking: Checking) -> Iterator[Finding]:
    """Every moment is found by its own terms, and by no others; the index knows no others."""
    if checking.quick:
        return
    database = checking.database
    database.run(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.posting USING "
        "fts5vocab(main, moment_terms, instance)"
    )
    try:
        indexed = _fingerprints_of_index(checking)
    finally:
        database.run("DROP TABLE temp.posting")
    for rows in pages(database, "SELECT id, text FROM moment"):
        for moment, text in rows:
            expected = 0
            for term in set(index_terms(text)):
                expected += _fingerprint(term)
            if indexed.pop(moment, 0) != expected:
                what = f"Moment row {moment} is not found by its own words, or by others' words."
                yield Finding("text index", what, Cure.INDEX, "moment", moment)
    for moment in list(indexed)[:100]:
        what = f"The text index still holds words of row {moment}, which is gone."
        yield Finding("text index", what, Cure.INDEX, "moment", moment)


def _fingerprints_of_index(checking: Checking) -> dict[int, int]:
    """Return per row the sum of its terms' fingerprints: as long as the table, not the texts."""
    found: dict[int, int] = {}
    last_term, value = None, 0
    for term, row in checking.database.iterate("SELECT DISTINCT term, doc FROM temp.posting"):
        if term != last_term:
            last_term, value = term, _fingerprint(term)
        found[row] = found.get(row, 0) + value
    return found


def _fingerprint(term: str) -> int:
    data = term.encode()
    return zlib.crc32(data) << 32 | zlib.adler32(data)


def check_frequencies(checking: Checking) -> Iterator[Finding]:
    """The number of moments kept for a term is how many the index has."""
    database = checking.database
    database.run(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING "
        "fts5vocab(main, moment_terms, row)"
    )
    try:
        wrong = database.value(
            "SELECT count(*) FROM temp.vocabulary v LEFT JOIN main.term t ON t.term = v.term "
            "WHERE t.moments IS NOT v.doc"
        )
        known = database.value("SELECT count(*) FROM temp.vocabulary")
        kept = database.value("SELECT count(*) FROM term")
    finally:
        database.run("DROP TABLE temp.vocabulary")
    if wrong or known != kept:
        what = f"{wrong + abs(known - kept)} terms have a wrong number of moments."
        yield Finding("frequency", what, Cure.INDEX)


def check_vectors(checking: Checking) -> Iterator[Finding]:
    """Vectors have the length of their model and are of unit length; texts have one."""
    database = checking.database
    dimensions = dict(database.rows("SELECT id, dimension FROM model"))
    for table, key, cure in (
        ("moment_vector", "id", Cure.EMBED),
        ("node_vector", "node", Cure.DERIVE),
    ):
        for rows in pages(database, f"SELECT {key}, model, data FROM {table}", key):
            for row, model, data in rows:
                if not _is_good(data, dimensions.get(model)):
                    what = f"Row {row} of {table} is no unit vector of its model."
                    yield Finding("vector", what, cure, table, row)
    if checking.quick:
        return
    kinds = ",".join(str(KINDS.index(kind)) for kind in EMBEDDED_KINDS)
    for rows in pages(
        database,
        "SELECT m.id, m.text FROM moment m WHERE NOT EXISTS (SELECT 1 FROM moment_vector v "
        f"WHERE v.moment = m.id) AND m.kind IN ({kinds})",
        "m.id",
    ):
        for moment, text in rows:
            if any(character.isalnum() for character in text):
                what = f"Moment row {moment} has words but no vector."
                yield Finding("vector", what, Cure.EMBED, "moment", moment)


def _is_good(data: object, dimension: int | None) -> bool:
    if dimension is None or not isinstance(data, bytes) or len(data) != 4 + dimension:
        return False
    scale = float(np.frombuffer(data[:4], dtype="<f4")[0])
    numbers = np.frombuffer(data[4:], dtype=np.int8).astype(np.float64)
    length = abs(scale) * float(np.sqrt((numbers * numbers).sum()))
    return bool(np.isfinite(length)) and abs(length - 1.0) <= _NORM_TOLERANCE
