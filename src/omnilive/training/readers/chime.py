"""CHiME-7 DASR (arXiv 2306.13734): dinners and interviews heard from afar. The paper's "DASR".

The folder that the challenge's data script makes: for each of `chime6`, `dipco` and `mixer6`
`transcriptions/<part>/<session>.json`, a list of {"start_time", "end_time", "words", "speaker",
"session_id"} with the times as texts, and `audio/<part>/<session>_*.wav` or `.flac`. CHiME-6 and
DiPCo have a sound for each speaker (`<session>_<speaker>.wav`) and for each channel of each array
(`<session>_U01.CH1.wav`); Mixer 6 has channels (`<session>_CH01.flac`). Splits are named
"<scenario>/<part>"; a speaker's own sound is taken if there is one, else the first array channel
or Mixer 6's channel 1.

The data script links to the originals: open the set with `follow_links`.

Not verified: that the paper means this set (it only says "DASR"), and which microphone it used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import list_items
from omnilive.training.readers.records import Speech
from omnilive.training.readers.rows import Row
from omnilive.training.readers.wording import plain

SPLITS = (
    "chime6/train",
    "chime6/dev",
    "chime6/eval",
    "dipco/dev",
    "dipco/eval",
    "mixer6/train_call",
    "mixer6/train_intv",
    "mixer6/dev",
    "mixer6/eval",
)

_MARK = re.compile(r"\[[^\[\]]{0,40}\]")


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of a scenario's part."""
    scenario, _, part = split.partition("/")
    base = folder.annotation(f"{scenario}/transcriptions/{part}")
    for session in sorted(base.glob("*.json")):
        for _, value, place in list_items(session):
            row = Row(value, place)
            words = plain(row.text("words"), _MARK)
            if not words:
                folder.report.leave_out("no words")
                continue
            span = row.span("start_time", "end_time", folder.report)
            if span is None:
                continue
            stem = f"{scenario}/audio/{part}/{session.stem}"
            ends = (row.text("speaker"), "U01.CH1", "CH01")
            names = [f"{stem}_{end}.{kind}" for end in ends for kind in ("wav", "flac")]
            audio = folder.media(names, place)
            if audio is not None:
                yield Speech(audio, *span, words, "en")
