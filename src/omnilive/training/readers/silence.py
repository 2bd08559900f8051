"""The paper's own "Silence" (475 recordings in which nothing is heard), which is not published.

Any folder of sound files stands in for it, as deep as it likes: record empty rooms.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import SoundLabel

SPLITS = ("all",)
LABEL = "silence"

_ENDINGS = (".wav", ".flac", ".mp3", ".m4a", ".opus", ".ogg")


def read(folder: Folder, split: str) -> Iterator[SoundLabel]:
    """Yield every sound file in the folder."""
    for base, folders, names in os.walk(folder.root):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(_ENDINGS):
                relative = os.path.relpath(os.path.join(base, name), folder.root)
                audio = folder.media(relative, Place(folder.root))
                if audio is not None:
                    yield SoundLabel(audio, 0.0, None, (LABEL,))
