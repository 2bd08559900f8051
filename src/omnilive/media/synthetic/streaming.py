"""A synthetic world as the events of a source: frames and sound without encoding."""

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
from omnilive.media.synthetic.mixing import Mixer
from omnilive.media.synthetic.painting import Painter
from omnilive.media.synthetic.world import World

WALL_NS = 1_772_442_000 * NS_PER_S  # 2026-03-02 09:00 UTC, a Monday
_CHUNKS_A_SECOND = 5


def events(
    world: World,
    stream: int = 1,
    at_ns: int = 0,
    wall_ns: int = WALL_NS,
    frame_interval_ns: int = NS_PER_S,
    size: tuple[int, int] = (854, 480),
    name: str = "synthetic",
    voice: Voice = "ambient",
) -> Iterator[StreamStarted | VideoFrame | AudioChunk | Tick | StreamEnded]:
    """Yield the world as a source would: its start, frames, sound, ticks and its end.

    Args:
        world: what happens.
        stream: number of the stream.
        at_ns: stream time at which the world begins.
        wall_ns: UTC of that instant.
        frame_interval_ns: from one frame to the next.
        size: width and height in pixels.
        name: of the stream.
        voice: whose voice the stream carries.
    """
    yield started(world, stream, at_ns, wall_ns, name, voice)
    painter, mixer = Painter(world, size), Mixer(world, SAMPLE_RATE)
    seconds = -(-world.duration_ns // NS_PER_S)
    frame = 0
    for second in range(seconds):
        end_ns = min(world.duration_ns, (second + 1) * NS_PER_S)
        while (frame_ns := frame * frame_interval_ns) < end_ns:
            yield VideoFrame(stream=stream, at_ns=at_ns + frame_ns, pixels=painter.frame(frame_ns))
            frame += 1
        if world.has_sound:
            samples = mixer.block(second)
            step = SAMPLE_RATE // _CHUNKS_A_SECOND
            for first in range(0, samples.size, step):
                chunk_ns = second * NS_PER_S + first * NS_PER_S // SAMPLE_RATE
                yield AudioChunk(
                    stream=stream, at_ns=at_ns + chunk_ns, samples=samples[first : first + step]
                )
        yield Tick(stream=stream, at_ns=at_ns + end_ns, wall_ns=wall_ns + end_ns)
    yield StreamEnded(stream=stream, at_ns=at_ns + world.duration_ns)


def started(
    world: World, stream: int, at_ns: int, wall_ns: int, name: str, voice: Voice
) -> StreamStarted:
    """Return the event that opens the world's stream."""
    return StreamStarted(
        stream=stream,
        name=name,
        epoch=1,
        at_ns=at_ns,
        wall_ns=wall_ns,
        zone="UTC",
        origin="given",
        voice=voice,
        has_video=True,
        has_audio=world.has_sound,
        live=False,
        source=f"synthetic:{world.seed}",
    )
