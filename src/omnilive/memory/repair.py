"""Makes again what can be made again, and takes out what is lost, so that a store is whole.

What was perceived is never invented: a picture or a part of a recording that is damaged goes, a
digest, a vector, an index or a count is made anew from what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omnilive.memory import clips, derived, totals
from omnilive.memory.conversation import TURN_BYTES
from omnilive.memory.database import Database
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.opening import CACHE
from omnilive.memory.schema import SCHEMA_VERSION
from omnilive.memory.segments import Recordings, wipe_all
from omnilive.memory.text_index import add_text
from omnilive.memory.vectors import pack_vector
from omnilive.memory.verify import Progress, Verification, verify
from omnilive.memory.verify_support import Cure, Finding, pages

_ROUNDS = 4
_KEYS = {"thumbnail": "node", "node_vector": "node"}


class Repaired(NamedTuple):
    """What was wrong at first, what of it could not be made again, and what is still wrong."""

    found: tuple[Finding, ...]
    lost: tuple[Finding, ...]
    left: Verification


def repair(
    database: Database,
    directory: Path,
    recordings: Recordings,
    embedder: TextEmbedder,
    progress: Progress | None = None,
) -> Repaired:
    """Check a store, mend what can be mended, and check it again.

    Args:
        database: the writer's.
        directory: of the store.
        recordings: the writer's.
        embedder: makes vectors again.
        progress: told how far a check is.
    """
    found = left = verify(database, directory, progress=progress)
    lost: list[Finding] = []
    for _ in range(_ROUNDS):
        # Taking out what is lost may leave something to be made again.
        if all(finding.cure is Cure.NONE for finding in left.findings):
            break
        _mend(database, directory, recordings, left.findings, embedder)
        lost += [finding for finding in left.findings if finding.cure is Cure.DROP]
        left = verify(database, directory, progress=progress)
    lost += [finding for finding in left.findings if finding.cure is Cure.NONE]
    return Repaired(found.findings, tuple(lost), left)


def _mend(
    database: Database,
    directory: Path,
    recordings: Recordings,
    findings: Sequence[Finding],
    embedder: TextEmbedder,
) -> None:
    cures = {finding.cure for finding in findings}
    with database.transaction():
        _drop([finding for finding in findings if finding.cure is Cure.DROP], database)
        if cures & {Cure.COUNT, Cure.DROP}:
            _count_again(database)
        if Cure.INDEX in cures:
            _index_again(database)
        _embed_again([f for f in findings if f.cure is Cure.EMBED], database, embedder)
        _derive_again([f for f in findings if f.cure is Cure.DERIVE], database)
        _total_again(database)
        database.run("UPDATE meta SET value = value + 1 WHERE key = 'erased'")
    recordings.recover()
    wipe_all(path for path in (directory / CACHE).glob("*") if path.is_file())
    database.truncate_wal()


def _drop(findings: Sequence[Finding], database: Database) -> None:
    for finding in findings:
        if finding.table == "turn":
            database.run(
                "UPDATE turn SET question = '', answer = '', heard = '', bytes = 0 WHERE id = ?",
                (finding.key,),
            )
            database.run("DELETE FROM citation WHERE turn = ?", (finding.key,))
        elif finding.key:
            key = _KEYS.get(finding.table, "id")
            database.run(f"DELETE FROM {finding.table} WHERE {key} = ?", (finding.key,))
    database.run("DELETE FROM citation WHERE turn NOT IN (SELECT id FROM turn)")
    database.run("DELETE FROM node_vector WHERE node NOT IN (SELECT id FROM node)")
    database.run("DELETE FROM node_vector WHERE model NOT IN (SELECT id FROM model)")
    # Whoever has the network integrates blocks again from what is left under them.
    database.run("DELETE FROM clip_token WHERE node NOT IN (SELECT id FROM node)")
    database.run("DELETE FROM global_memory WHERE node NOT IN (SELECT id FROM node)")


def _count_again(database: Database) -> None:
    database.run(
        "UPDATE moment SET bytes = length(CAST(text AS BLOB)) + coalesce(length(details), 0) "
        "WHERE bytes != length(CAST(text AS BLOB)) + coalesce(length(details), 0)"
    )
    for table, length in (
        ("thumbnail", "length(jpeg)"),
        ("node_vector", "length(data)"),
        ("moment_vector", "length(data)"),
        ("turn", TURN_BYTES.format("heard")),
        ("clip_token", "length(data) + length(inputs)"),
        ("global_memory", "length(data)"),
    ):
        database.run(f"UPDATE {table} SET bytes = {length} WHERE bytes != {length}")
    database.run(
        "UPDATE segment SET bytes = (SELECT max(offset + bytes) FROM fragment "
        "WHERE segment = segment.id) WHERE id IN (SELECT segment FROM fragment)"
    )
    _place_moments_again(database)
    _mend_tree(database)
    for name in ("generation", "erased"):
        database.run(
            "INSERT INTO meta VALUES(?, 0) ON CONFLICT(key) DO UPDATE SET value = "
            "CASE WHEN typeof(value) = 'integer' AND value >= 0 THEN value ELSE 0 END",
            (name,),
        )
    database.run("UPDATE meta SET value = ? WHERE key = 'schema_version'", (SCHEMA_VERSION,))


def _place_moments_again(database: Database) -> None:
    """Put moments whose clip is gone, or another stream's, into the clip that they start in."""
    for moment, stream, start_ns in database.rows(
        "SELECT m.id, m.stream, m.start_ns FROM moment m LEFT JOIN node n ON n.id = m.node "
        "WHERE n.id IS NULL OR n.stream != m.stream OR n.level != 0"
    ):
        node = database.value(
            "SELECT id FROM node WHERE stream = ? AND level = 0 AND start_ns <= ? "
            "ORDER BY start_ns DESC LIMIT 1",
            (stream, start_ns),
        ) or database.value(
            "SELECT id FROM node WHERE stream = ? AND level = 0 ORDER BY start_ns LIMIT 1",
            (stream,),
        )
        if node is not None:
            database.run("UPDATE moment SET node = ? WHERE id = ?", (node, moment))


