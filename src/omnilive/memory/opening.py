"""Whether a directory is a store, or may become one."""

from __future__ import annotations

from pathlib import Path

from omnilive.errors import StoreError
from omnilive.memory.database import DATABASE_NAME

SEGMENTS = "segments"
CACHE = "cache"


def prepare(directory: Path, *, create: bool) -> None:
    """See that the directory is, or may become, a store."""
    try:
        if directory.exists() and not directory.is_dir():
            raise StoreError(f"{directory} is a file, not a store directory; give another --store.")
        if (directory / DATABASE_NAME).is_file():
            return
        if not create:
            raise StoreError(
                f"There is no store at {directory}; "
                "`omnilive watch SOURCE --store DIR` makes one, or give another --store."
            )
        if directory.exists() and any(
            path.name not in (SEGMENTS, CACHE) and not path.name.startswith(("writer", "memory"))
            for path in directory.iterdir()
        ):
            raise StoreError(
                f"{directory} holds other files and is not an OmniLive store; "
                "give an empty or a new directory as --store."
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The store {directory} cannot be used: {error.strerror}; give another --store."
        ) from error
