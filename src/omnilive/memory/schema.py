"""The tables of a store, and how an older store becomes one of this version.

Public ids ("u1-12480") are not stored: kind, stream and start make them, so a moment costs no
index of names. Only an id that cannot be made that way is kept in `name`.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from omnilive.memory import totals

APPLICATION_ID = 0x4F4D4E49  # "OMNI"
SCHEMA_VERSION = 6
BUSY_MS = 5_000

_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE stream(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- A user's own file: referenced, never changed.
CREATE TABLE source_file(
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  fingerprint TEXT NOT NULL UNIQUE);

-- file_start_ns: where in the file the epoch starts. complete: seen to its true end.
CREATE TABLE epoch(
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream, start_ns INTEGER NOT NULL,
  end_ns INTEGER, wall_ns INTEGER NOT NULL, zone TEXT NOT NULL, origin TEXT NOT NULL,
  voice TEXT NOT NULL, has_video INTEGER NOT NULL, has_audio INTEGER NOT NULL,
  live INTEGER NOT NULL, source TEXT NOT NULL, file INTEGER REFERENCES source_file,
  file_start_ns INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0);
CREATE INDEX epoch_by_stream ON epoch(stream, start_ns);

CREATE TABLE anchor(
  epoch INTEGER NOT NULL REFERENCES epoch, at_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL,
  PRIMARY KEY(epoch, at_ns)) WITHOUT ROWID;

-- Level 0: a clip (or a run of quiet ones). Level n: a block of level n - 1.
-- inputs: ids (int64) of the children that digest and vector came from.
-- faded: how many of them the budget has dropped since; digest and vector still tell of them.
CREATE TABLE node(
  id INTEGER PRIMARY KEY, level INTEGER NOT NULL, stream INTEGER NOT NULL REFERENCES stream,
  epoch INTEGER NOT NULL REFERENCES epoch, parent INTEGER REFERENCES node,
  start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, name TEXT, quiet INTEGER NOT NULL DEFAULT 0,
  changed INTEGER NOT NULL DEFAULT 0, motion REAL NOT NULL DEFAULT 0,
  num_frames INTEGER NOT NULL DEFAULT 0, num_children INTEGER NOT NULL DEFAULT 0,
  closed INTEGER NOT NULL DEFAULT 1, pinned INTEGER NOT NULL DEFAULT 0,
  digest TEXT, inputs BLOB, bytes INTEGER NOT NULL DEFAULT 0,
  faded INTEGER NOT NULL DEFAULT 0);
CREATE INDEX node_by_time ON node(stream, level, start_ns);
CREATE INDEX node_by_parent ON node(parent) WHERE parent IS NOT NULL;
CREATE INDEX node_by_name ON node(name) WHERE name IS NOT NULL;

-- kind, voice: numbers of omnilive.memory.moments. asked: it was a question to us, so no evidence.
CREATE TABLE moment(
  id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES node, stream INTEGER NOT NULL,
  kind INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, name TEXT,
  voice INTEGER NOT NULL DEFAULT 0, asked INTEGER NOT NULL DEFAULT 0,
  pinned INTEGER NOT NULL DEFAULT 0, text TEXT NOT NULL, details BLOB, bytes INTEGER NOT NULL);
CREATE INDEX moment_by_time ON moment(stream, start_ns, kind);
CREATE INDEX moment_by_kind ON moment(kind, stream, start_ns);
CREATE INDEX moment_by_node ON moment(node);
CREATE INDEX moment_by_name ON moment(name) WHERE name IS NOT NULL;
-- What the system said itself, and questions to it: never evidence.
CREATE INDEX moment_hidden ON moment(id) WHERE asked = 1 OR voice = 2;

-- Only rowids: terms come ready from omnilive.memory.tokens, so "ascii" must not cut them again.
CREATE VIRTUAL TABLE moment_terms USING fts5(
  terms, content='', detail='none', columnsize=0, tokenize='ascii');
CREATE TABLE term(term TEXT PRIMARY KEY, moments INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE model(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
-- id rises with every vector, so a cache can fetch only what is new.
CREATE TABLE moment_vector(
  id INTEGER PRIMARY KEY, moment INTEGER NOT NULL UNIQUE REFERENCES moment ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model, data BLOB NOT NULL, bytes INTEGER NOT NULL);
-- Vectors that went, so that a cache can lose just them. Only numbers: they tell nothing.
CREATE TABLE vector_erasure(id INTEGER PRIMARY KEY, vector INTEGER NOT NULL);
CREATE TRIGGER vector_erased AFTER DELETE ON moment_vector BEGIN
  INSERT INTO vector_erasure(vector) VALUES(old.id);
END;
CREATE TABLE node_vector(
  node INTEGER NOT NULL REFERENCES node ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model, data BLOB NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY(node, model)) WITHOUT ROWID;

CREATE TABLE thumbnail(
  node INTEGER PRIMARY KEY REFERENCES node ON DELETE CASCADE, jpeg BLOB NOT NULL,
  bytes INTEGER NOT NULL);

CREATE TABLE segment(
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream, start_ns INTEGER NOT NULL,
  file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL DEFAULT 0);
-- key_ns: stream time of the last key frame in it.
CREATE TABLE fragment(
  id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES node,
  segment INTEGER NOT NULL REFERENCES segment, stream INTEGER NOT NULL,
  start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, offset INTEGER NOT NULL,
  starts_with_key INTEGER NOT NULL, key_ns INTEGER, sha256 BLOB NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX fragment_by_time ON fragment(stream, start_ns);
CREATE INDEX fragment_by_node ON fragment(node);
CREATE INDEX fragment_by_segment ON fragment(segment);

-- heard: how much of the answer was heard aloud; heard_ms is NULL where it was not spoken.
CREATE TABLE turn(
  id INTEGER PRIMARY KEY, turn_id TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL,
  outcome TEXT NOT NULL, known INTEGER NOT NULL, redacted INTEGER NOT NULL DEFAULT 0,
  wall_ns INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL,
  heard TEXT NOT NULL DEFAULT '', heard_ms INTEGER, heard_complete INTEGER NOT NULL DEFAULT 0);
CREATE TABLE citation(
  turn INTEGER NOT NULL REFERENCES turn ON DELETE CASCADE, position INTEGER NOT NULL,
  moment TEXT NOT NULL, PRIMARY KEY(turn, position)) WITHOUT ROWID;
CREATE INDEX citation_by_moment ON citation(moment);

-- What other processes ask the writer to do. error is NULL until done, then "" or a sentence.
CREATE TABLE command(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, argument TEXT NOT NULL, error TEXT);
"""


