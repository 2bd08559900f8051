"""Committing a clip: one transaction with everything that was perceived in it.

A clip in which nothing was new, right behind another such clip, makes that one longer instead:
an empty night costs a few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilive.events import ClipTokens, Kind, Voice
from omnilive.memory import blocks, calendar_rows, clip_tokens, derived
from omnilive.memory.blocks import BlockLimits
from omnilive.memory.database import Database
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.moments import COLUMNS, KINDS, LETTERS, VOICES, MomentRow, stored_name
from omnilive.memory.segments import Recordings, WrittenFragment
from omnilive.memory.text_index import add_text, remove_text
from omnilive.memory.vectors import pack_vector, pack_vectors

EMBEDDED_KINDS: tuple[Kind, ...] = ("speech", "screen", "picture")
MAX_TEXT_CHARACTERS = 20_000

_SILENCE = "silence"  # as `SoundEvent.label` says it


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMoment:
    """Something perceived, about to be remembered. `details` is JSON (word times, boxes)."""

    id: str
    kind: Kind
    start_ns: int
    end_ns: int
    text: str
    voice: Voice = "ambient"
    asked: bool = False
    details: bytes | None = None

    @property
    def is_silence(self) -> bool:
        """Whether it is a long silence: nothing new, and told only when it is over."""
        return self.kind == "sound" and self.text == _SILENCE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewClip:
    """A clip with all that belongs to it, about to be remembered."""

    id: str
    stream: int
    epoch: int
    start_ns: int
    end_ns: int
    num_frames: int = 0
    changed: bool = False
    motion: float = 0.0
    moments: tuple[NewMoment, ...] = ()
    picture: bytes = b""
    descriptor: NDArray[np.float32] | None = None
    descriptor_model: str = ""
    tokens: ClipTokens | None = None


class CommittedClip(NamedTuple):
    """What became of a clip. `start_ns` is that of the row, which is older if it was extended."""

    node: int
    start_ns: int
    rows: tuple[MomentRow, ...]
    extended: bool


def commit_clip(
    database: Database,
    recordings: Recordings,
    clip: NewClip,
    written: WrittenFragment | None,
    *,
    embedder: TextEmbedder,
    limits: BlockLimits,
    quiet_ns: int,
) -> CommittedClip:
    """Remember a clip in one transaction; a clip that is already remembered is left as it is."""
    newest = database.row(
        "SELECT id, start_ns, end_ns, epoch, quiet, parent FROM node "
        "WHERE stream = ? AND level = 0 ORDER BY start_ns DESC LIMIT 1",
        (clip.stream,),
    )
    if newest is not None and newest[1] >= clip.start_ns:
        known = database.value(
            "SELECT id FROM node WHERE level = 0 AND stream = ? AND start_ns = ?",
            (clip.stream, clip.start_ns),
        )
        if known is not None:
            return CommittedClip(known, clip.start_ns, tuple(_moments_of(database, known)), False)
    is_quiet = not clip.changed and not clip.moments
    # Vectors are made before the transaction, so that the writer holds it for as short as it can.
    vectors = _embed(embedder, clip.moments)
    with database.transaction():
        grown = _grow_quiet(database, clip, quiet_ns, newest) if is_quiet and newest else None
        block = None
        if grown is None:
            if newest is not None:
                last = (newest[3], newest[1])
                calendar_rows.close_past(database, clip.stream, last, clip.epoch, clip.start_ns)
            block = blocks.block_for(database, 0, clip.stream, clip.epoch, clip.start_ns, limits)
        node = _insert_node(database, clip, is_quiet, block) if grown is None else grown
        if written is not None:
            recordings.insert(node, clip.stream, written)
        rows = _insert_moments(database, node, clip.stream, clip.moments, vectors, embedder)
        if block is not None:
            # Last, because the block may close here and is made from all that the clip holds.
            blocks.count_in(database, block, clip.end_ns, limits)
    start_ns = clip.start_ns if grown is None or newest is None else newest[1]
    return CommittedClip(node, start_ns, tuple(rows), grown is not None)


def add_moments(
    database: Database,
    node: int,
    stream: int,
    moments: Sequence[NewMoment],
    embedder: TextEmbedder,
) -> tuple[MomentRow, ...]:
    """Add what was perceived late to a clip that is already remembered."""
    vectors = _embed(embedder, moments)
    with database.transaction():
        if not all(moment.is_silence for moment in moments):
            database.run("UPDATE node SET quiet = 0 WHERE id = ?", (node,))
        rows = _insert_moments(database, node, stream, moments, vectors, embedder)
        parent = database.row(
            "SELECT p.id FROM node n JOIN node p ON p.id = n.parent "
            "WHERE n.id = ? AND p.closed = 1",
            (node,),
        )
        if parent is not None:
            derived.refresh(database, parent[0])
        _refresh_calendar(database, node)
    return tuple(rows)


def set_caption(database: Database, node: int, text: str, embedder: TextEmbedder) -> bool:
    """Write what a model says of a clip into its picture moment; False if it has none."""
    text = text[:MAX_TEXT_CHARACTERS]
    picture = KINDS.index("picture")
    row = database.row("SELECT id, text FROM moment WHERE node = ? AND kind = ?", (node, picture))
    if row is None:
        return False
    vector = embedder.embed([text])[0]
    model = model_id(database, embedder.model, embedder.dimension)
    with database.transaction():
        if row[1]:
            remove_text(database, row[0], row[1])
            database.run("UPDATE meta SET value = value + 1 WHERE key = 'erased'")
        database.run("DELETE FROM moment_vector WHERE moment = ?", (row[0],))
        database.run(
            "UPDATE moment SET text = ?, bytes = ? WHERE id = ?",
            (text, len(text.encode()), row[0]),
        )
        add_text(database, row[0], text)
        if vector.any():
            _insert_vector(database, row[0], model, pack_vector(vector))
        parent = database.value(
            "SELECT p.id FROM node n JOIN node p ON p.id = n.parent "
            "WHERE n.id = ? AND p.closed = 1",
            (node,),
        )
        if parent is not None:
            derived.refresh(database, parent)
        _refresh_calendar(database, node)
    return True


def _refresh_calendar(database: Database, node: int) -> None:
    row = database.row("SELECT stream, start_ns FROM node WHERE id = ?", (node,))
    assert row is not None
    derived.refresh_calendar(database, row[0], row[1])


def model_id(database: Database, name: str, dimension: int) -> int:
    """Return the number of a vector model, made if new."""
    found = database.value("SELECT id FROM model WHERE name = ?", (name,))
    if found is not None:
        return int(found)
    return database.insert("INSERT INTO model(name, dimension) VALUES(?, ?)", (name, dimension))


def _insert_node(database: Database, clip: NewClip, is_quiet: bool, block: int | None) -> int:
    node = database.insert(
        "INSERT INTO node(level, parent, stream, epoch, start_ns, end_ns, name, quiet, changed, "
        "motion, num_frames) VALUES(0,?,?,?,?,?,?,?,?,?,?)",
        (block, clip.stream, clip.epoch, clip.start_ns, clip.end_ns)
        + (stored_name(clip.id, "c", clip.stream, clip.start_ns),)
        + (is_quiet, clip.changed, clip.motion, clip.num_frames),
    )
    if clip.picture:
        database.run(
            "INSERT INTO thumbnail VALUES(?, ?, ?)", (node, clip.picture, len(clip.picture))
        )
    if clip.descriptor is not None and clip.descriptor.size:
        model = model_id(database, clip.descriptor_model, clip.descriptor.size)
        data = pack_vector(clip.descriptor)
        database.run("INSERT INTO node_vector VALUES(?, ?, ?, ?)", (node, model, data, len(data)))
    if clip.tokens is not None:
        _insert_tokens(database, node, clip.tokens)
    return node


def set_tokens(database: Database, node: int, tokens: ClipTokens) -> bool:
    """Keep what the compressor made of a clip; False if this is no such clip, or has tokens."""
    is_its_own = database.value(
        "SELECT level = 0 AND start_ns = ? AND NOT EXISTS "
        "(SELECT 1 FROM global_memory g WHERE g.node = node.id) FROM node WHERE id = ?",
        (tokens.start_ns, node),
    )
    if not is_its_own:
        return False
    with database.transaction():
        _insert_tokens(database, node, tokens)
    return True


def _insert_tokens(database: Database, node: int, tokens: ClipTokens) -> None:
    model = model_id(database, tokens.model, tokens.global_memory.size)
    clip_tokens.insert_clip(database, node, model, tokens)


def _grow_quiet(
    database: Database, clip: NewClip, quiet_ns: int, newest: tuple[Any, ...]
) -> int | None:
    node, start_ns, end_ns, epoch, quiet, parent = newest
    if not quiet or epoch != clip.epoch or end_ns != clip.start_ns:
        return None
    if parent is not None and database.value("SELECT closed FROM node WHERE id = ?", (parent,)):
        return None
    if clip.end_ns - start_ns > quiet_ns:
        return None
    if database.clock.day(epoch, start_ns) != database.clock.day(epoch, clip.end_ns - 1):
        return None
    # motion is a mean over time, so both parts weigh by how long they lasted.
    database.run(
        "UPDATE node SET motion = (motion * (end_ns - start_ns) + ?) / (? - start_ns), "
        "end_ns = ?, num_frames = num_frames + ? WHERE id = ?",
        (clip.motion * (clip.end_ns - clip.start_ns), clip.end_ns, clip.end_ns)
        + (clip.num_frames, node),
    )
    blocks.extend(database, node, clip.end_ns)
    return int(node)


def _insert_moments(
    database: Database,
    node: int,
    stream: int,
    moments: Sequence[NewMoment],
    vectors: dict[str, bytes],
    embedder: TextEmbedder,
) -> list[MomentRow]:
    rows: list[MomentRow] = []
    model = model_id(database, embedder.model, embedder.dimension) if vectors else 0
    for moment in moments:
        text = moment.text[:MAX_TEXT_CHARACTERS]
        kind = KINDS.index(moment.kind)
        name = stored_name(moment.id, LETTERS[kind], stream, moment.start_ns)
        if _is_known(database, stream, kind, moment.start_ns, name):
            continue
        voice = VOICES.index(moment.voice)
        number = database.insert(
            "INSERT INTO moment(node, stream, kind, start_ns, end_ns, name, voice, asked, text, "
            "details, bytes) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (node, stream, kind, moment.start_ns, moment.end_ns, name, voice, moment.asked, text)
            + (moment.details, len(text.encode()) + len(moment.details or b"")),
        )
        add_text(database, number, text)
        if moment.id in vectors:
            _insert_vector(database, number, model, vectors[moment.id])
        rows.append(
            MomentRow(
                id=number,
                node=node,
                stream=stream,
                kind=kind,
                start_ns=moment.start_ns,
                end_ns=moment.end_ns,
                name=name,
                voice=voice,
                asked=int(moment.asked),
                text=text,
            )
        )
    return rows


def _is_known(database: Database, stream: int, kind: int, start_ns: int, name: str | None) -> bool:
    """Whether this very moment is remembered already (a replayed journal delivers twice)."""
    return (
        database.row(
            "SELECT 1 FROM moment WHERE stream = ? AND kind = ? AND start_ns = ? AND name IS ?",
            (stream, kind, start_ns, name),
        )
        is not None
    )


def _insert_vector(database: Database, moment: int, model: int, data: bytes) -> None:
    database.run(
        "INSERT INTO moment_vector(moment, model, data, bytes) VALUES(?, ?, ?, ?)",
        (moment, model, data, len(data)),
    )


def _embed(embedder: TextEmbedder, moments: Sequence[NewMoment]) -> dict[str, bytes]:
    """Return the packed vector of every moment that has words."""
    wanted = [m for m in moments if m.kind in EMBEDDED_KINDS and m.text.strip()]
    if not wanted:
        return {}
    rows = embedder.embed([m.text[:MAX_TEXT_CHARACTERS] for m in wanted])
    return {
        moment.id: packed
        for moment, row, packed in zip(wanted, rows, pack_vectors(rows), strict=True)
        if row.any()
    }


def _moments_of(database: Database, node: int) -> list[MomentRow]:
    rows = database.rows(f"SELECT {COLUMNS} FROM moment m WHERE m.node = ?", (node,))
    return [MomentRow(*row) for row in rows]
