"""An index gives any record by its number, in any process, wherever the set lies."""

from __future__ import annotations

import copy
import random
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

from omnilive.errors import MediaError
from omnilive.training.readers import (
    GroundedQuestion,
    Record,
    Seconds,
    SoundLabel,
    Speech,
    Turn,
    VideoCaption,
    VideoDialogue,
)
from omnilive.training.readers.index import RecordIndex, write_index
from readers_support import media


def _records(root: Path) -> list[Record]:
    media(root, "v/a.mp4", "s/\u4e00.wav")
    video, audio = root.resolve() / "v/a.mp4", root.resolve() / "s/\u4e00.wav"
    return [
        Speech(audio, 0.5, None, "\u4f60\u597d\nyou", "zh"),
        SoundLabel(audio, 0.0, 2.5, ("bell", "music")),
        VideoCaption(video, 0.1, 9.75, "A \u201ccup\u201d."),
        VideoDialogue(video, (Turn("Who?", "He."), Turn("", "Yes.")), 1.0, None),
        GroundedQuestion(video, "When?", "", (Seconds(1.0, 2.0), Seconds(4.0, 5.5))),
        GroundedQuestion(video, "What?", "tea", choices=("tea", "milk")),
    ]


def test_records_come_back_by_number_in_any_order(tmp_path: Path) -> None:
    root = tmp_path / "set"
    records = _records(root)
    assert write_index(iter(records), root, tmp_path / "index.jsonl") == len(records)
    index = RecordIndex(tmp_path / "index.jsonl", root)
    assert len(index) == len(records)
    numbers = list(range(len(records))) * 2
    random.Random(1).shuffle(numbers)
    assert [index[number] for number in numbers] == [records[number] for number in numbers]
    for number in (-1, len(records)):
        with pytest.raises(IndexError):
            index[number]
    assert not list(tmp_path.glob("*.part"))


def test_a_set_may_move_and_an_index_may_be_sent(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_index(_records(root), root, tmp_path / "index.jsonl")
    moved = root.rename(tmp_path / "moved")
    index = RecordIndex(tmp_path / "index.jsonl", moved)
    record = index[2]
    assert isinstance(record, VideoCaption)
    assert record.video == moved.resolve() / "v/a.mp4"
    assert len(bytes(ForkingPickler.dumps(index))) < 10_000
    assert copy.deepcopy(index)[2] == record
    (moved / "v/a.mp4").unlink()
    with pytest.raises(MediaError, match=r"index\.jsonl, line 3: v/a\.mp4 is not in"):
        RecordIndex(tmp_path / "index.jsonl", moved)[2]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    with pytest.raises(MediaError, match="There are no records"):
        write_index([], tmp_path, path)
    records = _records(tmp_path / "set")
    with pytest.raises(MediaError, match="does not lie in"):
        write_index(records, tmp_path / "other", path)
    assert not path.exists()
    with pytest.raises(MediaError, match="write it first"):
        RecordIndex(path, tmp_path)


def test_a_damaged_index_is_an_error(tmp_path: Path) -> None:
    root, path = tmp_path / "set", tmp_path / "index.jsonl"
    write_index(_records(root), root, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="do not belong together"):
        RecordIndex(path, root)
    path.write_bytes(whole.replace(b'"VideoCaption"', b'"VideoCaptiox"'))
    with pytest.raises(MediaError, match="line 3: .*no kind of record"):
        RecordIndex(path, root)[2]
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(MediaError, match="line 1: this line is damaged"):
        RecordIndex(path, root)[0]
    path.write_bytes(whole.replace(b"v/a.mp4", b"../.mp4"))
    with pytest.raises(MediaError, match="leads out"):
        RecordIndex(path, root)[2]
    offsets = path.with_name("index.jsonl.offsets")
    offsets.write_bytes(offsets.read_bytes()[:-3])
    with pytest.raises(MediaError, match="do not belong together"):
        RecordIndex(path, root)
