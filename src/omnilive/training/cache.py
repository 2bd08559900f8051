"""Made data on disk, never more than a stated number of bytes; several processes may share it.

Reading takes no lock: a file comes into being whole, and whoever has opened one keeps it. Writing
takes the cache's lock, makes room by deleting the oldest, then writes. The lock's file holds how
many bytes there are, so that only a full cache is counted again. What is damaged is made again.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from omnilive.errors import ConfigError
from omnilive.training.files import locked

_HEAD = 4  # bytes of the checksum before the content
_ROOM = 0.9  # share of the limit that is kept when the oldest go
_LOCK = "lock"


class DiskCache:
    """Named pieces of data. It holds a path and a number: it may be sent to other processes.

    Args:
        folder: made at the first write.
        limit_bytes: most bytes of all pieces together; 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def get(self, name: str) -> bytes | None:
        """Return the piece called `name`; None if it is not there (any more) or is damaged."""
        try:
            held = self._path(name).read_bytes()
        except OSError:
            return None
        content = held[_HEAD:]
        whole = len(held) >= _HEAD and zlib.crc32(content) == int.from_bytes(held[:_HEAD], "big")
        return content if whole else None

    def put(self, name: str, content: bytes) -> None:
        """Keep a piece, if it is not larger than the whole cache.

        A full disk is no error: what is not kept is made again.

        Raises:
            ConfigError: the folder cannot be made.
        """
        size = len(content) + _HEAD
        if size > self.limit_bytes:
            return
        path = self._path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The cache {self.folder} cannot be made ({error.strerror}); name another folder."
            ) from error
        with locked(self.folder / _LOCK):
            used = self._used()
            if used + size > self.limit_bytes:
                used = self._make_room(size)
            unfinished = path.with_name(f"{path.name}.part")
            try:
                # Counted first: if we are killed in between, too much is counted, not too little.
                self._write_used(used + size)
                path.parent.mkdir(exist_ok=True)
                with unfinished.open("wb") as file:
                    file.write(zlib.crc32(content).to_bytes(_HEAD, "big"))
                    file.write(content)
                os.replace(unfinished, path)
            except OSError:
                unfinished.unlink(missing_ok=True)

    def get_or_make(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the piece called `name`; it is made and kept if it is not there."""
        held = self.get(name)
        if held is None:
            held = make()
            self.put(name, held)
        return held

    def arrays(
        self, name: str, make: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays called `name`, by their own names; made and kept if not there."""
        from safetensors.numpy import load, save

        held = self.get_or_make(name, lambda: save({key: each for key, each in make().items()}))
        return load(held)

    def _path(self, name: str) -> Path:
        key = hashlib.sha256(name.encode()).hexdigest()[:40]
        return self.folder / key[:2] / key[2:]

    def _used(self) -> int:
        """What the lock's file says; what there is if it says nothing."""
        try:
            return int((self.folder / _LOCK).read_bytes())
        except (OSError, ValueError):
            return sum(size for _, size, _ in self._files())

    def _write_used(self, used: int) -> None:
        with (self.folder / _LOCK).open("r+b") as file:
            file.write(b"%-20d" % used)

    def _make_room(self, size: int) -> int:
        """Delete the oldest; return how many bytes are left."""
        files = sorted(self._files())
        used = sum(each for _, each, _ in files)
        wanted = min(int(self.limit_bytes * _ROOM), self.limit_bytes - size)
        if used + size <= self.limit_bytes:
            return used
        for _, each, path in files:
            if used <= wanted:
                break
            Path(path).unlink(missing_ok=True)
            used -= each
        return used

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """Yield (time made, bytes, path) of all pieces; what a killed writer left is deleted."""
        for folder in os.scandir(self.folder):
            if not folder.is_dir():
                continue
            for file in os.scandir(folder.path):
                if file.name.endswith(".part"):
                    os.unlink(file.path)
                    continue
                about = file.stat()
                yield about.st_mtime_ns, about.st_size, file.path
