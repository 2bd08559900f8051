"""FunQA (arXiv 2306.14899): questions about 4,365 surprising videos (humour, creation, magic).

`[annotation_with_ID/]funqa_<split>.json` (or `FunQA_<split>.json`): a list of {"visual_input",
"task", "instruction", "output", "ID"}. The first letter of a video's name says its kind, and the
archives unpack to `<split>/<split>_{humor,creative,magic}/`. The tasks H1, C1 and M1 ask for frame
numbers; they are left out, because what is learned from here are words.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import list_items
from omnilive.training.readers.records import Turn, VideoDialogue
from omnilive.training.readers.rows import Row

SPLITS = ("train", "val", "test")

_KINDS = {"H": "humor", "C": "creative", "M": "magic"}
_LOCALISATION = ("H1", "C1", "M1")


def read(folder: Folder, split: str) -> Iterator[VideoDialogue]:
    """Yield a dialogue of one turn for each question."""
    stems = (f"funqa_{split}.json", f"FunQA_{split}.json")
    file = folder.annotation(
        *(f"{base}{stem}" for base in ("annotation_with_ID/", "") for stem in stems)
    )
    for _, value, place in list_items(file):
        row = Row(value, place)
        if row.text("task") in _LOCALISATION:
            folder.report.leave_out("questions for frame numbers")
            continue
        turn = Turn(row.text("instruction"), row.text("output"))
        if not turn.question or not turn.answer:
            folder.report.leave_out("no answers")
            continue
        name = row.text("visual_input")
        kind = _KINDS.get(name[:1])
        if kind is None:
            raise place.wrong(f"{name[:40]!r} is no name of a video of FunQA.")
        part = f"{split}_{kind}"
        names = (f"{split}/{part}/{name}", f"{part}/{name}", f"{split}/{name}", f"videos/{name}")
        video = folder.media(names, place)
        if video is not None:
            yield VideoDialogue(video, (turn,))
