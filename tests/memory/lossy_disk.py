"""A disk that forgets what was not synced: SQLite's files through a VFS, recordings by their fsync.

Everything is written for real; beside it the disk keeps what is durable. At chosen instants it
writes down an image of what would be left if the power went at that moment: what was synced, and
of the rest any part, torn in sectors and in any order.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

SECTOR = 512
_Op = tuple[int, bytes | None]  # where, what; None cuts the file off there


class Disk:
    """What of one store is durable. `on_step` is called at every step that could be the last."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory.resolve()
        self.random = random.Random(seed)
        self.on_step: Callable[[], None] | None = None
        self.fail: Callable[[str], None] | None = None
        """May raise instead of a write: a full disk."""
        self._durable: dict[str, bytearray] = {}
        self._waiting: dict[str, list[_Op]] = {}
        self._synced: dict[str, bytes] = {}
        self._entries: set[str] = set()

    def step(self) -> None:
        if self.on_step is not None:
            self.on_step()

    # --- what SQLite does ----------------------------------------------------------------

    def wrote(self, path: str, offset: int, data: bytes | None) -> None:
        self._waiting.setdefault(path, []).append((offset, data))
        self.step()

    def synced(self, path: str) -> None:
        self.step()
        durable = self._durable.setdefault(path, bytearray())
        for op in self._waiting.pop(path, []):
            _apply(durable, *op)
        self.step()

    def deleted(self, path: str) -> None:
        self._durable.pop(path, None)
        self._waiting.pop(path, None)

    # --- what recordings do --------------------------------------------------------------

    def fsync(self, handle: int) -> None:
        self.step()
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            self._entries = {each.name for each in self._segments()}
        elif path.parent.name == "segments":
            self._synced[path.name] = path.read_bytes()
        self.step()

    # --- the cut -------------------------------------------------------------------------

    def image(self, target: Path) -> None:
        """Write what would be left to an empty directory."""
        (target / "segments").mkdir(parents=True)
        for path in {*self._durable, *self._waiting}:
            if path.endswith("-shm"):
                continue
            content = bytearray(self._durable.get(path, b""))
            waiting = self._waiting.get(path, [])
            if path not in self._durable and self.random.random() < 0.5:
                continue
            for offset, data in waiting:
                self._apply_part(content, offset, data)
            (target / Path(path).name).write_bytes(content)
        there = {path.name: path for path in self._segments()}
        for name in self._entries | {n for n in there if self.random.random() < 0.5}:
            now = there[name].read_bytes() if name in there else b""
            durable = self._synced.get(name, b"")
            if self.random.random() < 0.5:
                # Data behind what was synced came through in part, torn anywhere.
                durable = durable + now[len(durable) : self.random.randint(0, len(now) + 1)]
            (target / "segments" / name).write_bytes(durable)

    def _apply_part(self, content: bytearray, offset: int, data: bytes | None) -> None:
        if data is None:
            if self.random.random() < 0.5:
                _apply(content, offset, None)
            return
        for start in range(0, len(data), SECTOR):
            if self.random.random() < 0.5:
                _apply(content, offset + start, data[start : start + SECTOR])

    def _segments(self) -> list[Path]:
        folder = self.directory / "segments"
        return list(folder.iterdir()) if folder.is_dir() else []


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class _File(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name or "")

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.fail is not None:
            self._disk.fail(self._path)
        super().xWrite(data, offset)
        self._disk.wrote(self._path, offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._disk.wrote(self._path, size, None)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.synced(self._path)


class _Vfs(apsw.VFS):  # type: ignore[misc]
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__("lossy", "unix", makedefault=True)

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> _File:
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._disk.deleted(filename)


@contextmanager
def mounted(disk: Disk) -> Iterator[None]:
    """Let everything that SQLite and recordings write inside go through the disk."""

    def hook(connection: apsw.Connection) -> None:
        # A VFS in Python has no shared memory; with this SQLite needs none for its log.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")

    vfs = _Vfs(disk)
    apsw.connection_hooks.append(hook)
    real = os.fsync

    def fsync(handle: int) -> None:
        if disk.fail is not None:
            disk.fail("segments")
        real(handle)
        disk.fsync(handle)

    os.fsync = fsync
    try:
        yield
    finally:
        os.fsync = real
        apsw.connection_hooks.remove(hook)
        vfs.unregister()
