"""Opens any source for reading: files in this process, everything else in a child."""

from __future__ import annotations

import threading

from omnilive.errors import MediaError
from omnilive.media.container_reader import ContainerReader
from omnilive.media.contract import MediaReader, ReadOptions, SourceInfo
from omnilive.media.paired_reader import PairedReader
from omnilive.media.remote_reader import RemoteReader
from omnilive.media.source import Source


def open_source(
    source: Source, options: ReadOptions, stop: threading.Event | None = None
) -> MediaReader:
    """Open `source` for reading; `stop` gives up on a network source that is slow to open.

    Raises:
        MediaError: it cannot be read; one sentence says why and what to do, without secrets.
    """
    if source.kind == "file":
        if options.detect is not None:
            raise MediaError("A sub-stream belongs to a camera; a file is perceived itself.")
        return ContainerReader(source, options)
    if options.detect is not None:
        if options.detect.kind == "file":
            raise MediaError("The sub-stream must be a network address or a camera, not a file.")
        return PairedReader(source, options.detect, options, stop)
    return RemoteReader(source, options, stop)


def probe(source: Source) -> SourceInfo:
    """Return what is known of `source` without reading it.

    Raises:
        MediaError: it cannot be read.
    """
    reader = open_source(source, ReadOptions())
    try:
        return reader.info
    finally:
        reader.close()
