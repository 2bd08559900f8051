"""Stored answers lose their words when what they rest on, or quote, is forgotten."""

from __future__ import annotations

from collections.abc import Iterable

from omnilive.memory.database import Database
from omnilive.memory.tokens import index_terms

QUOTED_TERMS = 4  # so many terms in a row are a quotation, not a coincidence


def redact_turns(database: Database, ids: set[str], texts: Iterable[str]) -> int:
    """Redact the turns that cite one of these ids, were asked by it, or quote one of these texts.

    Returns:
        How many lost their words.
    """
    turns: set[int] = set()
    for public_id in ids:
        for (turn,) in database.rows("SELECT turn FROM citation WHERE moment = ?", (public_id,)):
            turns.add(turn)
    quotations = _quotations(texts)
    asked = {f"q-{public_id}" for public_id in ids}
    for turn, turn_id, *texts_of_turn in database.rows(
        "SELECT id, turn_id, question, answer, heard FROM turn WHERE redacted = 0"
    ):
        if turn_id in asked or any(_quotes(text, quotations) for text in texts_of_turn):
            turns.add(turn)
    for turn in turns:
        # The question often repeats the words that were to be forgotten.
        database.run(
            "UPDATE turn SET question = '', answer = '', heard = '', redacted = 1, bytes = 0 "
            "WHERE id = ?",
            (turn,),
        )
        database.run("DELETE FROM citation WHERE turn = ?", (turn,))
    return len(turns)


def _quotations(texts: Iterable[str]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for text in texts:
        terms = index_terms(text)
        if len(terms) < QUOTED_TERMS:
            # A single word is no quotation: "yes" stands in every other answer.
            if len(terms) > 1:
                found.add(tuple(terms))
            continue
        found.update(_runs(terms, QUOTED_TERMS))
    return found


def _quotes(text: str, quotations: set[tuple[str, ...]]) -> bool:
    if not quotations or not text:
        return False
    terms = index_terms(text)
    return any(
        run in quotations for length in range(2, QUOTED_TERMS + 1) for run in _runs(terms, length)
    )


def _runs(terms: list[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(terms[start:] for start in range(length)), strict=False)
