"""The paper's sets by name: who reads them, what their splits are called, where their terms are.

No set is fetched by this program. Each has a licence of its own, and several ask for a signature:
read the page named here before the data are used or a network trained on them is given away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from omnilive.errors import UsageError
from omnilive.training.readers import (
    activitynet,
    aishell,
    ascend,
    audioset,
    chime,
    common_voice,
    ego4d,
    fsd50k,
    funqa,
    gigaspeech,
    kaldi,
    librispeech,
    llava_video,
    magicdata,
    sharegpt4video,
    silence,
    trafficqa,
    vctk,
    videochat2,
    wenetspeech,
)
from omnilive.training.readers.folder import Folder, Report
from omnilive.training.readers.records import Record


class Reader(NamedTuple):
    """How one set is read.

    Attributes:
        read: yields the records of a split.
        splits: their names; empty where any folder of the set is one.
        terms: the page with the licence or the agreement.
    """

    read: Callable[[Folder, str], Iterator[Record]]
    splits: tuple[str, ...]
    terms: str


READERS: dict[str, Reader] = {
    "gigaspeech": Reader(gigaspeech.read, gigaspeech.SPLITS, "github.com/SpeechColab/GigaSpeech"),
    "wenetspeech": Reader(wenetspeech.read, wenetspeech.SPLITS, "wenet.org.cn/WenetSpeech"),
    "librispeech": Reader(librispeech.read, librispeech.SPLITS, "openslr.org/12"),
    "vctk": Reader(vctk.read, vctk.SPLITS, "datashare.ed.ac.uk/handle/10283/3443"),
    "aishell_1": Reader(aishell.read_aishell_1, aishell.AISHELL_1_SPLITS, "openslr.org/33"),
    "aishell_4": Reader(aishell.read_aishell_4, aishell.AISHELL_4_SPLITS, "openslr.org/111"),
    "magicdata_ramc": Reader(magicdata.read, magicdata.SPLITS, "openslr.org/123"),
    "ascend": Reader(ascend.read, ascend.SPLITS, "arxiv.org/abs/2112.06223"),
    "kespeech": Reader(kaldi.read_kespeech, kaldi.KESPEECH_SPLITS, "github.com/KeSpeech/KeSpeech"),
    "chime7_dasr": Reader(
        chime.read, chime.SPLITS, "chimechallenge.org/challenges/chime7/task1/data"
    ),
    "common_voice": Reader(common_voice.read, common_voice.SPLITS, "commonvoice.mozilla.org"),
    "kaldi": Reader(kaldi.read, (), "kaldi-asr.org/doc/data_prep.html (the format's page)"),
    "fsd50k": Reader(fsd50k.read, fsd50k.SPLITS, "zenodo.org/records/4060432"),
    "audioset": Reader(audioset.read, audioset.SPLITS, "research.google.com/audioset"),
    "silence": Reader(silence.read, silence.SPLITS, "your own recordings"),
    "sharegpt4video": Reader(
        sharegpt4video.read, sharegpt4video.SPLITS, "sharegpt4video.github.io"
    ),
    "ego4d": Reader(ego4d.read, ego4d.SPLITS, "ego4d-data.org"),
    "activitynet_captions": Reader(activitynet.read, activitynet.SPLITS, "activity-net.org"),
    "funqa": Reader(funqa.read, funqa.SPLITS, "github.com/Jingkang50/FunQA"),
    "trafficqa": Reader(trafficqa.read, trafficqa.SPLITS, "sutdcv.github.io/SUTD-TrafficQA"),
    "videochat2_it": Reader(
        videochat2.read, videochat2.SPLITS, "github.com/OpenGVLab/Ask-Anything"
    ),
    "llava_video": Reader(llava_video.read, llava_video.SPLITS, "llava-vl.github.io"),
}

_SPLIT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class Dataset:
    """One split of one set on this machine. Iterating reads it once, lazily, from the beginning.

    Args:
        name: of the set, one of `READERS`.
        folder: where it lies.
        split: of the set.
        follow_links: whether symbolic links may lead out of the folder.
    """

    def __init__(self, name: str, folder: Path, split: str, *, follow_links: bool = False) -> None:
        """Check the names.

        Raises:
            UsageError: there is no such set, split or folder.
        """
        reader = READERS.get(name)
        if reader is None:
            raise UsageError(f"There is no data set {name!r}; there are {', '.join(READERS)}.")
        if reader.splits and split not in reader.splits:
            known = ", ".join(reader.splits)
            raise UsageError(f"{name} has no split {split!r}; it has {known}.")
        if _SPLIT.fullmatch(split) is None:
            raise UsageError(f"{split!r} is no name of a split; give a folder of the data set.")
        self.name = name
        self.split = split
        self._read = reader.read
        self._root = folder
        self._follow_links = follow_links
        self._folder = Folder(folder, follow_links=follow_links)

    @property
    def folder(self) -> Path:
        """The set's folder, resolved."""
        return self._folder.root

    @property
    def report(self) -> Report:
        """What the latest reading gave and left out, so far."""
        return self._folder.report

    def __iter__(self) -> Iterator[Record]:
        """Yield the records.

        Raises:
            MediaError: an annotation file is missing or damaged (which and where), a name in it
                leads out of the folder, or none of its media files are there.
        """
        folder = Folder(self._root, follow_links=self._follow_links)
        self._folder = folder
        for record in self._read(folder, self.split):
            folder.report.given += 1
            yield record
        folder.check_given(f"{self.name} ({self.split})")


def open_dataset(name: str, folder: Path, split: str, *, follow_links: bool = False) -> Dataset:
    """Return a split of a set, to be iterated over; see `Dataset`.

    Raises:
        UsageError: there is no such set, split or folder.
    """
    return Dataset(name, folder, split, follow_links=follow_links)
