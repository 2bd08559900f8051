"""Consecutive frames become clips of 3 to 16 s that tile the stream's time.

A clip ends where the picture changes: where Otsu's threshold over the recent distances says
so, and only if that threshold really separates two kinds of frames (the variance between the
kinds is most of the variance there is). On a still, noisy picture it does not, and there is
no cut. Without pictures, time alone closes clips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from omnilive.events import NS_PER_S, Clip, Descriptor, VideoFrame, moment_id
from omnilive.perception.changes import Change
from omnilive.perception.descriptor import MODEL
from omnilive.perception.siglip_cuts import SiglipConfig

_MAX_PICTURES = 3


@dataclass(frozen=True, kw_only=True)
class ClipsConfig:
    """How the stream's time is divided.

    Attributes:
        min_clip_s: no clip is cut earlier (a gap or the end may).
        max_clip_s: every clip ends after this.
        num_distances: how many recent frames the threshold rests on.
        min_separation: between/total variance below which there is no cut, 0..1.
        min_cut_distance: no cut at a smaller distance, 0..1.
        min_picture_distance: pictures of a clip differ by this much (1 - cosine).
        cuts: "adaptive": by the threshold above; "siglip": where that network sees another picture.
        siglip: which network ("siglip").
    """

    min_clip_s: float = 3.0
    max_clip_s: float = 16.0
    num_distances: int = 64
    min_separation: float = 0.8
    min_cut_distance: float = 0.02
    min_picture_distance: float = 0.05
    cuts: Literal["adaptive", "siglip"] = "adaptive"
    siglip: SiglipConfig = field(default_factory=SiglipConfig)


def otsu(values: Sequence[float]) -> tuple[float, float]:
    """Return the threshold that best splits `values` in two, and between/total variance.

    The threshold is the smallest value of the upper kind. Source: Otsu 1979, without a
    histogram: every gap between sorted values is tried.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    total = float(ordered.var())
    if len(ordered) < 2 or total < 1e-12:
        return float("inf"), 0.0
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    low_mean = sums[:-1] / counts
    high_mean = (sums[-1] - sums[:-1]) / (len(ordered) - counts)
    share = counts / len(ordered)
    between = share * (1.0 - share) * (high_mean - low_mean) ** 2
    best = int(np.argmax(between))
    return float(ordered[best + 1]), float(between[best]) / total


class CutDetector:
    """Decides whether the picture changed enough to end a clip."""

    def __init__(self, config: ClipsConfig) -> None:
        self._config = config
        self._distances: deque[float] = deque(maxlen=config.num_distances)

    def push(self, distance: float) -> bool:
        """Take the distance of the next frame; True if it begins something else."""
        self._distances.append(distance)
        if distance < self._config.min_cut_distance:
            return False
        threshold, separation = otsu(self._distances)
        return distance >= threshold and separation >= self._config.min_separation


