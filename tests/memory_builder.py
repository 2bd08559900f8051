"""Stores made row by row, without anything being perceived."""

from __future__ import annotations

import functools

from omnilive.events import ClipMemory, StreamStarted, moment_id
from omnilive.memory.clips import NewClip, NewMoment
from omnilive.memory.embedding import WordLlamaEmbedder
from omnilive.memory.store import Store

MS = 1_000_000
WORDS = ("the kettle boils", "a parcel came", "rain on the roof", "tea is ready")


@functools.cache
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


def begin(store: Store, name: str, *, wall_ns: int, at_ns: int) -> StreamStarted:
    """Begin an epoch of a live stream."""
    return store.begin_epoch(
        name,
        wall_ns=wall_ns,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=True,
        live=True,
        source="test",
        at_ns=at_ns,
    )


def add_clip(
    store: Store, epoch: StreamStarted, start_ns: int, end_ns: int, *, num_moments: int = 1
) -> ClipMemory:
    """Remember a clip in which things are said and heard."""
    letters = ("u", "s", "t", "m")
    kinds = ("speech", "sound", "screen", "motion")
    moments = tuple(
        NewMoment(
            id=moment_id(letters[n], epoch.stream, start_ns + n * 500 * MS),  # type: ignore[arg-type]
            kind=kinds[n],  # type: ignore[arg-type]
            start_ns=start_ns + n * 500 * MS,
            end_ns=start_ns + n * 500 * MS + 400 * MS,
            text=WORDS[n],
        )
        for n in range(num_moments)
    )
    clip = NewClip(
        id=moment_id("c", epoch.stream, start_ns),
        stream=epoch.stream,
        epoch=epoch.epoch,
        start_ns=start_ns,
        end_ns=end_ns,
        num_frames=5,
        changed=True,
        moments=moments,
    )
    return store.commit_clip(clip, None, embedder=embedder())
