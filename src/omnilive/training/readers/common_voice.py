"""Common Voice (arXiv 1912.06670): sentences that volunteers read aloud, one language a folder.

The folder of one language ("en", "zh-CN") with `<split>.tsv` and `clips/`. Columns differ from
release to release; "path" and "sentence" are in all of them. Cells are never in quotation marks.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.tables import table
from omnilive.training.readers.wording import plain

SPLITS = ("train", "dev", "test", "validated", "other")


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the sentences of a split; the language is the folder's name."""
    language = folder.root.name
    file = folder.annotation(f"{split}.tsv")
    for row in table(file, delimiter="\t", quoted=False, needs=("path", "sentence")):
        words = plain(row.text("sentence"))
        if not words:
            folder.report.leave_out("no words")
            continue
        name = row.text("path")
        # The first releases name the clip without its ending.
        names = (f"clips/{name}", f"clips/{name}.mp3")
        audio = folder.media(names, row.place)
        if audio is not None:
            yield Speech(audio, 0.0, None, words, language)
