"""VCTK (datashare.ed.ac.uk/handle/10283/3443): 110 English speakers who read sentences.

`txt/<speaker>/<utterance>.txt`, and version 0.92's `wav48_silence_trimmed/<speaker>/
<utterance>_mic1.flac` or version 0.80's `wav48/<speaker>/<utterance>.wav`. The set has no splits.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.records import Speech
from omnilive.training.readers.tables import lines
from omnilive.training.readers.wording import plain

SPLITS = ("all",)


def read(folder: Folder, split: str) -> Iterator[Speech]:
    """Yield every utterance, speaker by speaker."""
    for speaker in sorted(folder.annotation("txt").iterdir()):
        for text in sorted(speaker.glob("*.txt")):
            said = list(lines(text))
            if not said:
                folder.report.leave_out("no words")
                continue
            name = f"{speaker.name}/{text.stem}"
            names = (f"wav48_silence_trimmed/{name}_mic1.flac", f"wav48/{name}.wav")
            audio = folder.media(names, said[0].place)
            if audio is not None:
                yield Speech(audio, 0.0, None, plain(" ".join(line.text for line in said)), "en")
