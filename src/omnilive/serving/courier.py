"""How an event gets into a mailbox: who waits for room, who pushes out older ones, what is counted.

a turn's events      never wait: the stages of a turn form a cycle (mailbox.py)
what we say          never waits: whoever paces the sound tells of it
frames for memory    only the newest are wanted; older ones that wait are no loss
frames, live         the newest win, the others are counted
frames to compress   of a live source every second one that waits goes when they are too many, so
                     that a clip keeps its span; counted
clips to compress    wait without their pictures; of a live source the newest win, counted
clips to caption     wait packed; of a live source the newest win, the others are counted
everything else      waits for room: sound, words and commands are never dropped
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from omnilive.events import (
    AnswerAudio,
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Clip,
    Dismissed,
    Event,
    Heard,
    OwnSpeech,
    Question,
    Retrieval,
    VideoFrame,
)
from omnilive.serving.packing import packed
from omnilive.serving.worker import Letter, Packed, Worker

TURN_EVENTS = (
    Question,
    Retrieval,
    Dismissed,
    AnswerStarted,
    AnswerText,
    AnswerEnded,
    AnswerAudio,
)
CAPTIONER = "captioner"
COMPRESSOR = "compressor"

# Frames and clips weigh; a live source's ticks and sound must find room while a stage is busy.
_CAPACITY = {"hearing": 256, "seeing": 12, CAPTIONER: 2048, COMPRESSOR: 32, "memory": 4096}
_LIVE_CAPACITY = {"hearing": 4096, "seeing": 1024}
_DEFAULT_CAPACITY = 256
_LIVE_FRAMES = 8  # of a live source, waiting to be looked at
_MEMORY_FRAMES = 2
_COMPRESSED_FRAMES = 32  # two full clips
_COMPRESSED_CLIPS = 256


def capacity(role: str, *, live: bool) -> int:
    """Return how many letters the mailbox of a stage may hold."""
    usual = _CAPACITY.get(role, _DEFAULT_CAPACITY)
    return _LIVE_CAPACITY.get(role, usual) if live else usual


class Courier:
    """Delivers letters and counts, by name, what was pushed out on the way."""

    def __init__(self, must_flow: Callable[[int], bool]) -> None:
        """`must_flow` says whether a stream must never be held up."""
        self.dropped: Counter[str] = Counter()
        self._must_flow = must_flow
        self._lock = threading.Lock()

    def deliver(self, worker: Worker, event: Event) -> int:
        """Put `event` before a stage; return how many letters will never be worked on."""
        box = worker.mailbox
        if isinstance(event, (*TURN_EVENTS, OwnSpeech, Heard)):
            return 0 if box.put_now(event) else 1
        if isinstance(event, VideoFrame):
            if worker.name == "memory":
                return self._newest(worker, event, "", is_frame, _MEMORY_FRAMES)
            if self._must_flow(event.stream):
                if worker.name == COMPRESSOR:
                    return self._thinned(worker, event)
                return self._newest(worker, event, "frames", is_frame, _LIVE_FRAMES)
        elif isinstance(event, Clip) and worker.name == CAPTIONER:
            letter = packed(event)
            if self._must_flow(event.stream):
                return self._newest(worker, letter, "captions", is_packed, box.capacity)
            return 0 if box.put(letter) else 1
        elif isinstance(event, Clip) and worker.name == COMPRESSOR:
            bare = replace(event, pictures=())
            if self._must_flow(event.stream):
                return self._newest(worker, bare, "clip tokens", is_clip, _COMPRESSED_CLIPS)
            return 0 if box.put(bare) else 1
        return 0 if box.put(event) else 1

    def count(self, name: str, number: int) -> None:
        """Count what was dropped by other ways."""
        if number:
            with self._lock:
                self.dropped[name] += number

    def _thinned(self, worker: Worker, frame: VideoFrame) -> int:
        def same(letter: Letter) -> bool:
            return isinstance(letter, VideoFrame) and letter.stream == frame.stream

        taken_out = worker.mailbox.put_thinned(frame, same, _COMPRESSED_FRAMES)
        if taken_out is None:
            return 1
        self.count("frames to compress", taken_out)
        return taken_out

    def _newest(
        self, worker: Worker, letter: Letter, name: str, same: Callable[[Letter], bool], limit: int
    ) -> int:
        pushed_out = worker.mailbox.put_newest(letter, same, limit)
        if pushed_out is None:
            return 1
        if name:
            self.count(name, pushed_out)
        return pushed_out


def is_frame(letter: Letter) -> bool:
    """Whether a letter is a frame."""
    return isinstance(letter, VideoFrame)


def is_clip(letter: Letter) -> bool:
    """Whether a letter is a clip that waits to be compressed."""
    return isinstance(letter, Clip)


def is_packed(letter: Letter) -> bool:
    """Whether a letter is a clip that waits for its caption."""
    return isinstance(letter, Packed)
