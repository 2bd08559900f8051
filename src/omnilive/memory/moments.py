"""Moments as rows and as values: ids, numbers of kinds and voices, listing by time.

A moment's public id is made from its kind, stream and start; see `omnilive.memory.schema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from omnilive.errors import UnknownMoment
from omnilive.events import Kind, Moment, Voice, moment_id
from omnilive.memory.database import Database
from omnilive.memory.timeline import Timeline
from omnilive.memory.wordlists import SHOWN_TEXT

KINDS: tuple[Kind, ...] = ("speech", "screen", "sound", "motion", "picture")
VOICES: tuple[Voice, ...] = ("user", "ambient", "own")
_Letter = Literal["c", "u", "t", "s", "m", "b"]
LETTERS: tuple[_Letter, ...] = ("u", "t", "s", "m", "c")
_ID = re.compile(r"([a-z])(\d{1,18})-(\d{1,18})")
# Clips, blocks of clips, and calendar digests; blocks above level 1 keep their ids as names.
_LEVELS = {"c": 0, "b": 1, "h": -1, "d": -2, "n": -3}
MAX_NAME_CHARACTERS = 200

COLUMNS = "m.id, m.node, m.stream, m.kind, m.start_ns, m.end_ns, m.name, m.voice, m.asked, m.text"


class MomentRow(NamedTuple):
    """One row of `moment`, as `COLUMNS` lists it."""

    id: int
    node: int
    stream: int
    kind: int
    start_ns: int
    end_ns: int
    name: str | None
    voice: int
    asked: int
    text: str

    @property
    def public_id(self) -> str:
        """The id a citation shows."""
        return self.name or moment_id(LETTERS[self.kind], self.stream, self.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentQuery:
    """Which moments to list; the defaults exclude nothing. Times are stream time of `stream`."""

    kinds: tuple[Kind, ...] = ()
    stream: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    newest_first: bool = False
    limit: int = 100


class Found(NamedTuple):
    """Where a public id leads: a moment's row id, or a node's, or both (a caption's clip)."""

    moment: int | None
    node: int | None


def stored_name(public_id: str, letter: _Letter, stream: int, start_ns: int) -> str | None:
    """Return None for an id that can be made again, else the id itself."""
    if public_id == moment_id(letter, stream, start_ns):
        return None
    return public_id[:MAX_NAME_CHARACTERS]


def find(database: Database, public_id: str) -> Found:
    """Return what a public id stands for.

    Raises:
        UnknownMoment: nothing has this id, or it was forgotten.
    """
    found = Found(None, None)
    match = _ID.fullmatch(public_id)
    if match:
        letter, stream, start_ms = match[1], int(match[2]), int(match[3])
        found = _find_made(database, letter, stream, start_ms * 1_000_000)
    if found == (None, None):
        name = public_id[:MAX_NAME_CHARACTERS]
        found = Found(
            database.value("SELECT id FROM moment WHERE name = ? LIMIT 1", (name,)),
            database.value("SELECT id FROM node WHERE name = ? LIMIT 1", (name,)),
        )
    if found == (None, None):
        shown = public_id if len(public_id) <= 40 and public_id.isprintable() else "given"
        raise UnknownMoment(
            f"No moment has the id {shown}; "
            "`omnilive memory list` shows the ids, and a forgotten one is gone."
        )
    return found


def _find_made(database: Database, letter: str, stream: int, start_ns: int) -> Found:
    window = (stream, start_ns, start_ns + 999_999)
    moment = node = None
    if letter in LETTERS:
        kind = LETTERS.index(letter)
        moment = database.value(
            "SELECT id FROM moment WHERE stream = ? AND start_ns BETWEEN ? AND ? AND kind = ? "
            "AND name IS NULL LIMIT 1",
            (*window, kind),
        )
    if letter in _LEVELS:
        node = database.value(
            "SELECT id FROM node WHERE stream = ? AND start_ns BETWEEN ? AND ? AND name IS NULL "
            "AND level = ? LIMIT 1",
            (*window, _LEVELS[letter]),
        )
    return Found(moment, node)


def select(database: Database, query: MomentQuery) -> list[MomentRow]:
    """Return the rows a query asks for, in order of time (or newest first)."""
    conditions, bindings = ["1"], []
    for column, value in (
        ("m.stream = ?", query.stream),
        ("m.end_ns > ?", query.start_ns),
        ("m.start_ns < ?", query.end_ns),
    ):
        if value is not None:
            conditions.append(column)
            bindings.append(value)
    if query.kinds:
        conditions.append(f"m.kind IN ({','.join('?' * len(query.kinds))})")
        bindings += [KINDS.index(kind) for kind in query.kinds]
    order = "DESC" if query.newest_first else "ASC"
    rows = database.rows(
        f"SELECT {COLUMNS} FROM moment m WHERE {' AND '.join(conditions)} "
        f"ORDER BY m.start_ns {order}, m.id {order} LIMIT ?",
        (*bindings, query.limit),
    )
    return [MomentRow(*row) for row in rows]


def by_ids(database: Database, ids: Sequence[int]) -> list[MomentRow]:
    """Return the rows with these ids, in the order given; missing ones are left out."""
    found: dict[int, MomentRow] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        for row in database.rows(
            f"SELECT {COLUMNS} FROM moment m WHERE m.id IN ({','.join('?' * len(part))})", part
        ):
            found[row[0]] = MomentRow(*row)
    return [found[number] for number in ids if number in found]


class Presenter:
    """Turns rows into `Moment` values: local times, clip ids, whether they can be played.

    Files are looked at once per presenter, so make a new one for every question.
    """

    def __init__(self, database: Database, timelines: Mapping[int, Timeline]) -> None:
        self._database = database
        self._timelines = timelines
        self._clips: dict[int, str] = {}
        self._unchanged: dict[int, bool] = {}

    def present(
        self,
        rows: Iterable[MomentRow],
        *,
        pictures: bool = False,
        scores: Mapping[int, float] | None = None,
    ) -> tuple[Moment, ...]:
        """Return the moments of `rows`; `scores` by row id."""
        rows = list(rows)
        self._load_clips({row.node for row in rows})
        recorded = self._recorded({row.node for row in rows})
        found = []
        for row in rows:
            timeline = self._timelines[row.stream]
            found.append(
                Moment(
                    id=row.public_id,
                    clip=self._clips[row.node],
                    stream=row.stream,
                    stream_name=timeline.name,
                    kind=KINDS[row.kind],
                    start_ns=row.start_ns,
                    end_ns=row.end_ns,
                    at=timeline.local_at(row.start_ns),
                    text=row.text or SHOWN_TEXT.get(KINDS[row.kind], ""),
                    playable=row.node in recorded
                    or self._file_is_there(timeline.epoch_at(row.start_ns).id),
                    score=0.0 if scores is None else scores.get(row.id, 0.0),
                    voice=VOICES[row.voice],
                    picture=self.picture(row.node) if pictures else b"",
                )
            )
        return tuple(found)

    def picture(self, node: int) -> bytes:
        """Return the JPEG kept of a clip, or b""."""
        return self._database.value("SELECT jpeg FROM thumbnail WHERE node = ?", (node,)) or b""

    def playable(self, node: int, stream: int, start_ns: int) -> bool:
        """Whether a clip's recording or source can still be played."""
        epoch = self._timelines[stream].epoch_at(start_ns).id
        return bool(self._recorded({node})) or self._file_is_there(epoch)

    def _load_clips(self, nodes: set[int]) -> None:
        for row in _of_nodes(
            self._database,
            "SELECT id, stream, start_ns, name FROM node WHERE id IN",
            nodes - self._clips.keys(),
        ):
            self._clips[row[0]] = row[3] or moment_id("c", row[1], row[2])

    def _recorded(self, nodes: set[int]) -> set[int]:
        sql = "SELECT DISTINCT node FROM fragment WHERE node IN"
        return {row[0] for row in _of_nodes(self._database, sql, nodes)}

    def _file_is_there(self, epoch: int) -> bool:
        if epoch not in self._unchanged:
            self._unchanged[epoch] = file_is_unchanged(self._database, epoch)
        return self._unchanged[epoch]


def present_new(
    rows: Iterable[MomentRow], line: Timeline, clip: str, playable: bool
) -> tuple[Moment, ...]:
    """Return the moments of a clip that was just committed, without asking the store again."""
    return tuple(
        Moment(
            id=row.public_id,
            clip=clip,
            stream=row.stream,
            stream_name=line.name,
            kind=KINDS[row.kind],
            start_ns=row.start_ns,
            end_ns=row.end_ns,
            at=line.local_at(row.start_ns),
            text=row.text or SHOWN_TEXT.get(KINDS[row.kind], ""),
            playable=playable,
            voice=VOICES[row.voice],
        )
        for row in rows
    )


def file_is_unchanged(database: Database, epoch: int) -> bool:
    """Whether the epoch came from a user's file that is still as it was."""
    row = database.row(
        "SELECT f.path, f.size, f.mtime_ns FROM epoch e JOIN source_file f ON f.id = e.file "
        "WHERE e.id = ?",
        (epoch,),
    )
    if row is None:
        return False
    try:
        status = Path(row[0]).stat()
    except (OSError, ValueError):
        return False
    return status.st_size == row[1] and status.st_mtime_ns == row[2]


def _of_nodes(database: Database, sql: str, nodes: set[int]) -> list[tuple[Any, ...]]:
    numbers = sorted(nodes)
    rows = []
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        rows += database.rows(f"{sql} ({','.join('?' * len(part))})", part)
    return rows
