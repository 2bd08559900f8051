"""ShareGPT4Video (arXiv 2406.04325): 40,178 videos with long captions.

`sharegpt4video_40k.jsonl`, one video a line: `video_path`; `captions`, a list of {"idx", "content"}
of which "-1" is about the whole video; `timestamp`, the seconds of the key frames. The videos come
in archives (`zip_folder/`); they may be unpacked beside the file, into `videos/` or into
`zip_folder/`.

Split "videos": the captions of whole videos. Split "keyframes": what changed up to each key frame,
which is closer to the length of a clip. Not verified: that in "keyframes" the other "idx" count the
key frames from 0 (a caption with another "idx" is left out and counted).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import VideoCaption
from omnilive.training.readers.rows import Row, number, span
from omnilive.training.readers.tables import json_lines

SPLITS = ("videos", "keyframes")

_WHOLE = "-1"


def read(folder: Folder, split: str) -> Iterator[VideoCaption]:
    """Yield captions of whole videos, or of what leads to their key frames."""
    for value, place in json_lines(folder.annotation("sharegpt4video_40k.jsonl")):
        row = Row(value, place)
        path = row.text("video_path")
        names = (path, f"videos/{path}", f"zip_folder/{path}")
        video = folder.media(names, place)
        if video is None:
            continue
        captions = {each.text("idx"): each.text("content") for each in row.rows("captions")}
        if split == "keyframes":
            yield from _changes(folder, video, row, captions)
            continue
        text = captions.get(_WHOLE, "")
        if text:
            yield VideoCaption(video, 0.0, None, text)
        else:
            folder.report.leave_out("no caption of the whole video")


def _changes(
    folder: Folder, video: Path, row: Row, captions: dict[str, str]
) -> Iterator[VideoCaption]:
    times = [number(value, "timestamp", row.place) for value in row.items("timestamp")]
    numbers = {str(index): index for index in range(len(times))}
    for name, text in captions.items():
        if name == _WHOLE or not text:
            continue
        if name not in numbers or len(times) < 2:
            folder.report.leave_out("captions of no key frame")
            continue
        # The first caption is of the first key frame itself; each other of what came before it.
        until = max(1, numbers[name])
        stretch = span(times[until - 1], times[until], row.place, folder.report)
        if stretch is not None:
            yield VideoCaption(video, *stretch, text)
