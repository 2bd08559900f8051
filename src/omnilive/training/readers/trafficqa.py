"""SUTD-TrafficQA (arXiv 2103.15538): 62,535 questions with choices on videos of traffic.

`[annotations/]<split>.jsonl`: each line is a list, the first one the names of the columns:
record_id, vid_id, vid_filename, perspective, q_body, q_type (not in R3), option0 to option3, answer
(the number of the right option). Options may be empty, anywhere. The videos lie in
`compressed_videos/`, `raw_videos/` or `videos/`.

Not verified: the names of the videos' folders.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import GroundedQuestion
from omnilive.training.readers.rows import Row
from omnilive.training.readers.tables import json_lines

SPLITS = ("R2_train", "R2_test", "R2_all", "R3_train", "R3_test", "R3_all")

_NEEDED = ("vid_filename", "q_body", "option0", "option1", "option2", "option3", "answer")
_OPTIONS = ("option0", "option1", "option2", "option3")


def read(folder: Folder, split: str) -> Iterator[GroundedQuestion]:
    """Yield the questions of a split with their choices."""
    name = f"{split}.jsonl"
    columns: list[str] = []
    for value, place in json_lines(
        folder.annotation(f"annotations/{name}", f"questions/{name}", name)
    ):
        if not isinstance(value, list):
            raise place.wrong("a list of cells is expected.")
        if not columns:
            columns = _columns(value, place)
            continue
        if len(value) != len(columns):
            raise place.wrong(f"{len(columns)} cells are expected, but there are {len(value)}.")
        row = Row(dict(zip(columns, value, strict=True)), place)
        options = [row.text(option) if option in row else "" for option in _OPTIONS]
        answer = row.number("answer")
        if answer not in range(len(options)) or not options[int(answer)]:
            raise place.wrong("the answer is none of the options.")
        file = row.text("vid_filename")
        names = [f"{base}/{file}" for base in ("compressed_videos", "raw_videos", "videos")]
        video = folder.media(names, place)
        if video is not None:
            choices = tuple(option for option in options if option)
            yield GroundedQuestion(video, row.text("q_body"), options[int(answer)], choices=choices)


def _columns(value: list[object], place: Place) -> list[str]:
    names = [str(name) for name in value]
    absent = [name for name in _NEEDED if name not in names]
    if absent:
        raise place.wrong(f"the first line must name the columns; {absent[0]!r} is missing.")
    return names
