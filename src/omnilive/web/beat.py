"""When the next 20 ms of sound are due: by the clock, without drift, and never in a burst."""

from __future__ import annotations

PIECE_S = 0.02
_MOST_BEHIND_S = 0.2
"""So much goes out at once after a delay; a longer one moves the beat.

A loop that is late by 100 ms again and again must keep the pace: a page's jitter buffer grows to
hold such delays, but it cannot play what never comes.
"""


class Beat:
    """Counts the pieces of a track. Piece n is due n x 20 ms after the start.

    Whoever is late catches up at once, by at most ten pieces; beyond that the beat is moved, so
    that a loop that stood still for seconds does not pour them out. Nothing is skipped: the track
    goes on where it was, later.
    """

    def __init__(self, now_s: float) -> None:
        self._start_s = now_s
        self._number = 0
        self.moved_s = 0.0
        """By how much the beat was moved in all."""

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait until the next piece is due; 0 if it is due already."""
        late_s = now_s - (self._start_s + self._number * PIECE_S)
        if late_s > _MOST_BEHIND_S:
            self._start_s += late_s - _MOST_BEHIND_S
            self.moved_s += late_s - _MOST_BEHIND_S
        return max(0.0, -late_s)

    def next(self) -> int:
        """Count the piece that goes out now; returns its number."""
        self._number += 1
        return self._number - 1
