"""AISHELL-1 (OpenSLR 33), Mandarin read aloud, and AISHELL-4 (OpenSLR 111), Mandarin meetings.

AISHELL-1: `[data_aishell/]transcript/aishell_transcript_v0.8.txt`, "<utterance> <words>" a line for
all splits together, and `wav/<split>/<speaker>/<utterance>.wav`, unpacked from one archive a
speaker. The speaker stands in the utterance's name: BAC009S0002W0122 is S0002's.

AISHELL-4: `<split>/TextGrid/<meeting>.TextGrid`, a tier a speaker, and `<split>/wav/<meeting>.flac`
of eight channels (they are mixed when decoded). Two of the published TextGrids are damaged; they
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilive.errors import MediaError
from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import Speech
from omnilive.training.readers.rows import span
from omnilive.training.readers.tables import lines
from omnilive.training.readers.textgrid import intervals
from omnilive.training.readers.wording import chinese

AISHELL_1_SPLITS = ("train", "dev", "test")
AISHELL_4_SPLITS = ("train_L", "train_M", "train_S", "test")

_UTTERANCE = re.compile(r"BAC\d+(S\d+)W\d+")
_MARK = re.compile(r"<[^<>]{0,20}>")
_DAMAGED = ("20200622_M_R002S07C01", "20200710_M_R002S06C01")


def read_aishell_1(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of a split."""
    name = "transcript/aishell_transcript_v0.8.txt"
    transcript = folder.annotation(f"data_aishell/{name}", name)
    base = transcript.parent.parent.relative_to(folder.root) / "wav" / split
    if not (folder.root / base).is_dir():
        raise MediaError(
            f"There is no {base.as_posix()} in {folder.root}; unpack the sounds there."
        )
    speakers: dict[str, bool] = {}
    for line, place in lines(transcript):
        utterance, _, words = line.partition(" ")
        match = _UTTERANCE.fullmatch(utterance)
        if match is None:
            raise place.wrong(f"{utterance[:40]!r} is no name of an utterance of AISHELL-1.")
        speaker = match[1]
        # A speaker is in one split only, and the transcript does not say in which.
        if speaker not in speakers:
            speakers[speaker] = (folder.root / base / speaker).is_dir()
        if not speakers[speaker]:
            continue
        audio = folder.media((base / speaker / f"{utterance}.wav").as_posix(), place)
        if audio is not None:
            yield Speech(audio, 0.0, None, chinese(words), "zh")


def read_aishell_4(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield what each speaker of each meeting says."""
    for grid in sorted(folder.annotation(f"{split}/TextGrid").glob("*.TextGrid")):
        try:
            marked = list(intervals(grid))
        except MediaError:
            if grid.stem not in _DAMAGED:
                raise
            folder.report.leave_out("TextGrids known to be damaged")
            continue
        for interval in marked:
            words = chinese(interval.text, _MARK)
            if not words:
                folder.report.leave_out("no words")
                continue
            stretch = span(interval.start_s, interval.end_s, Place(grid), folder.report)
            if stretch is None:
                continue
            audio = folder.media(f"{split}/wav/{grid.stem}.flac", Place(grid))
            if audio is not None:
                yield Speech(audio, *stretch, words, "zh")
