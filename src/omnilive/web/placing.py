"""Where in source time a client's sound and pictures belong.

A client's sound carries times that count its samples: within a run they are exact, so they place
it. But they know nothing of time in which the microphone gave no sample (a page that stood still,
a capture that stalled): then sound goes on as if no time had passed. Such a slip shows as a delay
against this machine's clock that does not go away, and becomes a hole.

Sound is the master clock. Pictures come with times of another origin and are placed by arrival:
what counts is the shortest delay in a window, because a delay can only grow on the way.
"""

from __future__ import annotations

from collections import deque

from omnilive.events import NS_PER_S

SLIP_NS = 400_000_000
"""Sound that stays this late has lost time at its source. A network's hiccup is shorter or ends."""
_DECIDE_NS = NS_PER_S // 2
_HURRY = 10  # sound that makes up for a tenth of the time that passes is catching up
_MOST_HELD = 1000  # pieces
_DELAY_WINDOW_NS = 2 * NS_PER_S
_CYCLE = 1 << 32


class Unwrapped:
    """RTP times (32 bits that wrap, RFC 3550) as counts that do not, from the first one on."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = 0

    def count(self, timestamp: int) -> int:
        """Return how far `timestamp` lies behind the first one; may be negative if reordered."""
        if self._first is None:
            self._first = self._last = timestamp
        step = (timestamp - self._last + _CYCLE // 2) % _CYCLE - _CYCLE // 2
        self._last += step
        return self._last - self._first


class ShortestDelay:
    """The shortest delay between a source's times and their arrival, over a window."""

    def __init__(self, window_ns: int = _DELAY_WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._noted: deque[tuple[int, int]] = deque()  # arrival, delay: delays only grow

    def note(self, at_ns: int, arrival_ns: int) -> int:
        """Note one arrival; returns the shortest delay of the window."""
        delay_ns = arrival_ns - at_ns
        while self._noted and self._noted[-1][1] >= delay_ns:
            self._noted.pop()
        self._noted.append((arrival_ns, delay_ns))
        while arrival_ns - self._noted[0][0] > self._window_ns:
            self._noted.popleft()
        return self._noted[0][1]

    @property
    def shortest_ns(self) -> int | None:
        """The shortest delay of the window; None before anything came."""
        return self._noted[0][1] if self._noted else None


class SoundPlace:
    """Places sound by its own times and finds where time was lost at the source.

    Sound that is suddenly late either hurries after (the network held it up) or comes on at the
    pace of the clock (its source stood still). Which of the two shows within half a second; so long
    it is held. Source time 0 is when the first media came, be it a picture.
    """

    def __init__(self) -> None:
        self._start_ns: int | None = None
        self._offset_ns: int | None = None
        self._delay = ShortestDelay()
        self._late: list[tuple[int, int]] = []  # arrivals and lateness of what is held
        self._arrival_ns: int | None = None
        self.slip_ns = 0
        """Time lost at the source that the last `place` found; 0 mostly."""
        self.silent_ns = 0
        """The longest time without any arrival at that slip."""

    def place(self, sent_ns: int, arrival_ns: int) -> int | None:
        """Return the source time of sound that its sender places at `sent_ns`.

        None: not known yet, keep it. Once a time is returned, `at` has those of what was kept.
        """
        now_ns = self._since_start(arrival_ns)
        if self._offset_ns is None:
            self._offset_ns = now_ns - sent_ns
        pause_ns = 0 if self._arrival_ns is None else arrival_ns - self._arrival_ns
        self._arrival_ns = arrival_ns
        self.slip_ns = 0
        late_ns = now_ns - self.at(sent_ns)
        if late_ns <= SLIP_NS:
            self._late.clear()
            self.silent_ns = 0
        else:
            self._late.append((arrival_ns, late_ns))
            self.silent_ns = max(self.silent_ns, pause_ns)
            first_ns, first_late_ns = self._late[0]
            span_ns = arrival_ns - first_ns
            if span_ns < _DECIDE_NS and len(self._late) < _MOST_HELD:
                return None
            if first_late_ns - late_ns < span_ns // _HURRY:
                self.slip_ns = min(late for _, late in self._late)
                self._offset_ns += self.slip_ns
            self._late.clear()
        at_ns = self.at(sent_ns)
        self._delay.note(at_ns, now_ns)
        return at_ns

    def at(self, sent_ns: int) -> int:
        """Return the source time of `sent_ns` as far as is known."""
        return sent_ns + (self._offset_ns or 0)

    def source_at(self, arrival_ns: int) -> int:
        """Return the source time of something that arrives now without any delay of its own."""
        return self._since_start(arrival_ns) - (self._delay.shortest_ns or 0)

    def _since_start(self, arrival_ns: int) -> int:
        if self._start_ns is None:
            self._start_ns = arrival_ns
        return arrival_ns - self._start_ns


class PicturePlace:
    """Places pictures beside the sound by when they arrive."""

    def __init__(self, sound: SoundPlace) -> None:
        self._sound = sound
        self._delay = ShortestDelay()
        self._last_ns = -1

    def place(self, sent_ns: int, arrival_ns: int) -> int:
        """Return the source time of a picture; strictly behind the one before."""
        shortest_ns = self._delay.note(sent_ns, arrival_ns)
        at_ns = max(0, self._sound.source_at(sent_ns + shortest_ns))
        self._last_ns = max(at_ns, self._last_ns + 1)
        return self._last_ns
