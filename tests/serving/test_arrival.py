"""Times of a live source on the wall clock: a backlog, a drifting clock, a clock that is set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from omnilive.cancel import Cancel
from omnilive.clock import VirtualClock
from omnilive.events import NS_PER_S, StreamEnded, Tick
from omnilive.media.contract import MediaEvent, SourceInfo
from omnilive.presets import embedded
from omnilive.serving.arrival import Arrival
from omnilive.system import System

WALL = 1_700_000_000 * NS_PER_S


def ticks(clock: VirtualClock, *arrivals: tuple[float, float]) -> Iterator[MediaEvent]:
    """Yield ticks at these source times, after waiting so long for each."""
    for at_s, waited_s in arrivals:
        clock.advance(waited_s)
        yield Tick(stream=0, at_ns=round(at_s * NS_PER_S), wall_ns=0)


def test_a_backlog_does_not_shift_the_times() -> None:
    clock = VirtualClock(WALL)
    arrival = Arrival(clock)
    # Eight seconds come at once, then each second takes a second.
    backlog = [(float(n), 0.0) for n in range(1, 9)]
    events = ticks(clock, *backlog, (9.0, 1.0), (10.0, 1.0))
    held = arrival.hold(events, threading.Event())
    assert len(held) == 9  # a second has passed
    assert arrival.wall_at(0) == WALL - 8 * NS_PER_S
    assert arrival.wall_at(9 * NS_PER_S) == clock.wall_ns()
    assert next(events) is not None  # nothing was taken beyond what is held


def test_what_comes_is_not_held_for_ever() -> None:
    clock, stop = VirtualClock(WALL), threading.Event()
    endless = ticks(clock, *((float(n), 0.0) for n in range(1, 1000)))
    assert len(Arrival(clock).hold(endless, stop)) == 30
    ended = StreamEnded(stream=0, at_ns=0, error="gone")
    assert Arrival(clock).hold(iter([ended]), stop) == [ended]
    stop.set()
    assert len(Arrival(clock).hold(endless, stop)) == 1


def test_a_late_arrival_does_not_shift_the_times_but_a_drifting_clock_is_followed() -> None:
    clock = VirtualClock(WALL)
    arrival = Arrival(clock)
    arrival.note(0)
    clock.advance(5)
    arrival.note(2 * NS_PER_S)  # three seconds late
    assert arrival.wall_at(0) == WALL
    for second in range(5, 4 * 3600):  # a camera whose seconds are too long by a thousandth
        clock.advance(1.001)
        arrival.note(second * NS_PER_S)
    late_ns = clock.wall_ns() - arrival.wall_at((4 * 3600 - 1) * NS_PER_S)
    assert 0 <= late_ns < NS_PER_S // 4


def test_a_clock_that_is_set_by_more_than_two_seconds_is_told_once() -> None:
    clock = VirtualClock(WALL)
    arrival = Arrival(clock)
    arrival.note(0)
    clock.advance(10)
    clock.step_wall(1.5)
    assert not arrival.stepped()
    clock.step_wall(-3600)
    assert arrival.stepped()
    assert not arrival.stepped()
    arrival.note(10 * NS_PER_S)
    assert arrival.wall_at(10 * NS_PER_S) == clock.wall_ns()


def test_a_live_epoch_has_an_anchor_at_least_every_ten_minutes(tmp_path: Path) -> None:
    clock = VirtualClock(WALL)
    arrival = Arrival(clock)
    system = System(embedded(), tmp_path, write=True)
    begun = system.begin_epoch(
        name="cam",
        source="test",
        voice="ambient",
        zone="UTC",
        info=SourceInfo(has_video=False, has_audio=False, live=True),
        now_ns=clock.wall_ns(),
        started_at_ns=None,
        again=False,
        paced=False,
    )
    assert begun is not None
    started, _ = begun
    memory, cancel = system.shared["memory"], Cancel()
    list(memory.push(started, cancel))
    for second in range(1, 3700):
        clock.advance(1.0005)
        arrival.note(second * NS_PER_S)
        at_ns = second * NS_PER_S
        tick = Tick(stream=started.stream, at_ns=at_ns, wall_ns=arrival.wall_at(at_ns))
        list(memory.push(tick, cancel))
    kept = system.store.database.rows(
        "SELECT at_ns FROM anchor WHERE epoch = ? ORDER BY at_ns", (started.epoch,)
    )
    anchors = system.store.timelines()[started.stream].epochs[-1].anchors
    system.close()
    times = [started.at_ns, *(at_ns for (at_ns,) in kept)]
    assert len(times) >= 7
    assert all(b - a <= 600 * NS_PER_S for a, b in zip(times, times[1:], strict=False))
    drift_ns = (anchors[-1].wall_ns - WALL) - anchors[-1].at_ns
    assert abs(drift_ns - anchors[-1].at_ns // 2000) < NS_PER_S // 4