def _mend_tree(database: Database) -> None:
    """Put rows back under the block of their time, if there is one, and count children again."""
    broken = database.rows(
        "SELECT n.id, n.level, n.stream, n.start_ns FROM node n "
        "LEFT JOIN node p ON p.id = n.parent WHERE n.parent IS NOT NULL "
        "AND (p.id IS NULL OR p.level != n.level + 1 OR p.stream != n.stream)"
    )
    for node, level, stream, start_ns in broken:
        parent = database.value(
            "SELECT id FROM node WHERE stream = ? AND level = ? AND start_ns <= ? AND end_ns > ? "
            "ORDER BY start_ns DESC LIMIT 1",
            (stream, level + 1, start_ns, start_ns),
        )
        database.run("UPDATE node SET parent = ? WHERE id = ?", (parent, node))
    highest = database.value("SELECT coalesce(max(level), 0) FROM node")
    for level in range(1, highest + 1):
        database.run(
            "UPDATE node SET start_ns = min(start_ns, "
            "(SELECT min(c.start_ns) FROM node c WHERE c.parent = node.id)), "
            "end_ns = max(end_ns, (SELECT max(c.end_ns) FROM node c WHERE c.parent = node.id)) "
            "WHERE level = ? AND id IN (SELECT parent FROM node WHERE level = ?)",
            (level, level - 1),
        )
    database.run(
        "UPDATE node SET num_children = (SELECT count(*) FROM node c WHERE c.parent = node.id) "
        "WHERE level > 0 AND closed = 0"
    )
    for node, *_ in broken:
        for above in derived.dependents(database, node):
            derived.refresh_one(database, above)


def _index_again(database: Database) -> None:
    database.run("INSERT INTO moment_terms(moment_terms) VALUES('delete-all')")
    database.run("DELETE FROM term")
    for rows in pages(database, "SELECT id, text FROM moment"):
        for moment, text in rows:
            add_text(database, moment, text)


def _embed_again(findings: Sequence[Finding], database: Database, embedder: TextEmbedder) -> None:
    wanted: set[int] = set()
    for finding in findings:
        if finding.table == "moment":
            wanted.add(finding.key)
        else:
            moment = database.value("SELECT moment FROM moment_vector WHERE id = ?", (finding.key,))
            if moment is not None:
                wanted.add(moment)
    if not wanted:
        return
    model = clips.model_id(database, embedder.model, embedder.dimension)
    for moment in sorted(wanted):
        text = database.value("SELECT text FROM moment WHERE id = ?", (moment,)) or ""
        database.run("DELETE FROM moment_vector WHERE moment = ?", (moment,))
        vector = embedder.embed([text])[0]
        if vector.any():
            data = pack_vector(vector)
            database.run(
                "INSERT INTO moment_vector(moment, model, data, bytes) VALUES(?, ?, ?, ?)",
                (moment, model, data, len(data)),
            )


def _derive_again(findings: Sequence[Finding], database: Database) -> None:
    nodes: dict[int, set[int]] = {}
    for finding in findings:
        level = database.value("SELECT level FROM node WHERE id = ?", (finding.key,))
        if level == 0:
            # A descriptor of a picture came from pixels that are not kept.
            database.run("DELETE FROM node_vector WHERE node = ?", (finding.key,))
        elif level is not None:
            nodes.setdefault(level, set()).add(finding.key)
    while nodes:
        level = min(nodes, key=lambda level: (level < 0, abs(level)))
        for node in sorted(nodes.pop(level)):
            above = derived.dependents(database, node)
            derived.refresh_one(database, node)
            for each in above:
                upper = database.value("SELECT level FROM node WHERE id = ?", (each,))
                if upper is not None:
                    nodes.setdefault(upper, set()).add(each)


def _total_again(database: Database) -> None:
    database.run("DELETE FROM total")
    database.run(totals.fill())
