"""Parts of a file on request (RFC 9110 section 14): one range at a time, as players ask."""

from __future__ import annotations

import re
from typing import NamedTuple

_BYTES = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes from `start` up to, not with, `stop`."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        """Return the value of Content-Range."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


class NotSatisfiable(ValueError):
    """A range that lies outside the file; answered with 416."""


def wanted(header: str | None, if_range: str | None, etag: str, size: int) -> ByteRange | None:
    """Return the part that a request wants; None for all of it.

    Whatever is no single range of bytes is ignored, as the RFC allows; so is a range of another
    version of the file (`If-Range`).

    Raises:
        NotSatisfiable: it begins after the end.
    """
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _BYTES.fullmatch(header)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = int(match[2])
        if length == 0 or size == 0:
            raise NotSatisfiable
        return ByteRange(max(0, size - length), size)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if last < start and match[2]:
        return None
    if start >= size:
        raise NotSatisfiable
    return ByteRange(start, min(last + 1, size))
