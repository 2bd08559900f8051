"""A daily world as the events of a source: frames and sound without encoding."""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    StreamEnded,
    StreamStarted,
    Tick,
    VideoFrame,
    Voice,
)
from omnilive.media.synthetic.daily.mixing import DailyMixer
from omnilive.media.synthetic.daily.painting import paint
from omnilive.media.synthetic.daily.world import DailyWorld
from omnilive.media.synthetic.streaming import WALL_NS

_CHUNKS_A_SECOND = 5


def daily_events(
    world: DailyWorld,
    stream: int = 1,
    at_ns: int = 0,
    wall_ns: int = WALL_NS,
    frame_interval_ns: int = NS_PER_S,
    side: int = 288,
    name: str = "daily",
    voice: Voice = "ambient",
) -> Iterator[StreamStarted | VideoFrame | AudioChunk | Tick | StreamEnded]:
    """Yield the world as a source would: its start, frames, sound, ticks and its end.

    Args:
        world: what happens.
        stream: number of the stream.
        at_ns: stream time at which the world begins.
        wall_ns: UTC of that instant.
        frame_interval_ns: from one frame to the next.
        side: width and height in pixels.
        name: of the stream.
        voice: whose voice the stream carries.
    """
    yield StreamStarted(
        stream=stream,
        name=name,
        epoch=1,
        at_ns=at_ns,
        wall_ns=wall_ns,
        zone="UTC",
        origin="given",
        voice=voice,
        has_video=True,
        has_audio=True,
        live=False,
        source=f"daily:{world.split}:{world.seed}",
    )
    frame, step = 0, SAMPLE_RATE // _CHUNKS_A_SECOND
    for second, samples in enumerate(DailyMixer(world).blocks()):
        end_ns = min(world.duration_ns, (second + 1) * NS_PER_S)
        for first in range(0, max(samples.size, 1), step):
            chunk_ns = second * NS_PER_S + first * NS_PER_S // SAMPLE_RATE
            is_last = first + step >= samples.size
            until_ns = end_ns if is_last else chunk_ns + NS_PER_S // _CHUNKS_A_SECOND
            part = samples[first : first + step]
            # In order of time: the frames before a chunk's end follow its beginning.
            if part.size:
                yield AudioChunk(stream=stream, at_ns=at_ns + chunk_ns, samples=part)
            while (frame_ns := frame * frame_interval_ns) < until_ns:
                pixels = paint(world.scene_at(frame_ns), frame_ns, side)
                pixels.flags.writeable = False
                yield VideoFrame(stream=stream, at_ns=at_ns + frame_ns, pixels=pixels)
                frame += 1
        yield Tick(stream=stream, at_ns=at_ns + end_ns, wall_ns=wall_ns + end_ns)
    yield StreamEnded(stream=stream, at_ns=at_ns + world.duration_ns)
