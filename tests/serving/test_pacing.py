from __future__ import annotations

import threading

import numpy as np

from omnilive.clock import VirtualClock
from omnilive.events import NS_PER_S, Tick, VideoFrame
from omnilive.serving.pacing import Pacer


def _frame(at_s: float) -> VideoFrame:
    return VideoFrame(
        stream=1, at_ns=int(at_s * NS_PER_S), pixels=np.zeros((1, 1, 3), dtype=np.uint8)
    )


def test_events_are_held_until_their_time() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock, threading.Event())
    assert pacer.keep(_frame(100))  # a stream may begin anywhere
    assert pacer.keep(Tick(stream=1, at_ns=103 * NS_PER_S, wall_ns=0))
    assert clock.monotonic_ns() == 3 * NS_PER_S


def test_late_frames_are_dropped_and_late_sound_is_not() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock, threading.Event())
    assert pacer.keep(_frame(0))
    clock.advance(5)
    assert not pacer.keep(_frame(1))
    assert pacer.keep(Tick(stream=1, at_ns=NS_PER_S, wall_ns=0))
    assert pacer.keep(_frame(4.5))
