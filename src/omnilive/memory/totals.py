"""Running totals: how many rows and bytes each stream holds at each level, of each part.

Triggers keep them in the transaction that changes the rows, so no code that writes can forget to,
and asking "is it too much?" costs the same in the first minute and after a year. `recount` finds
the same numbers by reading everything; tests and `memory verify` hold the one against the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the schema is made from this file, and the database from the schema
    from omnilive.memory.database import Database

FRAGMENT, THUMBNAIL, NODE, MOMENT, VECTOR, TURN, TOKEN = range(7)
PARTS = ("fragment", "thumbnail", "node", "moment", "vector", "turn", "token")


class Total(NamedTuple):
    """Rows and payload bytes of one part."""

    num_rows: int
    num_bytes: int


Key = tuple[int, int, int]
"""Stream (0 for the conversation), level, part."""

_Source = tuple[str, str, int, str, str]

# Where each table's stream, level, part and bytes come from; {row} is NEW or OLD.
_SOURCES = {
    "fragment": ("{row}.stream", "0", FRAGMENT, "{row}.bytes", ""),
    "thumbnail": ("n.stream", "n.level", THUMBNAIL, "{row}.bytes", "node n WHERE n.id={row}.node"),
    "node": ("{row}.stream", "{row}.level", NODE, "{row}.bytes", ""),
    "moment": ("{row}.stream", "0", MOMENT, "{row}.bytes", ""),
    "moment_vector": (
        *("m.stream", "0", VECTOR, "{row}.bytes"),
        "moment m WHERE m.id={row}.moment",
    ),
    "node_vector": ("n.stream", "n.level", VECTOR, "{row}.bytes", "node n WHERE n.id={row}.node"),
    "turn": ("0", "0", TURN, "{row}.bytes", ""),
}
_TOKEN_SOURCES = {
    "clip_token": ("n.stream", "n.level", TOKEN, "{row}.bytes", "node n WHERE n.id={row}.node"),
    "global_memory": ("n.stream", "n.level", VECTOR, "{row}.bytes", "node n WHERE n.id={row}.node"),
}

TABLES = """
CREATE TABLE total(
  stream INTEGER NOT NULL, level INTEGER NOT NULL, part INTEGER NOT NULL,
  num_rows INTEGER NOT NULL, num_bytes INTEGER NOT NULL,
  PRIMARY KEY(stream, level, part)) WITHOUT ROWID;
-- What starts before it has lost this rung or is exempt: eviction looks no further.
CREATE TABLE horizon(
  stream INTEGER NOT NULL, rung INTEGER NOT NULL, before_ns INTEGER NOT NULL,
  PRIMARY KEY(stream, rung)) WITHOUT ROWID;
