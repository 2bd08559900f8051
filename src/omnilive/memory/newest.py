"""The newest frames of each stream, kept raw: what is there now never depends on compression."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from omnilive.events import PartialUtterance, Question, VideoFrame
from omnilive.media.pictures import to_jpeg

_MAX_SIDE = 960
_QUALITY = 80
_KEPT = 4  # frames a stream: a question may be bounded a little before the newest


class _Kept(NamedTuple):
    order: int  # of arrival: stream times of different streams do not compare
    frame: VideoFrame


class NewestFrames:
    """A short ring of raw frames a stream; one of them becomes a JPEG when a question comes."""

    def __init__(self) -> None:
        self._kept: dict[int, list[_Kept]] = {}
        self._order = itertools.count()
        self._encoded: tuple[VideoFrame, bytes] | None = None  # the one that was asked for last

    def take(self, frame: VideoFrame) -> None:
        """Keep a frame and let the oldest of its stream go."""
        ring = self._kept.setdefault(frame.stream, [])
        ring.append(_Kept(next(self._order), frame))
        del ring[:-_KEPT]

    def drop(self, stream: int) -> None:
        """Let go of a stream that has ended."""
        self._kept.pop(stream, None)
        self._encoded = None

    def clear(self) -> None:
        """Let go of everything: something that may be in the picture was forgotten."""
        self._kept.clear()
        self._encoded = None

    def jpeg(self, question: Question, streams: frozenset[int]) -> bytes:
        """Return the newest frame of `streams` that the asker can have seen; b"" if none.

        Somebody who speaks into a stream with pictures means what that stream shows.
        """
        if question.stream in streams and question.stream in self._kept:
            streams = frozenset((question.stream,))
        bounds = dict(question.up_to)
        seen = [
            kept
            for stream in streams
            for kept in self._kept.get(stream, [])
            if kept.frame.at_ns < bounds.get(stream, kept.frame.at_ns + 1)
        ]
        if not seen:
            return b""
        newest = max(seen, key=lambda kept: kept.order)
        return self._jpeg(newest.frame)

    def foresee(self, heard: PartialUtterance) -> None:
        """Make the JPEG ready that whoever begins to speak will ask with, if it is a question.

        It takes 10 ms, which would otherwise pass between the question and its answer.
        """
        ring = self._kept.get(heard.stream, []) if heard.voice == "user" else []
        seen = [kept.frame for kept in ring if kept.frame.at_ns < heard.start_ns]
        if seen:
            self._jpeg(seen[-1])

    def _jpeg(self, frame: VideoFrame) -> bytes:
        if self._encoded is None or self._encoded[0] is not frame:
            self._encoded = (frame, to_jpeg(frame.pixels, max_side=_MAX_SIDE, quality=_QUALITY))
        return self._encoded[1]
