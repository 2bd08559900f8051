"""VideoChat2-IT (arXiv 2311.17005), the part about videos: instructions from 16 sets.

`video/<task>/<set>/train.json` as published: a list of {"video", "QA": [{"i", "q", "a"}]}, some
with "start" and "end" in seconds. "i" is an instruction for the whole dialogue; it is put before
the first question. Splits are named "<task>/<set>".

The videos come from the sets' own publishers. Here they lie in `videos/<task>/<set>/`,
`videos/<set>/` or `videos/` (our choice; the set names no folder). A few sets give the frames of a
video as a folder of pictures; those count as missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import list_items
from omnilive.training.readers.records import Turn, VideoDialogue
from omnilive.training.readers.rows import Row

SPLITS = (
    "caption/textvr",
    "caption/videochat",
    "caption/webvid",
    "caption/youcook2",
    "classification/k710",
    "classification/ssv2",
    "conversation/videochat1",
    "conversation/videochat2",
    "conversation/videochatgpt",
    "reasoning/clevrer_mc",
    "reasoning/clevrer_qa",
    "reasoning/next_qa",
    "vqa/ego_qa",
    "vqa/tgif_frame_qa",
    "vqa/tgif_transition_qa",
    "vqa/webvid_qa",
)


def read(folder: Folder, split: str) -> Iterator[VideoDialogue]:
    """Yield the dialogues of one set."""
    source = split.partition("/")[2]
    for _, value, place in list_items(folder.annotation(f"video/{split}/train.json")):
        row = Row(value, place)
        turns = tuple(_turns(row))
        if not turns:
            folder.report.leave_out("no answers")
            continue
        start_s, end_s = 0.0, None
        if "start" in row and "end" in row:
            stretch = row.span("start", "end", folder.report)
            if stretch is None:
                continue
            start_s, end_s = stretch.start_s, stretch.end_s
        name = row.text("video")
        names = (f"videos/{split}/{name}", f"videos/{source}/{name}", f"videos/{name}")
        video = folder.media(names, place)
        if video is not None:
            yield VideoDialogue(video, turns, start_s, end_s)


def _turns(row: Row) -> Iterator[Turn]:
    instruction = ""
    for number, each in enumerate(row.rows("QA")):
        if number == 0 and "i" in each:
            instruction = each.text("i")
        question = each.text("q") if "q" in each else ""
        answer = each.text("a")
        if answer:
            yield Turn(f"{instruction} {question}".strip(), answer)
            instruction = ""
