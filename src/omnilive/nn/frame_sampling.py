"""Which frames of a recorded video the release looks at, in its example and its benchmarks.

Every rule but the last takes the middle frame of equal parts, with the parts' ends rounded first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omnilive.errors import BackendError

FRAMES_PER_CLIP = 16


@dataclass(frozen=True, slots=True)
class SampledClips:
    """Frames of a video, in clips of 16.

    Attributes:
        frames: indices of frames, in order.
        starts, ends: seconds at which each clip begins and ends.
    """

    frames: tuple[int, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


def middle_frames(total: int, count: int) -> tuple[int, ...]:
    """Return the middle frames of `count` equal parts of a video of `total` frames.

    Raises:
        BackendError: the video has no frames, or none are wanted.
    """
    if total < 1 or count < 1:
        raise BackendError("A video without frames cannot be sampled.")
    edges = np.round((total - 1) / count * np.arange(count + 1)).astype(int)
    return tuple(int(each) for each in (edges[:-1] + edges[1:]) // 2)


def clips_of(total: int, fps: float, *, least: int = 5, most: int = 32) -> SampledClips:
    """Sample as the memory example does: a clip for every 16 s, `least` to `most` of them.

    MVBench uses 4 and 4.

    Raises:
        BackendError: the video has no frames, or its rate is no positive number.
    """
    if not fps > 0:
        raise BackendError("The frame rate of a video must be above 0.")
    count = min(max(round(total / fps / FRAMES_PER_CLIP), least), most)
    frames = middle_frames(total, count * FRAMES_PER_CLIP)
    return SampledClips(
        frames=frames,
        starts=tuple(each / fps for each in frames[::FRAMES_PER_CLIP]),
        ends=tuple((each + 1) / fps for each in frames[FRAMES_PER_CLIP - 1 :: FRAMES_PER_CLIP]),
    )


def spread(length: int, most: int = 64) -> tuple[int, ...]:
    """Return the positions the benchmarks keep of a list of `length` frames: first to last."""
    if length <= most:
        return tuple(range(length))
    return tuple(int(each) for each in np.linspace(0, length - 1, most))


def one_a_second(total: int, fps: float, most: int = 32) -> tuple[int, ...]:
    """Sample as the chat interface does: one frame a second, thinned to `most`.

    The thinning steps by length / (most + 1), so the end of a long video is never reached.

    Raises:
        BackendError: the rate is no positive number.
    """
    if not fps > 0:
        raise BackendError("The frame rate of a video must be above 0.")
    frames: Sequence[int] = range(0, total, max(1, round(fps)))
    if len(frames) > most:
        step = len(frames) / (most + 1)
        frames = [frames[int(step * each)] for each in range(most)]
    return tuple(frames)
