"""LibriSpeech (OpenSLR 12): 960 h of English read aloud.

`[LibriSpeech/]<split>/<speaker>/<chapter>/`: one `<speaker>-<chapter>.trans.txt` with
"<utterance> <TEXT>" a line, and a `<utterance>.flac` for each.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.tables import lines

SPLITS = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of a split, speaker by speaker."""
    base = folder.annotation(f"LibriSpeech/{split}", split)
    transcripts = base.glob("*/*/*.trans.txt")
    found = False
    for transcript in sorted(transcripts):
        found = True
        chapter = transcript.parent.relative_to(folder.root).as_posix()
        for line, place in lines(transcript):
            utterance, _, text = line.partition(" ")
            if not text.strip():
                folder.report.leave_out("no words")
                continue
            audio = folder.media(f"{chapter}/{utterance}.flac", place)
            if audio is not None:
                yield Speech(audio, 0.0, None, text.strip(), "en")
    if not found:
        folder.annotation(f"{split}/<speaker>/<chapter>/*.trans.txt")
