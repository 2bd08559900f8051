"""LLaVA-Video-178K (arXiv 2410.02713): captions, open and multiple-choice questions on videos.

A folder a source and length ("0_30_s_academic_v0_1"), each with `*cap*.json`, `*oe*.json` and
`*mc*.json`: lists of {"id", "data_source", "video", "conversations": [{"from": "human" or "gpt",
"value"}]}; "video" is relative to that folder. The first question of a dialogue begins with
"<image>", which only marks where the frames go.

The captions' instructions say nothing of the video, so captions are given without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import list_items
from omnilive.training.readers.records import Turn, VideoCaption, VideoDialogue
from omnilive.training.readers.rows import Row

SPLITS = ("caption", "open_ended", "multi_choice")

_PATTERNS = {"caption": "*cap*.json", "open_ended": "*oe*.json", "multi_choice": "*mc*.json"}
_MARK = re.compile(r"<(?:image|video)>\s*")
_ROLES = {"human": True, "user": True, "gpt": False, "assistant": False}


def read(folder: Folder, split: str) -> Iterator[VideoCaption | VideoDialogue]:
    """Yield the rows of all folders of a kind."""
    files = sorted(folder.root.glob(f"*/{_PATTERNS[split]}"))
    if not files:
        raise MediaError(f"There is no */{_PATTERNS[split]} in {folder.root}.")
    for file in files:
        part = file.parent.name
        for _, value, place in list_items(file):
            row = Row(value, place)
            turns = turns_of(row)
            if not turns:
                folder.report.leave_out("no answers")
                continue
            name = row.text("video")
            names = (f"{part}/{name}", f"{part}/videos/{name}", f"videos/{name}", name)
            video = folder.media(names, place)
            if video is None:
                continue
            if split == "caption":
                yield VideoCaption(video, 0.0, None, turns[0].answer)
            else:
                yield VideoDialogue(video, turns)


def turns_of(row: Row) -> tuple[Turn, ...]:
    """Return the turns of a dialogue in LLaVA's form; those without an answer are dropped.

    Raises:
        MediaError: somebody else than the two speaks, or an answer comes first.
    """
    turns: list[Turn] = []
    question: str | None = None
    for said in row.rows("conversations"):
        is_question = _ROLES.get(said.text("from"))
        if is_question is None:
            raise said.place.wrong(f"{said.text('from')[:40]!r} is not a speaker of this set.")
        text = _MARK.sub("", said.text("value")).strip()
        if is_question:
            question = text
            continue
        if question is None:
            raise said.place.wrong("an answer comes without a question.")
        if text:
            turns.append(Turn(question, text))
        question = None
    return tuple(turns)
