"""ActivityNet Captions (arXiv 1705.00754): 20,000 videos of two minutes, a sentence an event.

`[captions/]<split>.json`, an object from video id ("v_..." ) to {"duration", "timestamps":
[[start, end], ...], "sentences": [...]}. The videos are YouTube's; they lie in `videos/` or beside
the file, named by the id with or without "v_". Times may reach beyond the end of the video and a
few have no length; the former are cut at the duration, the latter left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import object_items
from omnilive.training.readers.records import VideoCaption
from omnilive.training.readers.rows import Row, number, span

SPLITS = ("train", "val_1", "val_2")

_ENDINGS = ("mp4", "mkv", "webm")


def read(folder: Folder, split: str) -> Iterator[VideoCaption]:
    """Yield the events of the videos of a split."""
    for name, value, place in object_items(
        folder.annotation(f"captions/{split}.json", f"{split}.json")
    ):
        row = Row(value, place)
        duration_s = row.number("duration")
        times, sentences = row.items("timestamps"), row.texts("sentences")
        if len(times) != len(sentences):
            raise place.wrong(f"{len(times)} times and {len(sentences)} sentences do not match.")
        stems = dict.fromkeys((name, name.removeprefix("v_"), f"v_{name}"))
        names = [
            f"{where}{stem}.{ending}"
            for where in ("videos/", "")
            for stem in stems
            for ending in _ENDINGS
        ]
        for pair, sentence in zip(times, sentences, strict=True):
            if not isinstance(pair, list) or len(pair) != 2:
                raise place.wrong("a start and an end are expected.")
            start_s, end_s = (number(each, "timestamps", place) for each in pair)
            stretch = span(start_s, min(end_s, duration_s), place, folder.report)
            if stretch is None or not sentence.strip():
                continue
            video = folder.media(names, place)
            if video is not None:
                yield VideoCaption(video, *stretch, " ".join(sentence.split()))
