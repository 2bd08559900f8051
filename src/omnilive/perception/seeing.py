"""The stage that watches: clips, motion and the text in the picture of one stream.

It also divides the time of a stream that has no pictures: then clips come from ticks alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import (
    NS_PER_S,
    Clip,
    Event,
    SceneText,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Tick,
    VideoFrame,
    Watermark,
    moment_id,
)
from omnilive.perception.changes import Change, ChangeDetector, ChangesConfig
from omnilive.perception.clips import ClipBuilder, ClipsConfig, CutDetector
from omnilive.perception.descriptor import describe
from omnilive.perception.grid import to_grid
from omnilive.perception.reading import TextReader
from omnilive.perception.reading_schedule import ReadingConfig, ReadingSchedule
from omnilive.perception.screen_lines import ScreenLines
from omnilive.perception.siglip_cuts import FrameEmbedder, SiglipCuts

_OTHER_SCENE = 0.3  # share of the picture that changes in a cut from one scene to another


@dataclass(frozen=True, kw_only=True)
class SeeingConfig:
    """How a stream is watched.

    Attributes:
        changes: what counts as a change.
        clips: how time is divided.
        reading: when text is read.
    """

    changes: ChangesConfig = field(default_factory=ChangesConfig)
    clips: ClipsConfig = field(default_factory=ClipsConfig)
    reading: ReadingConfig = field(default_factory=ReadingConfig)


class Seeing:
    """Watches one stream; the reader may be shared, None reads nothing.

    Args:
        config: how it watches.
        reader: reads text in the picture.
        embedder: what tells frames apart where `config.clips.cuts` is "siglip".
    """

    def __init__(
        self,
        config: SeeingConfig,
        reader: TextReader | None,
        embedder: FrameEmbedder | None = None,
    ) -> None:
        if config.clips.cuts == "siglip" and embedder is None:
            raise ValueError("a Seeing that cuts by SigLIP needs its embedder")
        self._frames = (
            SiglipCuts(embedder, config.clips.siglip.cosine)
            if embedder is not None and config.clips.cuts == "siglip"
            else None
        )
        self._config = config
        self._backend = reader
        self._reader = reader if config.reading.enabled else None
        # What was learned of the picture outlives an epoch: it is the same camera.
        self._changes = ChangeDetector(config.changes)
        self._cuts = CutDetector(config.clips)
        self._schedule = ReadingSchedule(config.reading)
        self._lines = ScreenLines()
        self._started: StreamStarted | None = None
        self._clips = ClipBuilder(config.clips, 0, 0)
        self._last: tuple[VideoFrame, Change] | None = None
        self._last_text_ns = -1
        self._num_frames = 0
        self._error: BackendError | None = None

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types this stage wants."""
        return (StreamStarted, VideoFrame, StreamGap, Tick, StreamEnded)

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield the text that is new, and clips with a watermark behind each.

        Raises:
            BackendError: the reader failed; everything else was reported, and watching goes on
                without reading.
        """
        if isinstance(event, StreamStarted):
            self._started = event
            self._last = None
            self._clips = ClipBuilder(self._config.clips, event.stream, event.at_ns)
        elif self._started is None:
            return
        elif isinstance(event, VideoFrame):
            yield from self._see(event, cancel)
        elif isinstance(event, Tick):
            yield from self._hand_out(self._clips.close_due(event.at_ns))
        elif isinstance(event, StreamGap):
            yield from self._gap(event, self._started, cancel)
        elif isinstance(event, StreamEnded):
            yield from self._read_last(cancel)
            yield from self._hand_out(self._clips.close_at(event.at_ns))
            self._started = None
        error, self._error = self._error, None
        if error is not None:
            self._reader = None
            raise error

    def configure(self, config: SeeingConfig) -> None:
        """Turn reading on or off; nothing else of it can be changed while a stream runs.

        Raises:
            ValueError: it was built without the reader that it now needs.
        """
        if config.reading.enabled and self._backend is None:
            raise ValueError("a Seeing that reads needs a reader")
        # A reader that has failed is given another chance.
        self._reader = self._backend if config.reading.enabled else None

    def close(self) -> None:
        """Let go of the pictures; the shared reader is closed by who built it."""
        self._started = None
        self._last = None

    def _see(self, frame: VideoFrame, cancel: Cancel) -> Iterator[Event]:
        if frame.at_ns < self._clips.start_ns:
            return  # a timestamp that jumped back: that time is over
        if self._last is not None:
            since_ns = frame.at_ns - self._last[0].at_ns
            if since_ns < self._config.changes.min_interval_s * NS_PER_S:
                return
        grid = to_grid(frame.pixels)
        change = self._changes.push(frame.at_ns, grid)
        is_cut = (
            self._cuts.push(change.distance)
            if self._frames is None
            else self._frames.push(frame.pixels)
        )
        if is_cut and change.motion > _OTHER_SCENE:
            # Nothing moved: it is another picture altogether.
            change = replace(change, motion=0.0, is_moving=False)
        self._clips.note_motion(frame.at_ns, change)
        yield from self._hand_out(self._clips.close_due(frame.at_ns))
        if is_cut and self._clips.may_cut(frame.at_ns):
            yield from self._hand_out(self._clips.close_at(frame.at_ns))
        if is_cut:
            self._changes.settle()
        self._num_frames += 1
        if is_cut or self._num_frames == 1:
            self._clips.mark_changed()
        self._clips.add(frame, change, describe(grid), is_cut=is_cut)
        self._last = (frame, change)
        yield from self._read(frame, change, cancel, is_cut=is_cut)

    def _gap(self, gap: StreamGap, started: StreamStarted, cancel: Cancel) -> Iterator[Event]:
        has_other = {
            "video": started.has_audio,
            "audio": started.has_video,
            "both": False,
        }[gap.sense]
        if gap.sense == "audio" and has_other:
            return
        yield from self._read_last(cancel)
        yield from self._hand_out(self._clips.close_at(max(gap.start_ns, self._clips.start_ns)))
        if not has_other:
            # Nothing at all is perceived meanwhile: no clip stands for that time.
            self._clips.skip_to(gap.end_ns)
            yield self._watermark()

    def _hand_out(self, clips: list[Clip]) -> Iterator[Event]:
        for clip in clips:
            yield clip
            yield Watermark(stream=clip.stream, sense="seeing", at_ns=clip.end_ns)

    def _watermark(self) -> Watermark:
        assert self._started is not None
        return Watermark(stream=self._started.stream, sense="seeing", at_ns=self._clips.start_ns)

    # --- text in the picture ------------------------------------------------------------

    def _read_last(self, cancel: Cancel) -> Iterator[SceneText]:
        """Read the last frame if what it shows was never read."""
        if self._last is not None:
            frame, change = self._last
            self._last = None
            if frame.at_ns >= self._clips.start_ns:
                self._changes.settle()
                yield from self._read(frame, change, cancel, is_last=True)

    def _read(
        self,
        frame: VideoFrame,
        change: Change,
        cancel: Cancel,
        *,
        is_cut: bool = False,
        is_last: bool = False,
    ) -> Iterator[SceneText]:
        if self._reader is None or not self._schedule.is_due(
            frame.at_ns, change, self._changes, is_cut=is_cut, is_last=is_last
        ):
            return
        # Two scene texts of one stream cannot have the same instant.
        if frame.at_ns // 1_000_000 <= self._last_text_ns // 1_000_000:
            return
        differs = self._schedule.differs
        self._schedule.begin(frame.at_ns, self._changes.stable)
        try:
            lines = self._reader.read(np.ascontiguousarray(frame.pixels), cancel)
        except BackendError as error:
            self._error = error
            return
        new = self._lines.update(lines, differs, self._changes.masked)
        self._schedule.end(len(new))
        if new:
            self._last_text_ns = frame.at_ns
            self._clips.mark_changed()
            yield SceneText(
                id=moment_id("t", frame.stream, frame.at_ns),
                stream=frame.stream,
                at_ns=frame.at_ns,
                lines=new,
            )
