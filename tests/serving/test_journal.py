from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omnilive.errors import OmniLiveError
from omnilive.events import Clip, Event, Question, Retrieval, UpTo, Utterance, VideoFrame, Word
from omnilive.serving.journal import Journal, read_journal


def _events() -> list[Event]:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    frame = VideoFrame(stream=1, at_ns=5, pixels=pixels)
    question = Question(turn_id="t", text="x", needs="past", up_to=(UpTo(1, 5),))
    return [
        frame,
        Clip(
            id="c1-0",
            stream=1,
            start_ns=0,
            end_ns=5,
            num_frames=1,
            changed=True,
            motion=0.5,
            moving=((1, 2),),
            descriptor=np.ones(3, dtype=np.float32),
            descriptor_model="grid",
            pictures=(frame,),
        ),
        Utterance(
            id="u1-0",
            stream=1,
            start_ns=0,
            end_ns=1,
            text="h\u00e9",
            voice="user",
            words=(Word("h\u00e9", 0, 1),),
        ),
        Retrieval(turn_id="t", question=question, generation=1),
    ]


def test_events_come_back_as_they_were_delivered(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    for event in _events():
        journal.delivered("seeing 1", event)
    journal.close()
    read = list(read_journal(path))
    assert [stage for stage, _ in read] == ["seeing 1"] * 4
    frame, clip, *rest = [event for _, event in read]
    wanted_frame, wanted_clip, *wanted_rest = _events()
    assert rest == wanted_rest
    assert isinstance(frame, VideoFrame)
    assert isinstance(wanted_frame, VideoFrame)
    np.testing.assert_array_equal(frame.pixels, wanted_frame.pixels)
    assert isinstance(clip, Clip)
    assert isinstance(wanted_clip, Clip)
    assert clip.moving == wanted_clip.moving
    np.testing.assert_array_equal(clip.pictures[0].pixels, wanted_clip.pictures[0].pixels)


def test_a_torn_record_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    for event in _events():
        journal.delivered("memory", event)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert len(list(read_journal(path))) == 3


def test_other_files_are_refused_and_none_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"\x00\x00\x00\x01\x90")
    with pytest.raises(OmniLiveError, match="not a journal"):
        list(read_journal(path))
    with pytest.raises(OmniLiveError, match="exists already"):
        Journal(path)
