"""Times that a client gives to its media: believed while they can be true.

A client's clock may be wrong in every way. A time that fits neither what came before nor the
time that has passed here begins the client's time anew: what it belongs to is kept and placed
where the stream is now. The other tracks of the client then follow the same change.
"""

from __future__ import annotations

import math

from omnilive.events import NS_PER_S

BACKWARD_NS = 2 * NS_PER_S
"""Times that fall by more than this have jumped; less is a repetition and is left out."""
FORWARD_NS = 10 * NS_PER_S
"""Times that lie by more than this ahead of what has come, and of now, have jumped."""
_WHOLE_NS = NS_PER_S
_MOST = 1 << 62


def whole_ns(at_ns: float) -> int | None:
    """Return a time as a whole number; None if it is none (NaN, infinite, beyond 146 years)."""
    if not math.isfinite(at_ns) or abs(at_ns) >= _MOST:
        return None
    return int(at_ns)


class PushedTimes:
    """Maps the times of one client's tracks to source time. Not thread-safe."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}
        self._newest_offset = 0
        self._arrived_ns: int | None = None
        self.newest_ns = 0
        """Source time that any track has reached."""
        self.num_jumps = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything has come."""
        return self._arrived_ns is not None

    def now(self, monotonic_ns: int) -> int:
        """Return how far the source has come if it went on while nothing came from it."""
        if self._arrived_ns is None:
            return 0
        return self.newest_ns + max(0, monotonic_ns - self._arrived_ns)

    def offset(self, track: str) -> int:
        """Return what is added to this track's times at present."""
        return self._offsets.get(track, self._newest_offset)

    def place(self, track: str, at_ns: int, expected_ns: int, monotonic_ns: int) -> bool:
        """Set `offset` for a piece whose time says `at_ns`; True if the times jumped.

        Args:
            track: of the piece.
            at_ns: what the client says.
            expected_ns: source time that this track has reached.
            monotonic_ns: this machine's clock.
        """
        now_ns = self.now(monotonic_ns)
        for offset in (self.offset(track), self._newest_offset, 0):
            placed_ns = at_ns + offset
            if expected_ns - BACKWARD_NS <= placed_ns <= max(expected_ns, now_ns) + FORWARD_NS:
                self._offsets[track] = offset
                return False
        # By the clock, a piece of unbroken sound begins as long ago as it lasts: no hole.
        begins_ns = now_ns if now_ns - expected_ns > _WHOLE_NS else expected_ns
        self._newest_offset = self._offsets[track] = begins_ns - at_ns
        self.num_jumps += 1
        return True

    def follow(self, at_ns: int, expected_ns: int, monotonic_ns: int) -> int | None:
        """Return source time of a piece that may not jump by itself; None if it fits nowhere."""
        now_ns = self.now(monotonic_ns)
        for offset in (self._newest_offset, *self._offsets.values(), 0):
            placed_ns = at_ns + offset
            if expected_ns - BACKWARD_NS <= placed_ns <= max(expected_ns, now_ns) + FORWARD_NS:
                return placed_ns
        return None

    def reach(self, end_ns: int, monotonic_ns: int) -> None:
        """Note that media up to `end_ns` of source time have come just now."""
        if self._arrived_ns is None or end_ns >= self.newest_ns:
            self.newest_ns = max(self.newest_ns, end_ns)
            self._arrived_ns = monotonic_ns
