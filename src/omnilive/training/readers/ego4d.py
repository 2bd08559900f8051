"""Ego4D (arXiv 2110.07058, ego4d-data.org/docs/data/annotations-schemas): 3,670 h from the head.

`[<version>/]annotations/` and `[<version>/]full_scale/<video>.mp4`, as the set's downloader writes
them (version "v1" or "v2").

- "narrations" of `narration.json`: {<video>: {"narration_pass_1": {"narrations": [{"timestamp_sec",
  "narration_text"}], "summaries": [{"start_sec", "end_sec", "summary_text"}]}, ...}}, possibly
  under a key "videos". A narration has one time; here it reaches to the next one of its pass, and
  for at most 8 s (our choice). "#C C" in it means who wears the camera, "#O" somebody else; one
  with "#unsure" is left out.
- "summaries" of the same file: a few sentences for some minutes.
- "nlq_train", "nlq_val" of `nlq_<split>.json`: {"videos": [{"video_uid", "clips": [{"annotations":
  [{"language_queries": [{"query", "video_start_sec", "video_end_sec"}]}]}]}]}: questions whose
  answer is a stretch of the video.

Not verified: whether every version of `narration.json` has the key "videos"; both are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from omnilive.training.readers.folder import Folder
from omnilive.training.readers.json_stream import Item, list_items, object_items
from omnilive.training.readers.records import GroundedQuestion, VideoCaption
from omnilive.training.readers.rows import Row, span

SPLITS = ("narrations", "summaries", "nlq_train", "nlq_val")

_PASSES = ("narration_pass_1", "narration_pass_2")
_LONGEST_S = 8.0
_WEARER = re.compile(r"^#C\s+C\b\s*")
_TAG = re.compile(r"#(?:C|O|summary)\b\s*", re.IGNORECASE)
_UNSURE = re.compile(r"#unsure\b", re.IGNORECASE)
_UID = re.compile(r"[0-9A-Za-z_-]{1,80}")


def read(folder: Folder, split: str) -> Iterator[VideoCaption | GroundedQuestion]:
    """Yield captions, or questions with the stretch that answers them."""
    if split.startswith("nlq_"):
        yield from _questions(folder, _annotation(folder, f"{split}.json"))
        return
    for uid, value, place in _videos(_annotation(folder, "narration.json")):
        if not isinstance(value, dict):
            continue  # the file's version and date
        row = Row(value, place)
        video = _Video(folder, uid, row)
        for name in _PASSES:
            if name in row:
                yield from (
                    video.narrations(row.row(name))
                    if split == "narrations"
                    else video.summaries(row.row(name))
                )


class _Video:
    """One video and what was said of it."""

    def __init__(self, folder: Folder, uid: str, row: Row) -> None:
        if _UID.fullmatch(uid) is None:
            raise row.place.wrong("this is no id of a video.")
        self._folder = folder
        self._names = [
            f"{version}{kind}/{uid}.mp4"
            for version in ("v2/", "v1/", "")
            for kind in ("full_scale", "video_540ss")
        ]

    def narrations(self, told: Row) -> Iterator[VideoCaption]:
        report = self._folder.report
        said = [
            (each.number("timestamp_sec"), each.text("narration_text"))
            for each in told.rows("narrations")
        ]
        said.sort(key=lambda each: each[0])
        ends = [at_s for at_s, _ in said[1:]] + [float("inf")]
        for (at_s, text), next_s in zip(said, ends, strict=True):
            text = _spoken(text)
            if not text:
                report.leave_out("narrations that are not sure")
                continue
            stretch = span(at_s, min(next_s, at_s + _LONGEST_S), told.place, report)
            path = None if stretch is None else self._folder.media(self._names, told.place)
            if stretch is not None and path is not None:
                yield VideoCaption(path, *stretch, text)

    def summaries(self, told: Row) -> Iterator[VideoCaption]:
        if "summaries" not in told:
            return
        for each in told.rows("summaries"):
            text = _spoken(each.text("summary_text"))
            if not text:
                self._folder.report.leave_out("summaries that are not sure")
                continue
            stretch = each.span("start_sec", "end_sec", self._folder.report)
            path = None if stretch is None else self._folder.media(self._names, told.place)
            if stretch is not None and path is not None:
                yield VideoCaption(path, *stretch, text)

    def path(self, row: Row) -> Path | None:
        return self._folder.media(self._names, row.place)


def _questions(folder: Folder, path: Path) -> Iterator[GroundedQuestion]:
    for _, value, place in list_items(path, "videos"):
        row = Row(value, place)
        video = _Video(folder, row.text("video_uid"), row)
        for clip in row.rows("clips"):
            for annotation in clip.rows("annotations"):
                for query in annotation.rows("language_queries"):
                    # A few queries of the published files are empty.
                    if "query" not in query or not query.text("query"):
                        folder.report.leave_out("empty queries")
                        continue
                    stretch = query.span("video_start_sec", "video_end_sec", folder.report)
                    file = None if stretch is None else video.path(row)
                    if stretch is not None and file is not None:
                        yield GroundedQuestion(file, query.text("query"), "", (stretch,))


def _videos(path: Path) -> Iterator[Item]:
    """Yield the videos of `narration.json`, with or without the key "videos" around them."""
    for item in object_items(path):
        if item.key == "videos":
            yield from object_items(path, "videos")
            return
        yield item


def _annotation(folder: Folder, name: str) -> Path:
    return folder.annotation(*(f"{version}annotations/{name}" for version in ("v2/", "v1/", "")))


def _spoken(text: str) -> str:
    """Return a narration in words; "" if its writer was not sure."""
    if _UNSURE.search(text):
        return ""
    return " ".join(_TAG.sub("", _WEARER.sub("the camera wearer ", text.strip())).split())
