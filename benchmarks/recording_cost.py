"""What recording a live client costs: processor time and bytes, beside decoding what it sends.

    python benchmarks/recording_cost.py --work /tmp/omnilive-bench --json

The client's pictures are a rendered talk, and a hard case: a noisy picture that moves as a whole.
Times are processor time of this thread, in ms for each second of media: 10 is 1 % of a core.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from machine import describe_machine, show, talk_file
from PIL import Image

from omnilive.events import NS_PER_S, SAMPLE_RATE
from omnilive.media.encode import PictureEncoder, SoundEncoder
from omnilive.media.pixels import upright_pixels

SECONDS = 60
PIECE = SAMPLE_RATE // 50


def talk_pictures(path: Path, fps: int) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % (25 // fps) == 0:
                yield upright_pixels(frame, None, 1280)


def moving_noise(size: tuple[int, int], count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(1)
    small = (rng.random((size[1] // 8, size[0] // 8, 3)) * 255).astype(np.uint8)
    large = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    for number in range(count):
        yield np.roll(large, number * 9, axis=1)


def picture_row(
    name: str, pictures: Iterator[np.ndarray], fps: int, height: int
) -> dict[str, object]:
    encoder = PictureEncoder(height=height, fps=fps)
    spent: list[float] = []
    num_bytes = 0
    for number, pixels in enumerate(pictures):
        start = time.thread_time()
        packets = encoder.encode(number * NS_PER_S // fps, pixels)
        spent.append((time.thread_time() - start) * 1000)
        num_bytes += sum(len(packet.data) for packet in packets)
        if number + 1 == SECONDS * fps:
            break
    assert encoder.num_failed == 0
    return {
        "pictures": name,
        "fps": fps,
        "lines": height,
        "ms a picture (median)": round(statistics.median(spent), 2),
        "ms a second": round(sum(spent) / len(spent) * fps, 1),
        "kbit/s": round(num_bytes * 8 * fps / len(spent) / 1000),
        "MB an hour": round(num_bytes * fps / len(spent) * 3600 / 1e6),
    }


def sound_row(path: Path) -> dict[str, object]:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        parts = [
            out.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    sound = np.concatenate(parts)[: SECONDS * SAMPLE_RATE].astype(np.float32)
    encoder = SoundEncoder()
    num_bytes = 0
    start = time.thread_time()
    for first in range(0, sound.size, PIECE):
        packets = encoder.encode(first * NS_PER_S // SAMPLE_RATE, sound[first : first + PIECE])
        num_bytes += sum(len(packet.data) for packet in packets)
    spent = (time.thread_time() - start) * 1000
    seconds = sound.size / SAMPLE_RATE
    return {
        "sound": "speech, 16 kHz mono in pieces of 20 ms",
        "ms a second": round(spent / seconds, 1),
        "kbit/s": round(num_bytes * 8 / seconds / 1000),
        "MB an hour": round(num_bytes / seconds * 3600 / 1e6),
    }


def decode_row(path: Path, size: tuple[int, int]) -> dict[str, object]:
    """What a camera costs without a recording: all pictures decoded, one a second made RGB."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        start = time.thread_time()
        for number, frame in enumerate(container.decode(video=0)):
            if number % 25 == 0:
                upright_pixels(frame, None, 1280)
        spent = (time.thread_time() - start) * 1000
    return {
        "pictures": f"talk {size[0]}x{size[1]}, H.264 at 25 fps",
        "ms a second": round(spent * 25 / (number + 1), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "omnilive-bench")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    show("machine", [{"machine": describe_machine()}], as_json=arguments.json)
    size = (1280, 720)
    path = talk_file(arguments.work, seconds=SECONDS, fps=25, size=size, gop=25)
    rows = [
        picture_row(f"talk {size[0]}x{size[1]}", talk_pictures(path, fps), fps, height)
        for fps, height in ((5, 480), (1, 480), (5, 720))
    ]
    rows.append(picture_row("moving noise 1280x720", moving_noise(size, SECONDS * 5), 5, 480))
    rows.append(picture_row("moving noise 640x480", moving_noise((640, 480), SECONDS * 5), 5, 480))
    show("recording pictures (H.264)", rows, as_json=arguments.json)
    show("recording sound (AAC)", [sound_row(path)], as_json=arguments.json)
    show("decoding, without a recording", [decode_row(path, size)], as_json=arguments.json)


if __name__ == "__main__":
    main()
