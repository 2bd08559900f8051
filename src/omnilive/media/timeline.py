"""Container timestamps to source time: starting at 0 and never running backwards.

Recordings that were joined, and cameras that restart, jump in their timestamps. Each track
changes over at its own packet, so the offset is kept per track, and the second track to jump
adopts the offset that the first one found: sound and picture stay together.
"""

from __future__ import annotations

from typing import NamedTuple

from omnilive.events import NS_PER_S

BACKWARD_NS = NS_PER_S
"""A track whose timestamps fall by more than this has jumped; less is reordering or jitter."""
FORWARD_NS = 3600 * NS_PER_S
"""A track whose timestamps rise by more than this has jumped; less is a hole in the recording."""
_ADOPT_NS = 60 * NS_PER_S


class Placed(NamedTuple):
    """Where a packet lies: what was added to its own time, and whether a jump begins here."""

    at_ns: int
    offset_ns: int
    jumped: bool


class Timeline:
    """Places the packets of one container; the first timestamp becomes 0."""

    def __init__(self, start_ns: int | None) -> None:
        self._base_ns = start_ns
        self._offsets: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._newest_offset = 0
        self.end_ns = 0

    @property
    def base_ns(self) -> int:
        """The container's own time of source time 0."""
        return self._base_ns or 0

    def place(self, track: int, raw_ns: int | None, duration_ns: int) -> Placed:
        """Return where a packet with decoding time `raw_ns` (None: unknown) lies."""
        last = self._last.get(track)
        if raw_ns is None:
            at_ns = self.end_ns if last is None else last + duration_ns
            return self._note(track, at_ns, duration_ns, jumped=False)
        if self._base_ns is None:
            self._base_ns = raw_ns
        own_ns = raw_ns - self._base_ns
        at_ns = own_ns + self._offsets.get(track, self._newest_offset)
        jumped = False
        if last is not None and not last - BACKWARD_NS <= at_ns <= last + FORWARD_NS:
            adopted = own_ns + self._newest_offset
            if last - BACKWARD_NS <= adopted <= last + _ADOPT_NS:
                at_ns = adopted
            else:
                at_ns = max(self.end_ns, last)
                self._newest_offset = at_ns - own_ns
                jumped = True
        self._offsets[track] = at_ns - own_ns
        return self._note(track, at_ns, duration_ns, jumped=jumped)

    def _note(self, track: int, at_ns: int, duration_ns: int, *, jumped: bool) -> Placed:
        self._last[track] = at_ns
        self.end_ns = max(self.end_ns, at_ns + duration_ns)
        return Placed(at_ns, self._offsets.get(track, self._newest_offset), jumped)
