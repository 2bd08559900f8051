"""WenetSpeech (arXiv 2110.03370): 10,000 h of Mandarin from videos and podcasts.

`WenetSpeech.json` beside `audio/`; the layout is GigaSpeech's with `text` for the transcript and
bare subset names.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.audios_json import read_segments
from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.wording import chinese

SPLITS = ("S", "M", "L", "DEV", "TEST_NET", "TEST_MEETING")


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the segments of a subset."""
    yield from read_segments(
        folder, "WenetSpeech.json", split, text_key="text", language="zh", clean=chinese
    )
