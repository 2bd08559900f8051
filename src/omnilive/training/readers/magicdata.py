"""MagicData-RAMC (arXiv 2203.16844, OpenSLR 123): 180 h of Mandarin on the telephone.

`DataPartition/<split>.tsv` names the dialogues; `[MDT2021S003/]TXT/<dialogue>.txt` has a line for
each utterance, "[1.319,6.691]<tab>speaker<tab>gender,dialect<tab>words"; the sound is
`[MDT2021S003/]WAV/<dialogue>.wav`.

Not verified: the columns of the .tsv files; the cell that ends in ".wav" is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import Speech
from omnilive.training.readers.rows import number, span
from omnilive.training.readers.tables import Line, lines
from omnilive.training.readers.wording import chinese

SPLITS = ("train", "dev", "test")

_TIMES = re.compile(r"\[([\d.]+),([\d.]+)\]")
_MARK = re.compile(r"\[(?:\+{1,2}|\*|[A-Z]+)\]")


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of the dialogues of a split."""
    for line, place in lines(folder.annotation(f"DataPartition/{split}.tsv")):
        dialogues = [cell.strip() for cell in line.split("\t") if cell.strip().endswith(".wav")]
        if not dialogues:
            if place.line == 1:
                continue
            raise place.wrong("there is no cell with the name of a .wav file.")
        yield from _dialogue(folder, dialogues[0].removesuffix(".wav"), place)


def _dialogue(folder: Folder, name: str, place: Place) -> Iterator[Speech]:
    text = folder.media((f"MDT2021S003/TXT/{name}.txt", f"TXT/{name}.txt"), place)
    if text is None:
        return
    for line in lines(text):
        yield from _utterance(folder, name, line)


def _utterance(folder: Folder, name: str, line: Line) -> Iterator[Speech]:
    cells = line.text.split("\t")
    match = _TIMES.fullmatch(cells[0].strip())
    if match is None or len(cells) < 4:
        raise line.place.wrong("[start,end], a speaker, a voice and words are expected.")
    words = chinese(cells[3], _MARK)
    if not words:
        folder.report.leave_out("no words")
        return
    start, end = (number(value, "times", line.place) for value in match.groups())
    stretch = span(start, end, line.place, folder.report)
    if stretch is None:
        return
    audio = folder.media((f"MDT2021S003/WAV/{name}.wav", f"WAV/{name}.wav"), line.place)
    if audio is not None:
        yield Speech(audio, *stretch, words, "zh")
