"""FSD50K (arXiv 2010.00475, zenodo.org/records/4060432): 51,197 clips of 200 classes of sound.

`FSD50K.ground_truth/dev.csv` (fname, labels, mids, split: "train" or "val") and `eval.csv` without
the last column; sounds in `FSD50K.dev_audio/<fname>.wav` and `FSD50K.eval_audio/`. Labels are names
with underscores, separated by commas, the class itself first and what it is a kind of after it.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import SoundLabel
from omnilive.training.readers.tables import table

SPLITS = ("train", "val", "eval")


def read(folder: Folder, split: str) -> Iterator[SoundLabel]:
    """Yield the clips of a split."""
    part = "eval" if split == "eval" else "dev"
    needs = ("fname", "labels") if split == "eval" else ("fname", "labels", "split")
    for row in table(folder.annotation(f"FSD50K.ground_truth/{part}.csv"), needs=needs):
        if part == "dev" and row.text("split") != split:
            continue
        labels = tuple(name.replace("_", " ") for name in row.text("labels").split(",") if name)
        if not labels:
            folder.report.leave_out("no label")
            continue
        audio = folder.media(f"FSD50K.{part}_audio/{row.text('fname')}.wav", row.place)
        if audio is not None:
            yield SoundLabel(audio, 0.0, None, labels)
