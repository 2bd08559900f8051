"""AudioSet (research.google.com/audioset): 10 s of two million videos, labelled with 527 classes.

`<split>_segments.csv` (YouTube id, start s, end s, "label,label"; lines with # are remarks) and
`class_labels_indices.csv` (index, mid, display_name), as published. The sound is not published:
everybody cuts it out of the videos and names the pieces as they like. Here they lie in
`audio/<split>/` or `audio/`, 10 s each, named by the id: `<id>`, `Y<id>`, or `<id>_<start s>`, with
the ending of any common format. (These names are widespread conventions, not a standard.)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import SoundLabel
from omnilive.training.readers.tables import lines, table

SPLITS = ("balanced_train", "unbalanced_train", "eval")

_ROW = re.compile(r'([\w-]{11}),\s*([\d.]+),\s*([\d.]+),\s*"([^"]+)"')
_ENDINGS = ("wav", "flac", "m4a", "mp3", "opus", "ogg", "mp4", "webm", "mkv")


def read(folder: Folder, split: str) -> Iterator[SoundLabel]:
    """Yield the pieces of a split."""
    classes = folder.annotation("class_labels_indices.csv")
    names = {
        row.text("mid"): row.text("display_name")
        for row in table(classes, needs=("mid", "display_name"))
    }
    stems = ("{id}", "Y{id}", "{id}_{start}")
    forms = list(itertools.product((f"audio/{split}", "audio"), stems, _ENDINGS))
    for line, place in lines(folder.annotation(f"{split}_segments.csv")):
        if line.startswith("#"):
            continue
        match = _ROW.fullmatch(line.strip())
        if match is None:
            raise place.wrong('an id, a start, an end and "labels" are expected.')
        video, start, _, mids = match.groups()
        unknown = [mid for mid in mids.split(",") if mid not in names]
        if unknown:
            raise place.wrong(f"{unknown[0]!r} is not in {classes.name}.")
        labels = tuple(names[mid] for mid in mids.split(","))
        stamp = f"{float(start):g}"
        tried = [
            f"{where}/{stem.format(id=video, start=stamp)}.{ending}"
            for where, stem, ending in forms
        ]
        audio = folder.media(tried, place)
        if audio is None:
            continue
        # As the last one is named the next one will be, too: one look instead of 54.
        found = tried.index(audio.relative_to(folder.root).as_posix())
        forms.insert(0, forms.pop(found))
        yield SoundLabel(audio, 0.0, None, labels)