class ClipBuilder:
    """The open clip of one stream."""

    def __init__(self, config: ClipsConfig, stream: int, start_ns: int) -> None:
        self._config = config
        self._stream = stream
        self._min_ns = round(config.min_clip_s * NS_PER_S)
        self._max_ns = round(config.max_clip_s * NS_PER_S)
        self._last_ns = start_ns  # of the last frame, of this clip or an earlier one
        self._open(start_ns)

    @property
    def start_ns(self) -> int:
        """Start of the open clip: everything before it has been handed out."""
        return self._start_ns

    def may_cut(self, at_ns: int) -> bool:
        """Whether the open clip is old enough to end at `at_ns`."""
        return at_ns - self._start_ns >= self._min_ns

    def close_due(self, at_ns: int) -> list[Clip]:
        """Return the clips that have reached their full length by `at_ns`."""
        clips = []
        while at_ns - self._start_ns >= self._max_ns:
            clips.append(self._close(self._start_ns + self._max_ns))
        return clips

    def close_at(self, at_ns: int) -> list[Clip]:
        """End everything at `at_ns`; nothing comes of an empty clip."""
        clips = self.close_due(at_ns)
        if at_ns > self._start_ns:
            clips.append(self._close(at_ns))
        elif self._pictures:
            # A still picture has no length; what was seen in it is kept all the same.
            clips.append(self._close(self._start_ns + 1_000_000))
        return clips

    def skip_to(self, at_ns: int) -> None:
        """Start anew at `at_ns`: nothing can be perceived before it."""
        self._open(max(at_ns, self._start_ns))

    def note_motion(self, at_ns: int, change: Change) -> None:
        """Note what moved up to the frame at `at_ns`, before a clip may be closed there.

        What moved between two frames moved in the time between them, and that time may lie in
        an earlier clip than the later frame.
        """
        began_ns = max(self._last_ns, self._start_ns)
        if change.is_moving and at_ns > began_ns:
            self._moving.append((began_ns, at_ns))
        self._last_ns = at_ns

    def add(
        self, frame: VideoFrame, change: Change, descriptor: Descriptor, *, is_cut: bool
    ) -> None:
        """Take a frame into the open clip; `is_cut` says that it begins something else."""
        self._num_frames += 1
        self._motion += change.motion
        self._keep(frame, descriptor, is_settled=not (change.is_moving or is_cut))

    def mark_changed(self) -> None:
        """Note that something new was seen in the open clip."""
        self._changed = True

    def _open(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._num_frames = 0
        self._motion = 0.0
        self._moving: list[tuple[int, int]] = []
        self._changed = False
        self._settled = False
        self._pictures: list[tuple[VideoFrame, Descriptor]] = []

    def _close(self, end_ns: int) -> Clip:
        pictures = tuple(frame for frame, _ in self._pictures)
        clip = Clip(
            id=moment_id("c", self._stream, self._start_ns),
            stream=self._stream,
            start_ns=self._start_ns,
            end_ns=end_ns,
            num_frames=self._num_frames,
            changed=self._changed or bool(self._moving),
            motion=self._motion / max(self._num_frames, 1),
            moving=_joined(self._moving, end_ns),
            descriptor=self._pictures[0][1] if self._pictures else None,
            descriptor_model=MODEL if self._pictures else "",
            pictures=pictures,
        )
        beyond = [(max(start, end_ns), stop) for start, stop in self._moving if stop > end_ns]
        self._open(end_ns)
        self._moving = beyond
        return clip

    def _keep(self, frame: VideoFrame, descriptor: Descriptor, *, is_settled: bool) -> None:
        """Keep at most 3 pictures: one that stands still, and those least like the others."""
        if not self._pictures or (is_settled and not self._settled and len(self._pictures) == 1):
            # The first frame after a cut may be half of each; the first that stands still is not.
            self._pictures = [(frame, descriptor)]
            self._settled = is_settled
            return
        kept = [vector for _, vector in self._pictures]
        if _nearest(descriptor, kept) < self._config.min_picture_distance:
            return
        if len(self._pictures) < _MAX_PICTURES:
            self._pictures.append((frame, descriptor))
            return
        # Leave out whichever of the later ones (the new one too) is most like another.
        several = [*self._pictures, (frame, descriptor)]
        vectors = [vector for _, vector in several]
        likeness = [
            _nearest(vectors[i], [v for j, v in enumerate(vectors) if j != i])
            for i in range(1, len(vectors))
        ]
        del several[1 + likeness.index(min(likeness))]
        self._pictures = several


def _nearest(descriptor: Descriptor, others: Sequence[Descriptor]) -> float:
    return min(1.0 - float(descriptor @ other) for other in others)


def _joined(spans: Sequence[tuple[int, int]], end_ns: int) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start_ns, stop_ns in ((start_ns, min(stop_ns, end_ns)) for start_ns, stop_ns in spans):
        if joined and start_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], stop_ns)
        elif start_ns < stop_ns:
            joined.append((start_ns, stop_ns))
    return tuple(joined)
