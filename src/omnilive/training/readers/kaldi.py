"""Kaldi data folders (kaldi-asr.org/doc/data_prep.html), and KeSpeech, which comes as five of them.

    wav.scp    <recording> <path>
    segments   <utterance> <recording> <start s> <end s>     may be absent: one utterance a file
    text       <utterance> <words>

All are sorted by their first column, so they are read side by side and never loaded (but for the
recordings' paths where there are segments). A "path" that is a command with a pipe is refused: no
command out of a data set is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from omnilive.training.readers.folder import Folder, Place
from omnilive.training.readers.records import Speech
from omnilive.training.readers.rows import number, span
from omnilive.training.readers.tables import lines
from omnilive.training.readers.wording import chinese, plain

KESPEECH_SPLITS = ("train_phase1", "train_phase2", "dev_phase1", "dev_phase2", "test")

_MARK = re.compile(r"<[A-Z_]+>")


class _Entry(NamedTuple):
    key: str
    rest: str
    place: Place


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of the data folder that `split` names, paths relative to the set."""
    yield from _read(folder, f"{split}/", "")


def read_kespeech(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield the utterances of KeSpeech: `Tasks/ASR/<split>/`, paths relative to the set."""
    yield from _read(folder, f"Tasks/ASR/{split}/", "zh")


def _read(folder: Folder, data: str, language: str) -> Iterator[Speech]:
    text = folder.annotation(f"{data}text")
    scp = folder.annotation(f"{data}wav.scp")
    segments = folder.find(f"{data}segments")
    paths = {entry.key: entry for entry in _entries(scp)} if segments is not None else {}
    for left, said in _side_by_side(folder, segments or scp, text):
        words = _clean(said.rest, language)
        if not words:
            folder.report.leave_out("no words")
            continue
        start_s, recording = 0.0, left
        end_s: float | None = None
        if segments is not None:
            cut = left.rest.split()
            if len(cut) != 3:
                raise left.place.wrong("a recording, a start and an end are expected.")
            start, end = (number(value, "times", left.place) for value in cut[1:])
            stretch = span(start, end, left.place, folder.report)
            if stretch is None:
                continue
            if cut[0] not in paths:
                folder.report.leave_out("recordings that wav.scp does not have")
                continue
            start_s, end_s = stretch
            recording = paths[cut[0]]
        audio = folder.media(_path(recording), recording.place)
        if audio is not None:
            yield Speech(audio, start_s, end_s, words, language)


def _path(recording: _Entry) -> str:
    path = recording.rest.strip()
    if path.endswith("|") or path.startswith("|"):
        raise recording.place.wrong(
            "this path is a command, and none is run; write the sounds to files and list those."
        )
    return path


def _side_by_side(folder: Folder, left: Path, right: Path) -> Iterator[tuple[_Entry, _Entry]]:
    """Yield the entries of two files that have the same key; both must be in the same order."""
    lefts, rights = _Sorted(left), _Sorted(right)
    one, other = lefts.next(), rights.next()
    while one is not None and other is not None:
        if one.key == other.key:
            yield one, other
            one, other = lefts.next(), rights.next()
            continue
        for each, entry in ((lefts, one), (rights, other)):
            if not each.in_order:
                raise entry.place.wrong(
                    f"{left.name} and {right.name} do not go together here and are not sorted; "
                    "sort both by their first column (LC_ALL=C sort)."
                )
        if one.key.encode() < other.key.encode():
            folder.report.leave_out("sound without text")
            one = lefts.next()
        else:
            folder.report.leave_out("text without sound")
            other = rights.next()


class _Sorted:
    """The entries of a file, and whether they came sorted so far."""

    def __init__(self, path: Path) -> None:
        self._entries = _entries(path)
        self._last = b""
        self.in_order = True

    def next(self) -> _Entry | None:
        entry = next(self._entries, None)
        if entry is not None:
            key = entry.key.encode()
            self.in_order = self.in_order and self._last <= key
            self._last = key
        return entry


def _entries(path: Path) -> Iterator[_Entry]:
    for line, place in lines(path):
        key, *rest = line.split(maxsplit=1)
        yield _Entry(key, rest[0] if rest else "", place)


def _clean(text: str, language: str) -> str:
    return chinese(text, _MARK) if language == "zh" else plain(text, _MARK)
