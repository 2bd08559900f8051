"""Renders a daily world into an mp4 or mkv file (H.264 and AAC)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.synthetic.daily.mixing import DailyMixer
from omnilive.media.synthetic.daily.painting import paint
from omnilive.media.synthetic.daily.world import DailyWorld

if TYPE_CHECKING:
    import av

_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
_SMALLEST = 48


def render_daily(
    world: DailyWorld,
    path: str | Path,
    side: int = 288,
    fps: int = 10,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write the world as a file, second by second, in constant memory.

    Args:
        world: what to render.
        path: the file, .mp4 or .mkv, overwritten if it exists.
        side: width and height in pixels, even, at least 48.
        fps: frames a second.
        progress: told the seconds that are done.

    Raises:
        UsageError: the name, the size or the frame rate cannot be used.
        MediaError: the file cannot be written.
    """
    import av

    kind = _FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise UsageError(f"A world is rendered as .mp4 or .mkv; rename {path}.")
    if fps < 1 or side < _SMALLEST or side % 2:
        raise UsageError(
            f"A world is rendered at 1 or more frames a second, in an even size from {_SMALLEST}."
        )
    try:
        with av.open(str(path), "w", format=kind) as container:
            _write(world, container, side, fps, progress)
    except OSError as problem:
        raise MediaError(
            f"Cannot write {path}: {problem.strerror or 'the system refused'}."
        ) from problem


def _write(
    world: DailyWorld,
    container: av.container.OutputContainer,
    side: int,
    fps: int,
    progress: Callable[[float], None] | None,
) -> None:
    import av

    video = container.add_stream("libx264", rate=fps)
    video.width = video.height = side
    video.pix_fmt = "yuv420p"
    video.gop_size = fps
    video.options = {"preset": "veryfast", "crf": "18"}
    video.codec_context.thread_count = 1  # the same bytes on every machine
    video.time_base = Fraction(1, fps)
    sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
    sound.bit_rate = 64_000
    num_frames = world.duration_ns * fps // NS_PER_S
    for second, samples in enumerate(DailyMixer(world).blocks()):
        if samples.size:
            container.mux(sound.encode(_chunk(samples, second)))
        for number in range(second * fps, min(num_frames, (second + 1) * fps)):
            at_ns = number * NS_PER_S // fps
            pixels = paint(world.scene_at(at_ns), at_ns, side)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = number
            picture.time_base = Fraction(1, fps)
            container.mux(video.encode(picture))
        if progress is not None:
            progress(min(second + 1.0, world.duration_ns / NS_PER_S))
    container.mux(video.encode(None))
    container.mux(sound.encode(None))


def _chunk(samples: Samples, second: int) -> av.AudioFrame:
    import av

    chunk = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[np.newaxis]), format="fltp", layout="mono"
    )
    chunk.sample_rate = SAMPLE_RATE
    chunk.pts = second * SAMPLE_RATE
    chunk.time_base = Fraction(1, SAMPLE_RATE)
    return chunk
