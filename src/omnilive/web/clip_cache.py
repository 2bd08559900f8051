"""Exported clips, kept a while because a player asks for the same file in many parts.

The files have no names: each is unlinked as soon as it is open, so nothing of them is left when
the process is killed, and nobody else can open them. Whenever anything is deleted from the store,
all of them go: a clip is cut at key frames and so holds more than its own moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from types import TracebackType

from omnilive.api import OpenedMemory
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.memory.playback import PlayParts
from omnilive.web.errors import Refusal

MOST_BYTES = 256 << 20
_MOST_FILES = 64
_LONGEST_NS = 600 * NS_PER_S
_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska"}


class Clip:
    """An exported clip, open; give it back with `close` (or use it in a `with` block).

    Attributes:
        size: in bytes.
        etag: changes whenever the bytes could.
        media_type: of the container.
    """

    def __init__(self, file: int, etag: str, media_type: str) -> None:
        self._file, self._users, self._gone = file, 1, False
        self._lock = threading.Lock()
        self.size = os.fstat(file).st_size
        self.etag, self.media_type = etag, media_type

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of it; b"" once it was forgotten."""
        with self._lock:
            if self._gone:
                return b""
            os.lseek(self._file, start, os.SEEK_SET)
            return os.read(self._file, length)

    def share(self) -> Clip:
        """Return it for one more user."""
        with self._lock:
            self._users += 1
        return self

    def close(self) -> None:
        """Let one user go; the last one takes the file along."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                os.close(self._file)

    def forget(self) -> None:
        """Let nobody read on."""
        with self._lock:
            self._gone = True
            if self._users:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, 0)

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ClipCache:
    """The exported clips of a store, the least used ones dropped first; any thread may ask.

    Args:
        most_bytes: how much is kept.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._erased = -1
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="omnilive-clips-"))

    def get(self, memory: OpenedMemory, moment: str) -> Clip:
        """Return the clip of a moment; the caller closes it.

        Raises:
            UnknownMoment: nothing has this id, or it was forgotten.
            MediaError: there is nothing left to play.
            Refusal: it is too long for a player.
        """
        self.note_deletions(memory.store.database.erased)
        parts = memory.store.play_parts(moment)
        if parts.end_ns - parts.start_ns > _LONGEST_NS:
            raise Refusal(
                400,
                "too_long",
                "That is longer than 10 minutes; play the clips in it, or use "
                "`omnilive memory export`.",
            )
        if parts.file is None and not parts.fragments:
            raise MediaError("This cannot be played any more: its recording is not kept.")
        key = _key(parts)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # Two players that ask for the same clip at once wait for one export.
        with making:
            try:
                return self._kept(key) or self._export(memory, moment, key)
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def note_deletions(self, erased: int) -> None:
        """Drop everything if something was deleted from the store since the last time."""
        with self._lock:
            if erased == self._erased:
                return
            self._erased = erased
            self._drop(0)

    def close(self) -> None:
        """Drop everything."""
        with self._lock:
            self._drop(0)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where clips are written before they lose their names."""
        return self._folder

    @property
    def num_bytes(self) -> int:
        """How much is kept."""
        with self._lock:
            return sum(clip.size for clip in self._clips.values())

    def _kept(self, key: str) -> Clip | None:
        with self._lock:
            clip = self._clips.get(key)
            if clip is None:
                return None
            self._clips.move_to_end(key)
            return clip.share()

    def _export(self, memory: OpenedMemory, moment: str, key: str) -> Clip:
        erased = memory.store.database.erased
        written = memory.export(moment, self._folder / f"{key}.mp4")
        try:
            clip = Clip(_open_nameless(written), f'"{key}"', _TYPES[written.suffix])
        except OSError as error:
            raise MediaError(f"The clip could not be read again: {error.strerror}.") from error
        finally:
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)
        with self._lock:
            # What was deleted meanwhile may be in it.
            if memory.store.database.erased == erased == self._erased:
                self._clips[key] = clip.share()
                self._drop(self._most_bytes)
                return clip
        clip.close()
        raise MediaError("The memory changed while the clip was cut; ask again.")

    def _drop(self, most_bytes: int) -> None:
        """Drop the least used clips until no more than this is kept; hold the lock."""
        kept = sum(clip.size for clip in self._clips.values())
        while self._clips and (kept > most_bytes or len(self._clips) > _MOST_FILES):
            _, clip = self._clips.popitem(last=False)
            kept -= clip.size
            if most_bytes == 0:
                clip.forget()
            clip.close()


def _key(parts: PlayParts) -> str:
    """Return what stands for exactly these bytes: a quiet clip may grow under the same id."""
    about = (parts._replace(fragments=()), [part.sha256 for part in parts.fragments])
    stamp = parts.file.stat().st_mtime_ns if parts.file is not None else 0
    return hashlib.sha256(repr((about, stamp)).encode()).hexdigest()[:32]


def _open_nameless(path: Path) -> int:
    """Open a file and take its name away, where the system lets an open file lose it."""
    temporary = getattr(os, "O_TEMPORARY", 0)  # Windows: gone when it is closed
    file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | temporary)
    with contextlib.suppress(OSError):
        path.unlink()
    return file
