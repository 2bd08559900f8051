"""ASCEND (arXiv 2112.06223): 10 h of talk that switches between Mandarin and English.

`<split>_metadata.csv` beside `waves/`, as the set was first published. It is now published as
Parquet files with the sound inside; those are not read here (write the sounds to `waves/` and the
columns to the table).

Not verified: the name of the column with the path; "path", "file_name" and "audio" are taken. Of a
path only what follows the last "waves/" counts, because the tables hold their author's.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.tables import table
from omnilive.training.readers.wording import chinese

SPLITS = ("train", "validation", "test")

_PATH_COLUMNS = ("path", "file_name", "audio")
_LANGUAGES = {"zh": "zh", "en": "en"}


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of a split; language "" where both are spoken."""
    for row in table(folder.annotation(f"{split}_metadata.csv"), needs=("transcription",)):
        column = next((name for name in _PATH_COLUMNS if name in row), None)
        if column is None:
            raise row.place.wrong(f"no column {' or '.join(_PATH_COLUMNS)} names the sound.")
        words = chinese(row.text("transcription"))
        if not words:
            folder.report.leave_out("no words")
            continue
        name = row.text(column).replace("\\", "/").rpartition("waves/")[2]
        audio = folder.media(f"waves/{name}", row.place)
        language = row.text("language") if "language" in row else ""
        if audio is not None:
            yield Speech(audio, 0.0, None, words, _LANGUAGES.get(language, ""))
