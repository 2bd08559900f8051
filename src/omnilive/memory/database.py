"""One connection to a store's database: opening, errors in plain words, transactions, generation.

Every writing transaction raises the generation by one, so a reader sees by one number whether
what it has cached still holds. `erased` rises only when something was deleted: caches that merely
grow need not be rebuilt for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from omnilive.errors import StoreError, StoreTooNew
from omnilive.memory import schema
from omnilive.memory.epoch_clock import EpochClock

DATABASE_NAME = "memory.db"


class Database:
    """A connection to `memory.db` in a store's directory."""

    def __init__(self, directory: Path, *, write: bool) -> None:
        self.directory = directory
        self.write = write
        self._depth = 0
        self.clock = EpochClock(self)
        with self.translated():
            self._connection = self._open()

    @property
    def generation(self) -> int:
        """Number of the last commit."""
        return int(self.value("SELECT value FROM meta WHERE key = 'generation'"))

    @property
    def erased(self) -> int:
        """How many deletions there have been."""
        return int(self.value("SELECT value FROM meta WHERE key = 'erased'"))

    # Errors are caught in place, not by `translated`: a context manager costs as much as a row.

    def rows(self, sql: str, bindings: Any = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        try:
            return list(self._connection.execute(sql, bindings))
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error

    def iterate(self, sql: str, bindings: Any = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query that may be long; finish it before anything else is run."""
        with self.translated():
            yield from self._connection.execute(sql, bindings)

    def row(self, sql: str, bindings: Any = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        try:
            for row in self._connection.execute(sql, bindings):
                return row
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error
        return None

    def value(self, sql: str, bindings: Any = ()) -> Any:
        """Return the first value of the first row, or None."""
        row = self.row(sql, bindings)
        return None if row is None else row[0]

    def run(self, sql: str, bindings: Any = ()) -> None:
        """Execute one statement."""
        try:
            self._connection.execute(sql, bindings)
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error

    def run_many(self, sql: str, bindings: Any) -> None:
        """Execute one statement for every row of bindings."""
        try:
            self._connection.executemany(sql, bindings)
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error

    def insert(self, sql: str, bindings: Any = ()) -> int:
        """Execute an INSERT and return the new row's id."""
        try:
            self._connection.execute(sql, bindings)
            return int(self._connection.last_insert_rowid())
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside at once, or nothing; may be nested (one commit at the end)."""
        if self._depth:
            yield
            return
        with self.translated():
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            self.run("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
            with self.translated():
                self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth -= 1

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every read inside see the same generation; keep it short, it holds up the WAL."""
        if self._depth or self._connection.in_transaction:
            yield
            return
        self.run("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    def truncate_wal(self, wait_ms: int = 1_000) -> bool:
        """Empty the write-ahead log; False if a reader still needs it after `wait_ms`."""
        self._connection.set_busy_timeout(wait_ms)
        try:
            row = self.row("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.set_busy_timeout(schema.BUSY_MS)
        return row is not None and row[0] == 0

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        self._connection.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn SQLite's errors into one sentence about this store."""
        try:
            yield
        except apsw.Error as error:
            raise StoreError(_sentence(error, self.directory)) from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
            self.clock.clear()

    def _open(self) -> apsw.Connection:
        path = self.directory / DATABASE_NAME
        if not self.write:
            return self._checked(self._open_for_reading(path))
        connection = apsw.Connection(str(path))
        try:
            schema.configure(connection, write=True)
            if schema.is_empty(connection):
                path.chmod(0o600)
                schema.create(connection)
        except BaseException:
            connection.close()
            raise
        return self._checked(connection)

    def _open_for_reading(self, path: Path) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        uri = path.resolve().as_uri()
        wal = path.with_name(path.name + "-wal")
        if not os.access(self.directory, os.W_OK) and not (wal.exists() and wal.stat().st_size):
            # Nobody can be writing here, and SQLite could not make its shared-memory file.
            uri += "?immutable=1"
        connection = apsw.Connection(uri, flags=flags)
        schema.configure(connection, write=False)
        return connection

    def _checked(self, connection: apsw.Connection) -> apsw.Connection:
        try:
            application = connection.pragma("application_id")
            version = int(str(connection.pragma("user_version")))
            if application != schema.APPLICATION_ID or version < 1:
                raise StoreError(
                    f"{self.directory} holds a database that is not an OmniLive store; "
                    "give another --store."
                )
            if version > schema.SCHEMA_VERSION:
                raise StoreTooNew(
                    f"The store {self.directory} was written by a newer version of OmniLive "
                    f"(format {version}, this one knows {schema.SCHEMA_VERSION}); "
                    "update omnilive, or give another --store."
                )
            if version < schema.SCHEMA_VERSION:
                if not self.write:
                    raise StoreError(
                        f"The store {self.directory} has an older format ({version}); "
                        "run `omnilive watch` on it once, which brings it up to date."
                    )
                schema.migrate(connection, version)
        except BaseException:
            connection.close()
            raise
        return connection


def _sentence(error: apsw.Error, directory: Path) -> str:
    if isinstance(error, apsw.FullError):
        return f"The disk that holds the store {directory} is full; make room, nothing was lost."
    if isinstance(error, apsw.NotADBError):
        return f"{directory} is not an OmniLive store, or its database is damaged."
    if isinstance(error, apsw.CorruptError):
        return f"The database of the store {directory} is damaged; restore it from a copy."
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)):
        return f"The store {directory} is read-only; give another --store or change its rights."
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return f"The store {directory} is held by another process; try again."
    if isinstance(error, apsw.CantOpenError):
        return f"The database of the store {directory} cannot be opened; check its rights."
    if isinstance(error, apsw.IOError):
        return f"The disk that holds the store {directory} reports an error; check it."
    # SQLite's own words may hold remembered text, so only the kind of error is told.
    return f"The store {directory} could not be used ({type(error).__name__})."