CREATE INDEX node_pinned ON node(stream, start_ns) WHERE pinned;
"""


def triggers(*, of_tokens: bool = True) -> str:
    """Return the statements that make the triggers; stores before version 6 have no tokens."""
    made = _of_tables(_sources(of_tokens))
    # A cascade would come after the parent has gone, when nobody knows its stream any more.
    made.append(_node_parts(of_tokens=of_tokens))
    made.append(
        "CREATE TRIGGER total_moment_parts BEFORE DELETE ON moment BEGIN "
        "DELETE FROM moment_vector WHERE moment = OLD.id; END;"
    )
    # What is written behind a horizon, or may go again, is looked at again.
    made.append(
        "CREATE TRIGGER horizon_node AFTER INSERT ON node WHEN NEW.level = 0 BEGIN "
        "UPDATE horizon SET before_ns = NEW.start_ns "
        "WHERE stream = NEW.stream AND before_ns > NEW.start_ns; END;"
    )
    made.append(
        "CREATE TRIGGER horizon_unpin AFTER UPDATE OF pinned ON node "
        "WHEN OLD.pinned AND NOT NEW.pinned BEGIN "
        "UPDATE horizon SET before_ns = min(before_ns, NEW.start_ns - 3600000000000) "
        "WHERE stream = NEW.stream; END;"
    )
    return "\n".join(made)


def add_tokens() -> str:
    """Return the statements that bring the tables of tokens into the totals (version 6)."""
    made = ["DROP TRIGGER total_node_parts;", _node_parts(of_tokens=True)]
    return "\n".join([*made, *_of_tables(_TOKEN_SOURCES)])


def _sources(of_tokens: bool) -> Mapping[str, _Source]:
    return _SOURCES | _TOKEN_SOURCES if of_tokens else _SOURCES


def _node_parts(*, of_tokens: bool) -> str:
    tables = ("thumbnail", "node_vector", *(_TOKEN_SOURCES if of_tokens else ()))
    deleted = " ".join(f"DELETE FROM {table} WHERE node = OLD.id;" for table in tables)
    return f"CREATE TRIGGER total_node_parts BEFORE DELETE ON node BEGIN {deleted} END;"


def _of_tables(sources: Mapping[str, _Source]) -> list[str]:
    made = []
    for table, source in sources.items():
        for when, row, sign in (("INSERT", "NEW", ""), ("DELETE", "OLD", "-")):
            made.append(
                f"CREATE TRIGGER total_{table}_{when.lower()} AFTER {when} ON {table} BEGIN "
                f"{_add(source, row, f'{sign}1', sign)} END;"
            )
        made.append(
            f"CREATE TRIGGER total_{table}_update AFTER UPDATE OF bytes ON {table} "
            f"WHEN NEW.bytes <> OLD.bytes BEGIN {_add(source, 'OLD', '0', '-')} "
            f"{_add(source, 'NEW', '0', '')} END;"
        )
    return made


def fill(*, of_tokens: bool = True) -> str:
    """Return the statement that writes the totals of a store that has none yet."""
    return f"INSERT INTO total {_recounted(of_tokens=of_tokens)};"


def read(database: Database) -> dict[Key, Total]:
    """Return the running totals; parts of which nothing is left are absent."""
    return {
        (stream, level, part): Total(num_rows, num_bytes)
        for stream, level, part, num_rows, num_bytes in database.rows(
            "SELECT stream, level, part, num_rows, num_bytes FROM total WHERE num_rows <> 0 "
            "OR num_bytes <> 0"
        )
    }


def recount(database: Database) -> dict[Key, Total]:
    """Count everything anew: what `read` must equal. Reads the whole store."""
    return {
        (stream, level, part): Total(num_rows, num_bytes)
        for stream, level, part, num_rows, num_bytes in database.rows(_recounted())
    }


def _add(source: _Source, row: str, rows: str, sign: str) -> str:
    stream, level, part, num_bytes, where = source
    select = f"SELECT {stream}, {level}, {part}, {rows}, {sign}{num_bytes}"
    select += f" FROM {where}" if where else " WHERE true"
    return (
        f"INSERT INTO total {select.format(row=row)} ON CONFLICT(stream, level, part) DO UPDATE "
        "SET num_rows = num_rows + excluded.num_rows, num_bytes = num_bytes + excluded.num_bytes;"
    )


def _recounted(*, of_tokens: bool = True) -> str:
    selects = []
    for table, (stream, level, part, num_bytes, where) in _sources(of_tokens).items():
        columns = f"{stream} AS stream, {level} AS level, {part} AS part, count(*) AS num_rows"
        select = f"SELECT {columns}, sum({num_bytes}) AS num_bytes FROM "
        if where:
            parent, condition = where.split(" WHERE ")
            select += f"{{row}} JOIN {parent} ON {condition}"
        else:
            select += "{row}"
        selects.append(select.format(row=table) + " GROUP BY 1, 2")
    union = " UNION ALL ".join(selects)
    return (
        f"SELECT stream, level, part, sum(num_rows), sum(num_bytes) FROM ({union}) "
        "GROUP BY stream, level, part"
    )
