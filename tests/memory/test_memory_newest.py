"""The newest frames: what is there now, bounded by what the asker can have seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from omnilive.events import PartialUtterance, Question, UpTo, VideoFrame
from omnilive.media.pictures import from_jpeg
from omnilive.memory.newest import NewestFrames


def frame(stream: int, at_ns: int, grey: int) -> VideoFrame:
    return VideoFrame(stream=stream, at_ns=at_ns, pixels=np.full((32, 48, 3), grey, dtype=np.uint8))


def grey(jpeg: bytes) -> int:
    return round(float(from_jpeg(jpeg).mean()))


def question(**fields: object) -> Question:
    return Question(turn_id="q", text="what now?", needs="present", **fields)  # type: ignore[arg-type]


def test_the_newest_frame_that_the_asker_can_have_seen() -> None:
    newest = NewestFrames()
    for number in range(10):
        newest.take(frame(1, number, 10 * number))
    both = frozenset((1, 2))
    assert abs(grey(newest.jpeg(question(), both)) - 90) <= 2
    assert abs(grey(newest.jpeg(question(up_to=(UpTo(1, 8),)), both)) - 70) <= 2
    assert newest.jpeg(question(up_to=(UpTo(1, 3),)), both) == b""  # no longer kept raw
    newest.take(frame(2, 1, 200))
    assert abs(grey(newest.jpeg(question(), both)) - 200) <= 2
    assert abs(grey(newest.jpeg(question(stream=1), both)) - 90) <= 2
    assert abs(grey(newest.jpeg(question(), frozenset((1,)))) - 90) <= 2
    newest.drop(2)
    assert abs(grey(newest.jpeg(question(), both)) - 90) <= 2
    newest.clear()
    assert newest.jpeg(question(), both) == b""


def test_what_was_foreseen_is_not_encoded_again() -> None:
    newest = NewestFrames()
    for number in range(4):
        newest.take(frame(1, number, 10 * number))
    heard = PartialUtterance(
        id="u1-2", stream=1, start_ns=2, end_ns=3, text="", voice="user", settled=False
    )
    newest.foresee(heard)
    foreseen = newest._encoded
    assert foreseen is not None
    asked = question(stream=1, up_to=(UpTo(1, 2),))
    assert newest.jpeg(asked, frozenset((1,))) is foreseen[1]
    assert abs(grey(foreseen[1]) - 10) <= 2
    # Another bound is another frame; a stranger's voice asks nothing.
    assert abs(grey(newest.jpeg(question(stream=1), frozenset((1,)))) - 30) <= 2
    newest.clear()
    assert newest._encoded is None
    newest.take(frame(1, 5, 50))
    newest.foresee(replace(heard, voice="ambient", start_ns=6))
    assert newest._encoded is None