# Memory tokens, numbers of 16 bits. Ids are never used twice: what was made from a row knows it by
# its id. inputs: ids (int64) of the nodes that the H-bar of a block was made from.
_FOR_TOKENS = """
CREATE TABLE clip_token(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  node INTEGER NOT NULL UNIQUE REFERENCES node ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model, num_frames INTEGER NOT NULL, origin TEXT NOT NULL,
  origin_ns INTEGER NOT NULL, inputs BLOB NOT NULL, data BLOB NOT NULL, bytes INTEGER NOT NULL);
-- H-hat of clips. end_ns: of the clip itself, where its row is a run of quiet ones.
CREATE TABLE global_memory(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  node INTEGER NOT NULL UNIQUE REFERENCES node ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model, end_ns INTEGER NOT NULL, data BLOB NOT NULL,
  bytes INTEGER NOT NULL);
-- Far from the ids of text vectors, because both are listed as erased in one table.
INSERT INTO sqlite_sequence VALUES('global_memory', 1099511627776);
CREATE TRIGGER global_erased AFTER DELETE ON global_memory BEGIN
  INSERT INTO vector_erasure(vector) VALUES(old.id);
END;
"""

_FOR_SEARCH = """
CREATE TABLE vector_erasure(id INTEGER PRIMARY KEY, vector INTEGER NOT NULL);
CREATE TRIGGER vector_erased AFTER DELETE ON moment_vector BEGIN
  INSERT INTO vector_erasure(vector) VALUES(old.id);
END;
-- What the system said itself, and questions to it: never evidence.
CREATE INDEX moment_hidden ON moment(id) WHERE asked = 1 OR voice = 2;
"""


