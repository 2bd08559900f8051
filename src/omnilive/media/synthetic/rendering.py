"""Renders a synthetic world into an mp4 file (H.264 and AAC)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.mixing import Mixer
from omnilive.media.synthetic.painting import Painter
from omnilive.media.synthetic.world import World

if TYPE_CHECKING:
    import av

_SOUND_HZ = 48_000


def render(
    world: World,
    path: str | Path,
    fps: int = 15,
    size: tuple[int, int] = (854, 480),
    gop: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write the world as an mp4 file, second by second, in constant memory.

    Args:
        world: what to render.
        path: the file, overwritten if it exists.
        fps: frames a second.
        size: width and height in pixels, both even.
        gop: frames from one keyframe to the next; one second if None.
        progress: told the seconds that are done.

    Raises:
        UsageError: the size or the frame rate cannot be encoded.
        MediaError: the file cannot be written.
    """
    import av

    if fps < 1 or min(size) < 64 or size[0] % 2 or size[1] % 2:
        raise UsageError("A world is rendered at 1 or more frames a second, in even sizes over 63.")

    try:
        with av.open(str(path), "w", format="mp4") as container:
            _write(world, container, fps, size, gop or fps, progress or _ignore)
    except OSError as problem:
        raise MediaError(
            f"Cannot write {path}: {problem.strerror or 'the system refused'}."
        ) from problem


def _write(
    world: World,
    container: av.container.OutputContainer,
    fps: int,
    size: tuple[int, int],
    gop: int,
    progress: Callable[[float], None],
) -> None:
    import av

    video = container.add_stream("libx264", rate=fps)
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.gop_size = gop
    video.options = {"preset": "veryfast", "crf": "24", "sc_threshold": "40"}
    video.codec_context.thread_count = 1  # the same bytes on every machine
    video.time_base = Fraction(1, fps)
    sound = None
    if world.has_sound:
        sound = container.add_stream("aac", rate=_SOUND_HZ, layout="mono")
        sound.bit_rate = 96_000
    painter, mixer = Painter(world, size), Mixer(world, _SOUND_HZ)
    num_frames = world.duration_ns * fps // NS_PER_S
    seconds = -(-world.duration_ns // NS_PER_S)
    picture: av.VideoFrame | None = None
    before_ns = 0
    for second in range(seconds):
        if sound is not None:
            samples = mixer.block(second)
            if samples.size:
                chunk = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[np.newaxis]), format="fltp", layout="mono"
                )
                chunk.sample_rate = _SOUND_HZ
                chunk.pts = second * _SOUND_HZ
                chunk.time_base = Fraction(1, _SOUND_HZ)
                container.mux(sound.encode(chunk))
        for number in range(second * fps, min(num_frames, (second + 1) * fps)):
            at_ns = number * NS_PER_S // fps
            if picture is None or not painter.is_like(at_ns, before_ns):
                image = av.VideoFrame.from_ndarray(painter.frame(at_ns), format="rgb24")
                picture = image.reformat(format="yuv420p")
            picture.pts = number
            picture.time_base = Fraction(1, fps)
            container.mux(video.encode(picture))
            before_ns = at_ns
        progress(min(float(second + 1), world.duration_ns / NS_PER_S))
    container.mux(video.encode(None))
    if sound is not None:
        container.mux(sound.encode(None))


def _ignore(done_s: float) -> None:
    pass
