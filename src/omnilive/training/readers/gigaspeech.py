"""GigaSpeech (arXiv 2106.06909): 10,000 h of English from books, podcasts and videos.

`GigaSpeech.json` beside `audio/`. Segments name their subsets in braces ("{XL}"). Punctuation is
four marks in the text; an utterance that is only `<SIL>`, `<MUSIC>`, `<NOISE>` or `<OTHER>` holds
no words. The text is in capitals and stays so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilive.training.readers.audios_json import read_segments
from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.wording import plain

SPLITS = ("XS", "S", "M", "L", "XL", "DEV", "TEST")

_PUNCTUATION = {
    "<COMMA>": ",",
    "<PERIOD>": ".",
    "<QUESTIONMARK>": "?",
    "<EXCLAMATIONPOINT>": "!",
}
_PUNCTUATION_MARK = re.compile(rf"\s*({'|'.join(_PUNCTUATION)})")
_OTHER_MARK = re.compile(r"<[A-Z]+>")


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the segments of a subset."""
    yield from read_segments(
        folder,
        "GigaSpeech.json",
        f"{{{split}}}",
        text_key="text_tn",
        language="en",
        clean=_clean,
    )


def _clean(text: str) -> str:
    text = _PUNCTUATION_MARK.sub(lambda match: _PUNCTUATION[match[1]], text)
    return plain(text, _OTHER_MARK)