def configure(connection: apsw.Connection, *, write: bool) -> None:
    """Set what SQLite keeps per connection: durability, and that deleted bytes are wiped."""
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    if write:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA journal_size_limit = 4194304")


def is_empty(connection: apsw.Connection) -> bool:
    """Whether a database has no tables and belongs to nobody; a crash may have left it so."""
    return not (
        connection.pragma("application_id")
        or connection.pragma("user_version")
        or connection.execute("SELECT count(*) FROM sqlite_schema").get
    )


def create(connection: apsw.Connection) -> None:
    """Make an empty store in a database that has no tables yet."""
    # auto_vacuum holds only if set before the first table and before WAL.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    with connection:
        connection.execute(_TABLES + _FOR_TOKENS + totals.TABLES + totals.triggers())
        connection.execute(
            "INSERT INTO moment_terms(moment_terms, rank) VALUES('secure-delete', 1)"
        )
        connection.execute(
            "INSERT INTO meta VALUES('schema_version', ?), ('generation', 0), ('erased', 0)",
            (SCHEMA_VERSION,),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(connection: apsw.Connection, version: int) -> None:
    """Bring a store of `version` to `SCHEMA_VERSION`, all steps in one transaction."""
    with connection:
        for step in range(version, SCHEMA_VERSION):
            MIGRATIONS[step](connection)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'schema_version'", (SCHEMA_VERSION,)
        )
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _to_version_2(connection: apsw.Connection) -> None:
    """Remember which utterances were questions, and count what was erased."""
    connection.execute("ALTER TABLE moment ADD COLUMN asked INTEGER NOT NULL DEFAULT 0")
    connection.execute("INSERT INTO meta VALUES('erased', 0)")


def _to_version_3(connection: apsw.Connection) -> None:
    """Keep running totals, and note what the budget has dropped."""
    connection.execute("ALTER TABLE node ADD COLUMN faded INTEGER NOT NULL DEFAULT 0")
    connection.execute(
        totals.TABLES + totals.triggers(of_tokens=False) + totals.fill(of_tokens=False)
    )


def _to_version_4(connection: apsw.Connection) -> None:
    """List the vectors that went, and index the moments that are no evidence."""
    connection.execute(_FOR_SEARCH)


def _to_version_5(connection: apsw.Connection) -> None:
    """Keep how much of an answer was heard."""
    connection.execute(
        "ALTER TABLE turn ADD COLUMN heard TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE turn ADD COLUMN heard_ms INTEGER;"
        "ALTER TABLE turn ADD COLUMN heard_complete INTEGER NOT NULL DEFAULT 0;"
    )


def _to_version_6(connection: apsw.Connection) -> None:
    """Keep memory tokens, which have a rung of their own behind the recordings."""
    connection.execute(_FOR_TOKENS + totals.add_tokens())
    # In two steps, so that no two rows of a stream have the same number in between.
    connection.execute("UPDATE horizon SET rung = -rung - 1 WHERE rung > 0")
    connection.execute("UPDATE horizon SET rung = -rung WHERE rung < 0")


MIGRATIONS: dict[int, Callable[[apsw.Connection], None]] = {
    1: _to_version_2,
    2: _to_version_3,
    3: _to_version_4,
    4: _to_version_5,
    5: _to_version_6,
}
"""From version N (the key) to N + 1."""
