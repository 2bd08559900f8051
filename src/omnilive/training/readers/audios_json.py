"""Long recordings with their segments in one JSON file: GigaSpeech's layout, WenetSpeech's too.

    {"dataset": ..., "audios": [{"aid": ..., "path": "audio/...", "segments": [
        {"sid": ..., "begin_time": 1.2, "end_time": 3.4, "subsets": [...], <text>}, ...]}, ...]}

The file is gigabytes large, so it is read one recording at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import list_items
from omnilive.training.readers.records import Speech
from omnilive.training.readers.rows import Row


def read_segments(
    folder: Folder,
    file: str,
    subset: str,
    *,
    text_key: str,
    language: str,
    clean: Callable[[str], str],
) -> Iterator[Speech]:
    """Yield the segments of a subset.

    Args:
        folder: of the set.
        file: name of the JSON file in it.
        subset: as the segments name it.
        text_key: where a segment's transcript is.
        language: of all of them.
        clean: makes the transcript readable; "" leaves the segment out.
    """
    for _, value, place in list_items(folder.annotation(file), "audios"):
        recording = Row(value, place)
        path = recording.text("path")
        for segment in recording.rows("segments"):
            if subset not in segment.texts("subsets"):
                continue
            text = clean(segment.text(text_key))
            if not text:
                folder.report.leave_out("no words")
                continue
            span = segment.span("begin_time", "end_time", folder.report)
            if span is None:
                continue
            audio = folder.media(path, place)
            if audio is not None:
                yield Speech(audio, span.start_s, span.end_s, text, language)
