"""Turns text into index terms, the same way for what is remembered and for what is asked.

SQLite's own tokenisers find no two-character Chinese word, so text is cut up here and the index
only sees ready terms: casefolded Unicode words with a light English stem, and for Chinese,
Japanese and Korean runs every single character and every overlapping pair.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from omnilive.memory.wordlists import (
    CHINESE_FILLERS,
    CHINESE_FRAMING_NOUNS,
    CHINESE_FRAMING_VERBS,
    FRAMING_NOUNS,
    FRAMING_VERBS,
    IRREGULAR,
    NUMBERS,
    STOP_WORDS,
)

MAX_QUESTION_CHARACTERS = 2_000
MAX_QUESTION_TERMS = 32
MAX_TERMS = 20_000
MAX_TERM_CHARACTERS = 64
VERB_WEIGHT = 0.3
NOUN_WEIGHT = 0.5

# Han, kana and hangul: scripts that are written without spaces or are best found by pairs.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:['\u2019][^\W_{_CJK}]+)*")
_IS_CJK = re.compile(rf"[{_CJK}]")
_FILLER = re.compile("|".join(sorted(map(re.escape, CHINESE_FILLERS), key=len, reverse=True)))
_CHINESE_FRAMING = dict.fromkeys(CHINESE_FRAMING_NOUNS, NOUN_WEIGHT) | dict.fromkeys(
    CHINESE_FRAMING_VERBS, VERB_WEIGHT
)
_FRAMING = re.compile(f"({'|'.join(_CHINESE_FRAMING)})")


class QueryWord(NamedTuple):
    """One word that a question asks for: as it was written, its terms, and how much it weighs."""

    surface: str
    terms: tuple[str, ...]
    weight: float


def stem(word: str) -> str:
    """Return the term of one casefolded English word: plural, -ed, -ing and a last -e go."""
    word = IRREGULAR.get(word, word)
    word = NUMBERS.get(word, word)
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word
    word = _without_plural(word)
    for ending in ("ing", "ed"):
        base = word[: -len(ending)]
        if not word.endswith(ending) or len(base) < 3 or word.endswith("eed"):
            continue
        if not re.search("[aeiouy]", base):
            continue
        if word.endswith("ied"):
            return base[:-1] + "y"
        word = base[:-1] if base[-1] == base[-2] and base[-1] not in "lsz" else base
        break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word


def index_terms(text: str) -> list[str]:
    """Return the terms under which `text` is found, in order, at most `MAX_TERMS`."""
    terms: list[str] = []
    for run in _runs(text):
        if _IS_CJK.match(run):
            terms.extend(run)
            terms.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.append(_term(run))
        if len(terms) >= MAX_TERMS:
            break
    return terms[:MAX_TERMS]


def query_words(question: str) -> tuple[QueryWord, ...]:
    """Return the words a question asks for, each once.

    Words that carry a question ("did", "the") are left out; words that only frame it ("said",
    "slide", "mention") weigh little, unless the question has no others.
    """
    words: dict[tuple[str, ...], QueryWord] = {}
    count = 0
    for run in _runs(question[:MAX_QUESTION_CHARACTERS]):
        for word in _query_words_of_run(run):
            if word.terms not in words:
                words[word.terms] = word
                count += len(word.terms)
        if count >= MAX_QUESTION_TERMS:
            break
    return tuple(words.values())


def content_words(words: tuple[QueryWord, ...]) -> tuple[QueryWord, ...]:
    """Return the words that weigh most: what is asked for, whatever frames it."""
    heaviest = max((word.weight for word in words), default=0.0)
    return tuple(word for word in words if word.weight == heaviest)


def settled(words: tuple[QueryWord, ...], counts: Mapping[str, int]) -> tuple[QueryWord, ...]:
    """Return the words without pairs of characters that only straddle two Chinese words.

    Of four characters that are two words the pair in the middle is none; where nothing that is
    remembered holds it and both its neighbours are known, it says nothing.

    Args:
        words: of a question.
        counts: in how many moments each term stands.
    """
    return tuple(
        word._replace(terms=_without_straddlers(word.terms, counts))
        if len(word.terms) > 2 and _IS_CJK.match(word.terms[0])
        else word
        for word in words
    )


def _without_straddlers(pairs: tuple[str, ...], counts: Mapping[str, int]) -> tuple[str, ...]:
    def is_known(place: int) -> bool:
        return 0 <= place < len(pairs) and counts.get(pairs[place], 0) > 0

    return tuple(
        pair
        for place, pair in enumerate(pairs)
        if is_known(place) or not (is_known(place - 1) and is_known(place + 1))
    )


def _runs(text: str) -> list[str]:
    return _RUN.findall(unicodedata.normalize("NFKC", text).casefold())


def _query_words_of_run(run: str) -> list[QueryWord]:
    if not _IS_CJK.match(run):
        term = _term(run)
        if run in STOP_WORDS:
            return []
        return [QueryWord(run, (term,), _WEIGHTS.get(term, 1.0))]
    found = []
    for part in _FILLER.split(run):
        for piece in _FRAMING.split(part):
            if piece:
                pairs = tuple(piece[i : i + 2] for i in range(len(piece) - 1))
                weight = _CHINESE_FRAMING.get(piece, 1.0)
                found.append(QueryWord(piece, pairs or (piece,), weight))
    return found


@lru_cache(maxsize=20_000)
def _term(word: str) -> str:
    for mark in ("'s", "\u2019s"):
        word = word.removesuffix(mark)
    word = word.replace("'", "").replace("\u2019", "")
    return stem(word)[:MAX_TERM_CHARACTERS]


def _without_plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_WEIGHTS = dict.fromkeys(map(_term, FRAMING_NOUNS), NOUN_WEIGHT) | dict.fromkeys(
    map(_term, FRAMING_VERBS), VERB_WEIGHT
)
