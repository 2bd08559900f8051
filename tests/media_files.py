"""Media for tests, made with PyAV on the spot: real encoders, small pictures, exact times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 48_000


def picture(index: int, size: tuple[int, int], total: int = 256) -> np.ndarray:
    """Return frame `index`: left half brightness `index`, right half a gradient; (H, W, 3)."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : (width + 1) // 2] = 16 + (index * 200 // max(1, total)) % 220
    image[:, (width + 1) // 2 :, 0] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    return image


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0, level: float = 0.3) -> np.ndarray:
    """Return mono float samples of a tone."""
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def write_video(
    path: Path | str,
    *,
    seconds: float = 3.0,
    fps: int = 25,
    size: tuple[int, int] = (160, 96),
    gop: int = 25,
    codec: str = "libx264",
    audio: str | None = None,
    samples: np.ndarray | None = None,
    sample_rate: int = RATE,
    layout: str = "mono",
    rotation: int = 0,
    times: Sequence[float] | None = None,
    frame: Callable[[int], np.ndarray] | None = None,
    pix_fmt: str | None = None,
    b_frames: int = 0,
    keys: Sequence[int] = (),
    container_format: str | None = None,
    metadata: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    offset_s: float = 0.0,
) -> Path:
    """Write a video, with sound if `audio` names an encoder ("aac", "libopus", "pcm_alaw" ...).

    Args:
        path: where to; the suffix chooses the container unless `container_format` is given.
        seconds: length of the picture, and of the sound unless `samples` is given.
        fps: frames per second (ignored where `times` is given).
        size: width and height.
        gop: frames from keyframe to keyframe.
        codec: video encoder.
        audio: sound encoder; None for no sound track.
        samples: mono sound at `sample_rate`, written to every channel; a tone by default.
        sample_rate: of the sound track.
        layout: channel layout of the sound track.
        rotation: degrees of the display matrix.
        times: presentation times in seconds, for a variable frame rate.
        frame: gives the picture of a frame number, (H, W, 3) uint8.
        pix_fmt: pixel format of the encoder; yuv420p by default.
        b_frames: how many B-frames stand between others (libx264).
        keys: frame numbers forced to be keyframes besides `gop`.
        container_format: FFmpeg's name of the container.
        metadata: of the container, such as creation_time.
        container_options: of the muxer.
        offset_s: added to every timestamp.
    """
    draw = frame or (lambda index: picture(index, size))
    shown = list(times) if times is not None else [n / fps for n in range(round(seconds * fps))]
    options = {}
    if codec in ("libx264", "libx265"):
        options = {"preset": "ultrafast", "tune": "zerolatency"} if not b_frames else {}
        if codec == "libx264":
            options |= {"bf": str(b_frames), "sc_threshold": "0"}
            if b_frames:
                options |= {"preset": "veryfast"}
        else:
            options["x265-params"] = f"log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0"
    if codec.startswith("libvpx"):
        options = {"deadline": "realtime", "cpu-used": "8"}
    with av.open(
        str(path), "w", format=container_format, options=dict(container_options or {})
    ) as out:
        for key, value in (metadata or {}).items():
            out.metadata[key] = value
        video = out.add_stream(codec, rate=fps, options=options)
        video.width, video.height = size
        video.pix_fmt = pix_fmt or "yuv420p"
        video.time_base = Fraction(1, 90_000) if codec != "mpeg4" else Fraction(1, fps)
        video.codec_context.time_base = video.time_base
        video.codec_context.gop_size = gop
        if rotation:
            video.set_display_rotation(rotation)
        sound = _add_sound(out, audio, sample_rate, layout) if audio else None
        sound_frames = (
            _sound_frames(
                sound, samples if samples is not None else tone(seconds, sample_rate), offset_s
            )
            if sound is not None
            else []
        )
        for index, at in enumerate(shown):
            while sound_frames and sound_frames[0].pts / sample_rate <= at + offset_s:
                out.mux(sound.encode(sound_frames.pop(0)))
            image = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            image.pts = round((at + offset_s) / video.codec_context.time_base)
            image.time_base = video.codec_context.time_base
            if index in keys:
                image.pict_type = av.video.frame.PictureType.I
            out.mux(video.encode(image))
        for left in sound_frames:
            out.mux(sound.encode(left))
        out.mux(video.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return Path(path)


def write_sound(
    path: Path | str,
    samples: np.ndarray,
    *,
    codec: str = "pcm_s16le",
    sample_rate: int = RATE,
    layout: str = "mono",
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write mono `samples` to every channel of a file of sound."""
    with av.open(str(path), "w") as out:
        for key, value in (metadata or {}).items():
            out.metadata[key] = value
        sound = _add_sound(out, codec, sample_rate, layout)
        for frame in _sound_frames(sound, samples):
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return Path(path)


def write_picture(path: Path | str, image: np.ndarray) -> Path:
    """Write one (H, W, 3) picture; the suffix chooses the format."""
    from PIL import Image

    Image.fromarray(image).save(path)
    return Path(path)


def _add_sound(out: Any, codec: str, rate: int, layout: str) -> Any:
    return out.add_stream(codec, rate=rate, layout=layout)


def _sound_frames(sound: Any, samples: np.ndarray, offset_s: float = 0.0) -> list[av.AudioFrame]:
    """Cut samples into frames of the encoder's format and size."""
    context = sound.codec_context
    context.open(strict=False)
    channels = context.layout.nb_channels
    wanted = context.format.name
    length = context.frame_size or 1024
    frames = []
    for start in range(0, samples.size, length):
        part = samples[start : start + length]
        if wanted.rstrip("p") == "s16":
            part = np.clip(np.round(part * 32767), -32768, 32767).astype(np.int16)
        elif wanted.rstrip("p") == "s32":
            part = np.clip(np.round(part.astype(np.float64) * (2**31 - 1)), -(2**31), 2**31 - 1)
            part = part.astype(np.int32)
        else:
            part = part.astype(np.float32)
        rows = np.repeat(part[None, :], channels, axis=0)
        if not wanted.endswith("p"):
            rows = rows.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(rows), format=wanted, layout=context.layout.name
        )
        frame.sample_rate = context.sample_rate
        frame.pts = start + round(offset_s * context.sample_rate)
        frame.time_base = Fraction(1, context.sample_rate)
        frames.append(frame)
    return frames
