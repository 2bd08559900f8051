"""Records of public sets to what the tasks learn from: frames of clips, and sounds at 16 kHz.

    RecordIndex --(seed, step)--> records --omnilive.media--> RealClip, RealSound --> a task

A `RealClip` goes where a painted clip goes: `clip_pixels.tower_pixels(clip.frames, ...)` makes the
tower's pixels, and the caption is told from the memory of them. A stretch of up to 16 s gives one
frame a second, as a live stream does; a longer one 16 frames spread over it, as the release samples
recorded videos (paper, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import numpy as np

from omnilive.errors import MediaError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Pixels,
    Samples,
    StreamEnded,
    VideoFrame,
)
from omnilive.media.contract import MediaReader, ReadOptions
from omnilive.media.reader import open_source
from omnilive.media.source import parse_source
from omnilive.training.readers.index import RecordIndex
from omnilive.training.readers.records import Record, SoundLabel, Speech, VideoCaption

MOST_FRAMES = 16
_LEAST_FRAMES = 3  # a live clip has at least so many
_SLACK_S = 0.5  # annotations are this inexact at the end of a file
_TRIES = 8  # records looked at for each that is wanted
_NEVER_NS = 1_000_000 * NS_PER_S
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class RealClip:
    """Frames of a stretch of a video and what is seen there.

    Attributes:
        frames: 1 to 16 pictures of one size, (height, width, 3) RGB.
        times_s: when each is shown, seconds from the start of the file.
        start_s, end_s: the stretch.
        text: its caption.
    """

    frames: tuple[Pixels, ...]
    times_s: tuple[float, ...]
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class RealSound:
    """A sound and what is right to say of it.

    Attributes:
        samples: 16 kHz mono.
        text: what is said; "" for a sound without words.
        labels: names of what sounds; empty for speech.
        language: of the text; "" if unknown.
    """

    samples: Samples
    text: str
    labels: tuple[str, ...] = ()
    language: str = ""


def clip_of(caption: VideoCaption, *, max_side: int = 480) -> RealClip:
    """Return the frames of a captioned stretch.

    Args:
        caption: of a set.
        max_side: frames are scaled down until their longer side fits.

    Raises:
        MediaError: the video cannot be decoded, or has no picture there.
    """
    source = parse_source(str(caption.video))
    start_ns = round(caption.start_s * NS_PER_S)
    end_s = caption.end_s
    if end_s is None:
        reader = open_source(source, ReadOptions())
        try:
            duration_ns = reader.info.duration_ns
        finally:
            reader.close()
        if duration_ns is None:
            raise MediaError(
                f"{caption.video} does not say how long it is; give the stretch's end."
            )
        end_s = duration_ns / NS_PER_S
    end_ns = round(end_s * NS_PER_S)
    interval_ns = frame_interval(end_ns - start_ns)
    options = ReadOptions(frame_interval_ns=interval_ns, frame_max_side=max_side)
    frames: list[tuple[int, Pixels]] = []
    for event in _events(open_source(source, options), start_ns, end_ns):
        if isinstance(event, VideoFrame):
            frames.append((event.at_ns, event.pixels))
            if len(frames) == MOST_FRAMES:
                break
    if not frames:
        raise MediaError(f"{caption.video} has no picture from {caption.start_s} to {end_s} s.")
    return RealClip(
        frames=tuple(pixels for _, pixels in frames),
        times_s=tuple(at_ns / NS_PER_S for at_ns, _ in frames),
        start_s=caption.start_s,
        end_s=end_s,
        text=caption.text,
    )


def frame_interval(length_ns: int) -> int:
    """Return the time between frames of a stretch: 1 s, unless it is very short or long."""
    if length_ns < _LEAST_FRAMES * NS_PER_S:
        return max(1, length_ns // _LEAST_FRAMES)
    return max(NS_PER_S, -(-length_ns // MOST_FRAMES))


def sound_of(record: Speech | SoundLabel, *, longest_s: float = 30.0) -> RealSound:
    """Return the sound of a record.

    Args:
        record: of a set.
        longest_s: what the network can hear at once. A longer sound with a label is cut; a longer
            utterance is refused, because its text would not fit the part.

    Raises:
        MediaError: it cannot be decoded, is silent by absence, or is too long.
    """
    start_ns = round(record.start_s * NS_PER_S)
    wanted_s = math.inf if record.end_s is None else record.end_s - record.start_s
    is_speech = isinstance(record, Speech)
    # A little more is read than fits, to tell a sound that is too long.
    most_s = min(wanted_s, longest_s + _SLACK_S) if is_speech else min(wanted_s, longest_s)
    samples = _samples(record, start_ns, round(most_s * SAMPLE_RATE))
    heard_s = samples.size / SAMPLE_RATE
    if not samples.size:
        raise MediaError(f"{record.audio} has no sound from {record.start_s} s on.")
    if not isinstance(record, Speech):
        return RealSound(samples, "", record.labels)
    if heard_s > longest_s:
        raise MediaError(
            f"The utterance of {record.audio} at {record.start_s} s is longer than {longest_s} s."
        )
    if record.end_s is not None and heard_s < wanted_s - _SLACK_S:
        raise MediaError(
            f"{record.audio} ends {wanted_s - heard_s:.1f} s before its words do; it is cut off."
        )
    return RealSound(samples, record.text, (), record.language)


@dataclass(frozen=True, slots=True)
class RealClipSource:
    """Draws clips of captioned videos, by (seed, step), for worker processes.

    Attributes:
        index: of `VideoCaption` records.
        batch_size: clips a batch.
        max_side: of the frames, pixels.
    """

    index: RecordIndex
    batch_size: int
    max_side: int = 480

    def draw(self, seed: int, step: int) -> list[RealClip]:
        """Return one batch. Videos that cannot be decoded are passed over, the same ones each time.

        Raises:
            MediaError: hardly any of the drawn videos can be decoded.
        """

        def made(record: Record) -> RealClip:
            if not isinstance(record, VideoCaption):
                raise MediaError("The index holds other records than captions of videos.")
            return clip_of(record, max_side=self.max_side)

        rng = Random(f"real clips {seed} {step}")
        return _drawn(self.index, rng, self.batch_size, made)


@dataclass(frozen=True, slots=True)
class RealSoundSource:
    """Draws utterances and labelled sounds, by (seed, step), for worker processes.

    Attributes:
        index: of `Speech` or `SoundLabel` records, or both.
        batch_size: sounds a batch.
        longest_s: of a sound.
    """

    index: RecordIndex
    batch_size: int
    longest_s: float = 30.0

    def draw(self, seed: int, step: int) -> list[RealSound]:
        """Return one batch. Sounds that cannot be decoded are passed over, the same ones each time.

        Raises:
            MediaError: hardly any of the drawn sounds can be decoded.
        """

        def made(record: Record) -> RealSound:
            if not isinstance(record, Speech | SoundLabel):
                raise MediaError("The index holds other records than sounds.")
            return sound_of(record, longest_s=self.longest_s)

        rng = Random(f"real sounds {seed} {step}")
        return _drawn(self.index, rng, self.batch_size, made)


def _drawn(
    index: RecordIndex, rng: Random, count: int, made: Callable[[Record], Made]
) -> list[Made]:
    """Return what can be made of records drawn at random."""
    batch: list[Made] = []
    last: MediaError | None = None
    for _ in range(_TRIES * count):
        try:
            batch.append(made(index[rng.randrange(len(index))]))
        except MediaError as error:
            last = error
        if len(batch) == count:
            return batch
    raise MediaError(
        f"Only {len(batch)} of {_TRIES * count} drawn records can be used; the last said: {last}"
    )


def _samples(record: Speech | SoundLabel, start_ns: int, most: int) -> Samples:
    """Return at most so many samples from `start_ns` on; holes in the file are silent."""
    # Pictures of a video that is only listened to are not wanted.
    options = ReadOptions(frame_interval_ns=_NEVER_NS)
    sound = np.zeros(most, np.float32)
    end = 0
    reader = open_source(parse_source(str(record.audio)), options)
    for event in _events(reader, start_ns, start_ns + most * _NS_PER_SAMPLE):
        if not isinstance(event, AudioChunk):
            continue
        at = round((event.at_ns - start_ns) / _NS_PER_SAMPLE)
        samples = event.samples[max(0, -at) :]
        at = max(0, at)
        part = samples[: max(0, most - at)]
        sound[at : at + part.size] = part
        end = max(end, at + part.size)
    return sound[:end]


def _events(reader: MediaReader, start_ns: int, end_ns: int) -> Iterator[VideoFrame | AudioChunk]:
    """Yield the pictures and the sound of a stretch, and let go of the file.

    Raises:
        MediaError: the file breaks before anything of the stretch came.
    """
    came = False
    events = reader.events(stream=0, at_ns=0, wall_ns=0, from_ns=start_ns)
    try:
        for event in events:
            if isinstance(event, VideoFrame | AudioChunk):
                if event.at_ns >= end_ns:
                    return
                came = True
                yield event
            elif isinstance(event, StreamEnded) and event.error and not came:
                raise MediaError(event.error)
    finally:
        if isinstance(events, Generator):
            events.close()
        reader.close()
