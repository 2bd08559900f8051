"""The stage that compresses: frames and their clip become memory tokens (paper, section 3.2).

Every frame goes through the tower once, when it comes; the clip pass runs once, when the clip is
over. One stage serves all streams. It runs behind sight and holds nothing up: a clip that it has
not compressed yet is remembered all the same (decision 0011).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    Clip,
    ClipTokens,
    Event,
    Notice,
    StreamEnded,
    StreamStarted,
    VideoFrame,
)
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.memory.learned import LearnedMemory

if TYPE_CHECKING:
    from omnilive.nn.pool_projector import FrameFeatures

_CLIPS_AHEAD = 4  # frames of so many full clips may wait for the end of theirs


@dataclass(slots=True)
class _Frame:
    at_ns: int
    features: FrameFeatures


@dataclass(slots=True)
class _Open:
    """The frames of one stream whose clip is not over."""

    started: StreamStarted
    frames: list[_Frame] = field(default_factory=list)
    last_ns: int = -1
    due_ns: int = 0
    has_thinned: bool = False


class Compressor:
    """Makes H and H-hat of every clip that has pictures."""

    accepts: tuple[type[Event], ...] = (StreamStarted, VideoFrame, Clip, StreamEnded)

    def __init__(self, config: CompressorConfig, learned: LearnedMemory) -> None:
        self._config = config
        self._learned = learned
        self._interval_ns = round(config.frame_interval_s * NS_PER_S)
        self._origin_ns = round(config.origin_s * NS_PER_S)
        self._streams: dict[int, _Open] = {}

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield the tokens of a clip when it is over.

        Raises:
            BackendError: a frame or a clip cannot be compressed; it is left out.
        """
        if isinstance(event, StreamStarted):
            self._streams[event.stream] = _Open(event)
        elif isinstance(event, VideoFrame):
            is_open = self._streams.get(event.stream)
            if is_open is not None:
                yield from self._see(is_open, event)
        elif isinstance(event, Clip):
            is_open = self._streams.get(event.stream)
            if is_open is not None:
                yield from self._compress(is_open, event, cancel)
        elif isinstance(event, StreamEnded):
            self._streams.pop(event.stream, None)

    def close(self) -> None:
        """Let go of the frames; the network belongs to who loaded it."""
        self._streams.clear()

    def _see(self, is_open: _Open, frame: VideoFrame) -> Iterator[Notice]:
        # Half an interval early is on time: what gives one frame a second gives them unevenly.
        is_early = frame.at_ns < is_open.due_ns - self._interval_ns // 2
        if is_early or frame.at_ns <= is_open.last_ns:
            return
        is_open.last_ns = frame.at_ns
        is_open.due_ns = max(is_open.due_ns, frame.at_ns) + self._interval_ns
        is_open.frames.append(_Frame(frame.at_ns, self._learned.see(frame.pixels)))
        if len(is_open.frames) > _CLIPS_AHEAD * self._config.frames_per_clip:
            # Sight is that far behind: every clip keeps its span, with half its frames.
            is_open.frames = is_open.frames[::2]
            if not is_open.has_thinned:
                is_open.has_thinned = True
                what = "Clips end late, so their memory tokens come from fewer frames."
                yield Notice(stage="compressor", text=what)

    def _compress(self, is_open: _Open, clip: Clip, cancel: Cancel) -> Iterator[ClipTokens]:
        inside = [each for each in is_open.frames if clip.start_ns <= each.at_ns < clip.end_ns]
        is_open.frames = [each for each in is_open.frames if each.at_ns >= clip.end_ns]
        if not inside:
            return
        cancel.check()
        chosen = _spread(inside, self._config.frames_per_clip)
        origin, origin_ns = self._origin(is_open.started, clip.start_ns)
        made = self._learned.compress(
            [each.features for each in chosen], clip.start_ns, clip.end_ns, (origin, origin_ns)
        )
        yield ClipTokens(
            stream=clip.stream,
            clip=clip.id,
            start_ns=clip.start_ns,
            end_ns=clip.end_ns,
            num_frames=len(chosen),
            short_term=made.short_term,
            global_memory=made.global_memory,
            model=self._learned.model,
            origin=origin,
            origin_ns=origin_ns,
        )

    def _origin(self, started: StreamStarted, at_ns: int) -> tuple[str, int]:
        """Return what the seconds of a clip that starts at `at_ns` count from."""
        number = max(0, at_ns - started.at_ns) // self._origin_ns
        name = "stretch" if number else "epoch"
        return name, min(at_ns, started.at_ns + number * self._origin_ns)


def _spread(frames: list[_Frame], most: int) -> list[_Frame]:
    """Return at most so many frames, from the first to the last, evenly spread."""
    if len(frames) <= most:
        return frames
    if most == 1:
        return frames[:1]
    return [frames[round(k * (len(frames) - 1) / (most - 1))] for k in range(most)]
