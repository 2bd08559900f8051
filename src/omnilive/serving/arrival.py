"""When what a live source sends was true: its own time against the clocks of this machine.

Opening a live source brings a backlog that arrives at once (probing, the list of HLS), so the
moment of arrival says little by itself. What counts is the shortest delay between a source's time
and its arrival; the first second is held back to measure it before an epoch is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from omnilive.clock import Clock
from omnilive.events import NS_PER_S, StreamEnded, Tick
from omnilive.media.contract import MediaEvent

_HELD_NS = NS_PER_S
_MOST_TICKS = 30
_WINDOW_NS = 60 * NS_PER_S  # a camera's clock drifts: old delays are forgotten
_STEP_NS = 2 * NS_PER_S  # a larger step of the wall clock opens a new epoch


class Arrival:
    """Places the times of one opening of a live source on the wall clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()
        self._before: int | None = None  # shortest delay of the window before
        self._now: int | None = None  # of this window
        self._window_start_ns = clock.monotonic_ns()

    def hold(self, events: Iterator[MediaEvent], stop: threading.Event) -> list[MediaEvent]:
        """Take the events of the first second, noting when they came."""
        held: list[MediaEvent] = []
        num_ticks = 0
        start_ns = self._clock.monotonic_ns()
        for event in events:
            held.append(event)
            if isinstance(event, Tick):
                self.note(event.at_ns)
                num_ticks += 1
            over = num_ticks and self._clock.monotonic_ns() - start_ns >= _HELD_NS
            if over or num_ticks >= _MOST_TICKS or isinstance(event, StreamEnded) or stop.is_set():
                break
        return held

    def note(self, source_ns: int) -> None:
        """Note that the source has come to `source_ns` just now."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._window_start_ns >= _WINDOW_NS:
            self._before, self._now, self._window_start_ns = self._now, None, now_ns
        delay_ns = now_ns - source_ns
        self._now = delay_ns if self._now is None else min(self._now, delay_ns)

    def wall_at(self, source_ns: int) -> int:
        """Return UTC of a source time, as the wall clock shows it now."""
        delays = [delay for delay in (self._before, self._now) if delay is not None]
        if not delays:
            return self._clock.wall_ns()
        return source_ns + min(delays) + self._clock.wall_ns() - self._clock.monotonic_ns()

    def stepped(self) -> bool:
        """Whether the wall clock was set since the last call that said so."""
        offset_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
        if abs(offset_ns - self._offset_ns) <= _STEP_NS:
            return False
        self._offset_ns = offset_ns
        return True
