"""What somebody wants forgotten, and what came of it: plain values that go through the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class StreamSpan(NamedTuple):
    """A stretch of one stream's time, in ns."""

    stream: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """What shall be forgotten.

    Attributes:
        moments: public ids of moments, clips or blocks.
        spans: everything that lies in these stretches or reaches into them.
        streams: numbers of streams of which nothing shall be left, not even their names.
        pinned: also what is pinned. Without it a pinned id is refused, and pinned clips in a span
            or stream stay.
    """

    moments: tuple[str, ...] = ()
    spans: tuple[StreamSpan, ...] = ()
    streams: tuple[int, ...] = ()
    pinned: bool = False


class Forgotten(NamedTuple):
    """What was removed.

    Attributes:
        ids: public ids of the moments and clips that are gone.
        moments, clips, fragments, pictures: how many rows of each kind went.
        blocks: how many blocks were made again from what is left, or went.
        turns: stored answers that lost their words.
        kept_pinned: clips that stay because they are pinned.
        wal_truncated: no copy is left in the write-ahead log.
    """

    ids: tuple[str, ...] = ()
    moments: int = 0
    clips: int = 0
    fragments: int = 0
    pictures: int = 0
    blocks: int = 0
    turns: int = 0
    kept_pinned: int = 0
    wal_truncated: bool = True

    def plus(self, other: Forgotten) -> Forgotten:
        """Return what both removed together; the log is as the later one left it."""
        return Forgotten(
            self.ids + other.ids,
            self.moments + other.moments,
            self.clips + other.clips,
            self.fragments + other.fragments,
            self.pictures + other.pictures,
            self.blocks + other.blocks,
            self.turns + other.turns,
            self.kept_pinned + other.kept_pinned,
            other.wal_truncated,
        )
