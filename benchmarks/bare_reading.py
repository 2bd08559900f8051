"""What reading a file costs without OmniLive: PyAV alone, in one loop.

    python benchmarks/bare_reading.py FILE

Demuxes everything, decodes the keyframes (all pictures with --all: what has to be done where
keyframes are rare), turns one picture a second into RGB of at most 1280 pixels, and all sound into
16 kHz mono. This is the floor under `reading` in `watch_speed.py`.
"""

from __future__ import annotations

import argparse
import json
import time

import av
from av.audio.resampler import AudioResampler

MAX_SIDE = 1280  # as media.frame_max_side
INTERVAL_S = 1.0
EARLY_S = 0.25  # a keyframe this much before a picture is due is taken for it


def read(path: str, *, every_picture: bool) -> tuple[int, int]:
    """Return how many pictures and samples were made."""
    pictures = samples = 0
    due_s = 0.0
    with av.open(path) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        decoder = video.codec_context
        decoder.thread_count = 1
        resampler = AudioResampler("s16", "mono", 16_000)
        scale = min(1.0, MAX_SIDE / max(video.width, video.height))
        size = round(video.width * scale), round(video.height * scale)
        for packet in container.demux(video, sound):
            if not packet.size:
                continue
            if packet.stream.type == "audio":
                for chunk in sound.codec_context.decode(packet):
                    for part in resampler.resample(chunk):
                        samples += part.to_ndarray().size
                continue
            # A keyframe that is not due (an encoder puts some at cuts) need not be decoded.
            early = packet.pts is None or float(packet.pts * packet.time_base) < due_s - EARLY_S
            if not every_picture and (early or not packet.is_keyframe):
                continue
            frames = decoder.decode(packet)
            if not every_picture:
                frames += decoder.decode(None)
                decoder.flush_buffers()
            for frame in frames:
                if frame.time is None or frame.time < due_s - EARLY_S:
                    continue
                due_s = (frame.time + EARLY_S) // INTERVAL_S * INTERVAL_S + INTERVAL_S
                frame.reformat(*size, format="rgb24", interpolation="AREA").to_ndarray()
                pictures += 1
    return pictures, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--all", action="store_true", help="decode every picture")
    options = parser.parse_args()
    started = time.process_time()
    pictures, samples = read(options.file, every_picture=options.all)
    spent = {
        "cpu_s": round(time.process_time() - started, 3),
        "pictures": pictures,
        "samples": samples,
    }
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
