"""The lock that makes one process the writer of a store.

The operating system holds it, so it goes with the process that dies; what the file says is only
for the sentence that refuses the second writer.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import datetime
from pathlib import Path

from omnilive.errors import StoreBusy, StoreError

LOCK_NAME = "writer.lock"
# Windows locks bytes against reading too: the locked byte lies beyond what the file says.
_LOCKED_BYTE = 1 << 30


class WriterLock:
    """Held from `acquire` until `release` or the end of the process."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._file: int | None = None

    def acquire(self, doing: str, now_wall_ns: int) -> None:
        """Become the writer.

        Args:
            doing: what this process is doing, as a user would say it; told to a second writer.
            now_wall_ns: UTC; 0 if unknown.

        Raises:
            StoreBusy: another process (or another handle of this one) is the writer.
            StoreError: the lock file cannot be made.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreError(
                f"The store {self._path.parent} cannot be written: {error.strerror}."
            ) from error
        if not _try_lock(file):
            os.close(file)
            raise StoreBusy(self._refusal())
        self._file = file
        about = {
            "pid": os.getpid(),
            "host": platform.node(),
            "doing": doing,
            "since_ns": now_wall_ns,
        }
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(about).encode())

    def release(self) -> None:
        """Stop being the writer. Safe to call twice."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            _unlock(self._file)
            os.close(self._file)
            self._file = None

    def _refusal(self) -> str:
        store = self._path.parent
        try:
            about = json.loads(self._path.read_text())
            doing = f"`{about['doing']}`" if about["doing"] else "another program"
            where = f"process {int(about['pid'])}"
            if about["host"] != platform.node():
                where += f" on {about['host']}"
            if about["since_ns"]:
                since = datetime.fromtimestamp(about["since_ns"] / 1e9).astimezone()
                where += f", since {since:%H:%M}"
        except (OSError, ValueError, KeyError, TypeError):
            doing, where = "another program", "it did not say which"
        return (
            f"The store {store} is being written by {doing} ({where}); "
            "stop it first, or give another --store."
        )


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> bool:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
