"""Text digests: the most telling lines of a stretch of time, each with its local time.

Extractive: every line was said, read or heard as it stands, so a digest can be cited. A line that
says the same as an earlier one is left out, and the rest are weighed by how rare their terms are
in the whole store.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from omnilive.memory.database import Database
from omnilive.memory.moments import KINDS, VOICES
from omnilive.memory.text_index import frequencies
from omnilive.memory.tokens import index_terms

DIGEST_CHARACTERS = 1_200
LINE_CHARACTERS = 160
MAX_LINES_READ = 4_000
_SAID = {"speech": "heard", "screen": "read", "sound": "sound", "picture": "seen"}
_MOTION = KINDS.index("motion")
_OWN = VOICES.index("own")


class Line(NamedTuple):
    """One line of a digest: when it was, as it is shown, and what was perceived."""

    when: str
    text: str


def lines_of_clips(database: Database, where: int | tuple[int, int, int]) -> list[Line]:
    """Return what was perceived in a block's clips, or in a stream from start to end.

    Args:
        database: where it is.
        where: a block of level 1, or (stream, start_ns, end_ns).
    """
    if isinstance(where, int):
        rows = database.rows(
            "SELECT m.kind, n.epoch, m.start_ns, m.text FROM node n JOIN moment m ON m.node = n.id "
            "WHERE n.parent = ? AND m.voice != ? AND m.asked = 0 ORDER BY m.start_ns, m.id LIMIT ?",
            (where, _OWN, MAX_LINES_READ),
        )
    else:
        rows = database.rows(
            "SELECT m.kind, n.epoch, m.start_ns, m.text FROM node n JOIN moment m ON m.node = n.id "
            "WHERE n.stream = ? AND n.level = 0 AND n.start_ns >= ? AND n.start_ns < ? "
            "AND m.voice != ? AND m.asked = 0 ORDER BY m.start_ns, m.id LIMIT ?",
            (*where, _OWN, MAX_LINES_READ),
        )
    lines: list[Line] = []
    known: set[str] = set()
    for kind, epoch, start_ns, text in rows:
        if kind == _MOTION:
            text = "something moved"
        if not text:
            continue
        label = _SAID.get(KINDS[kind], "")
        shown = f"{label}: {text}" if label else text
        if shown in known:
            continue
        known.add(shown)
        shown = " ".join(shown.split())
        if len(shown) > LINE_CHARACTERS:
            shown = shown[: LINE_CHARACTERS - 3].rstrip() + "..."
        lines.append(Line(database.clock.time(epoch, start_ns), shown))
    return lines


def lines_of_digests(database: Database, rows: Iterable[tuple[int, int, str]]) -> list[Line]:
    """Return the lines of digests given as (epoch, start_ns, digest).

    Where they are of several days each line says its date.
    """
    dated = [
        (database.clock.day(epoch, start_ns).isoformat(), digest)
        for epoch, start_ns, digest in rows
    ]
    is_one_day = len({day for day, _ in dated}) <= 1
    lines = []
    known: set[str] = set()
    for day, digest in dated:
        for line in digest.splitlines():
            when, _, text = line.partition(" ")
            if _is_date(when):
                clock, _, text = text.partition(" ")
                when = f"{when} {clock}"
            elif not is_one_day:
                when = f"{day} {when}"
            if text and text not in known:
                known.add(text)
                lines.append(Line(when, text))
    return lines


def digest_of(database: Database, lines: Sequence[Line]) -> str:
    """Return the most telling of some lines, in order of time, at most `DIGEST_CHARACTERS`."""
    shown = [f"{line.when} {line.text}" for line in lines]
    if sum(len(line) + 1 for line in shown) <= DIGEST_CHARACTERS:
        return "\n".join(shown)
    weights = _weights(database, [line.text for line in lines])
    chosen: list[int] = []
    room = DIGEST_CHARACTERS
    for index in sorted(range(len(lines)), key=weights.__getitem__, reverse=True):
        if len(shown[index]) + 1 <= room:
            chosen.append(index)
            room -= len(shown[index]) + 1
        if room < 32:
            break
    return "\n".join(shown[index] for index in sorted(chosen))


def _weights(database: Database, texts: Sequence[str]) -> list[float]:
    """Return how telling each text is: rare terms count, repeated ones only once a digest."""
    terms = [dict.fromkeys(index_terms(text)) for text in texts]
    known = sorted({term for own in terms for term in own})
    counts: dict[str, int] = {}
    for start in range(0, len(known), 500):
        counts |= frequencies(database, known[start : start + 500])
    total = 1 + max(counts.values(), default=0)
    rarity = {term: math.log(1 + total / count) for term, count in counts.items() if count}
    seen: set[str] = set()
    weights = []
    for own in terms:
        fresh = [rarity[term] for term in own if term not in seen and term in rarity]
        seen.update(own)
        # Labels ("heard:") are in no moment's text, so they weigh nothing or as little as a word.
        weights.append(math.fsum(fresh) / math.sqrt(1 + len(own)))
    return weights


def _is_date(word: str) -> bool:
    return len(word) == 10 and word[4] == "-" and word[7] == "-"
