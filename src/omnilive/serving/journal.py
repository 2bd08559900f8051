"""The order in which events were delivered to each stage, on disk, so that it can be replayed.

A journal is a file of length-prefixed MessagePack records `[stage, event type, event]` after a
header record. It holds what was seen and heard: it is written only when the user asks for it.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, get_args

import msgspec
import numpy as np

from omnilive import events
from omnilive.errors import OmniLiveError
from omnilive.events import Event

FORMAT = "omnilive-journal"
VERSION = 1
_LENGTH = struct.Struct(">I")
_TYPES: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(events.Event)}


class Journal:
    """Writes deliveries to a file, from any thread."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] = path.open("xb")
        except FileExistsError as error:
            raise OmniLiveError(f"The journal {path} exists already; name another file.") from error
        except OSError as error:
            raise OmniLiveError(f"Cannot write the journal {path}: {error.strerror}.") from error
        self._lock = threading.Lock()
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
        self._write([FORMAT, VERSION])

    def delivered(self, stage: str, event: Event) -> None:
        """Record that `event` is about to be pushed into `stage`."""
        self._write([stage, type(event).__name__, event])

    def close(self) -> None:
        """Finish the file."""
        with self._lock:
            self._file.close()

    def _write(self, record: list[object]) -> None:
        data = self._encoder.encode(record)
        with self._lock:
            if not self._file.closed:
                self._file.write(_LENGTH.pack(len(data)))
                self._file.write(data)


def read_journal(path: Path) -> Iterator[tuple[str, Event]]:
    """Yield `(stage, event)` in the order of delivery; a torn last record is left out.

    Raises:
        OmniLiveError: if the file is not a journal of this version.
    """
    with path.open("rb") as file:
        header = _record(file)
        if header is None or msgspec.msgpack.decode(header) != [FORMAT, VERSION]:
            raise OmniLiveError(f"{path} is not a journal of version {VERSION}.")
        while (data := _record(file)) is not None:
            stage, kind, body = msgspec.msgpack.decode(data, type=tuple[str, str, msgspec.Raw])
            decoded = msgspec.msgpack.decode(bytes(body), type=_TYPES[kind], dec_hook=_array)
            yield stage, decoded


def _record(file: IO[bytes]) -> bytes | None:
    prefix = file.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    data = file.read(length)
    return data if len(data) == length else None


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    raise NotImplementedError(type(value).__name__)


def _array(kind: Any, value: Any) -> Any:
    if kind is np.ndarray or getattr(kind, "__origin__", None) is np.ndarray:
        dtype, shape, data = value
        return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)
    raise NotImplementedError(str(kind))
