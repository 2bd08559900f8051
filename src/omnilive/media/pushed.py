"""Media that somebody else receives (a browser, a microphone), as a source like any other.

The receiving side pushes from any thread and never waits; whoever iterates `events` gets what
was pushed at the time it claims, not at the time it came. Sound goes out as soon as it is there.
Ticks follow the sound; they wait a little for pictures, longer for sound that is on its way, and
go on by this machine's clock while nothing comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from omnilive.errors import MediaError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    MediaPacket,
    Pixels,
    Samples,
    StreamEnded,
    StreamGap,
    Tick,
    VideoFrame,
)
from omnilive.media.container_reader import moved
from omnilive.media.contract import MediaEvent, SourceInfo
from omnilive.media.pushed_sound import Hole, PushedSound
from omnilive.media.pushed_times import PushedTimes, whole_ns

TICK_NS = NS_PER_S // 4
SOUND_PATIENCE_NS = 2 * NS_PER_S
"""How long ticks wait for sound that is on its way; what comes later than this is lost."""
PICTURE_PATIENCE_NS = 3 * NS_PER_S // 10
PICTURE_HOLE_NS = 5 * NS_PER_S
HELD_SOUND_S = 30
"""Sound that is held for a reader who does not come; then the oldest goes."""
_HELD_PICTURES = 4
_HELD_PACKET_BYTES = 32 << 20
_LATE_PICTURE_NS = 3 * NS_PER_S
_SHORTEST_END_HOLE_NS = NS_PER_S
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE
_LONGEST_WAIT_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCounts:
    """What came, and every thing that came and was not given out as it came.

    Attributes:
        samples: of sound that were given out.
        filled_samples: silence put into holes of at most 120 ms.
        missing_samples: lie in longer holes, told as gaps.
        trimmed_samples: came twice, or later than can be waited for.
        overflowed_samples: nobody read them in time; told as a gap.
        pictures: that were given out.
        overflowed_pictures: a newer one took their place before they were read.
        late_pictures: came later than can be waited for, or out of order.
        packets, overflowed_packets: of the recording.
        refused: pushes that were no sound, no picture, or of an impossible time.
        jumps: how often the times of the client began anew.
    """

    samples: int = 0
    filled_samples: int = 0
    missing_samples: int = 0
    trimmed_samples: int = 0
    overflowed_samples: int = 0
    pictures: int = 0
    overflowed_pictures: int = 0
    late_pictures: int = 0
    packets: int = 0
    overflowed_packets: int = 0
    refused: int = 0
    jumps: int = 0


class PushedReader:
    """A live `MediaReader` of what is pushed into it.

    Times are nanoseconds since the client's first media. Nothing is given out, not even ticks,
    before something was pushed.

    Args:
        has_video, has_audio: whether pictures and sound are to be expected; what is not expected
            is refused.
        record: whether packets are taken.
        name: of the client, for sentences.
        now_ns: this machine's monotonic clock.
    """

    def __init__(
        self,
        *,
        has_video: bool,
        has_audio: bool,
        record: bool,
        name: str,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._info = SourceInfo(has_video=has_video, has_audio=has_audio, live=True)
        self._record = record
        self._name = name
        self._now_ns = now_ns
        self._changed = threading.Condition()
        self._times = PushedTimes()
        self._sound = PushedSound(HELD_SOUND_S * SAMPLE_RATE)
        self._claimed_end_ns: int | None = None
        self._sound_came_ns = 0  # on this machine's clock; before any: when the first media came
        self._pictures: deque[tuple[int, Pixels]] = deque()
        self._packets: deque[MediaPacket] = deque()
        self._packet_bytes = 0
        self._broken_tracks: set[int] = set()
        self._pushed_picture_ns = -1
        self._decode_ns: dict[int, int] = {}
        self._counts = PushCounts()
        # What was given out: the last tick, the last picture, the number of the stream.
        self._floor_ns = 0
        self._given_picture_ns = -1
        self._lost_pictures = False
        self._stream = 0
        self._started = self._closed = False
        self._error: str | None = None

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self._info

    @property
    def counts(self) -> PushCounts:
        """What came and what was lost until now."""
        with self._changed:
            sound = self._sound.counts
            return replace(
                self._counts,
                samples=sound.given,
                filled_samples=sound.filled,
                missing_samples=sound.missing,
                trimmed_samples=sound.trimmed,
                overflowed_samples=sound.overflowed,
                jumps=self._times.num_jumps,
            )

    @property
    def held_ns(self) -> int:
        """How much sound waits to be read; a pusher that can wait may wait for it to shrink."""
        with self._changed:
            return self._sound.held * _NS_PER_SAMPLE

    # --- pushing ------------------------------------------------------------------------

    def push_audio(self, at_ns: int, samples: Samples) -> None:
        """Take sound; its first sample sounds at `at_ns`. Never waits; from any thread.

        Args:
            at_ns: source time, from the client's clock.
            samples: (samples,) mono, 16 kHz, -1..1; copied.
        """
        sound = _plain(samples)
        whole = whole_ns(at_ns)
        with self._changed:
            if sound is None or whole is None or not self._info.has_audio:
                self._count(refused=1)
                return
            if self._is_over or not sound.size:
                return
            now_ns = self._now_ns()
            length_ns = sound.size * _NS_PER_SAMPLE
            jumped = False
            if whole != self._claimed_end_ns:
                expected_ns = self._sound.position * _NS_PER_SAMPLE
                jumped = self._times.place("sound", whole, expected_ns, now_ns)
            self._claimed_end_ns = whole + length_ns
            placed_ns = whole + self._times.offset("sound")
            index = (placed_ns + _NS_PER_SAMPLE // 2) // _NS_PER_SAMPLE
            self._sound.push(index, sound, jumped=jumped)
            self._sound_came_ns = now_ns
            self._reach(placed_ns + length_ns, now_ns)
            self._changed.notify_all()

    def push_frame(self, at_ns: int, pixels: Pixels) -> None:
        """Take a picture shown at `at_ns`. Never waits; from any thread.

        Args:
            at_ns: source time, from the client's clock.
            pixels: (height, width, 3) RGB; must not be written to any more.
        """
        whole = whole_ns(at_ns)
        is_picture = (
            isinstance(pixels, np.ndarray)
            and pixels.dtype == np.uint8
            and pixels.ndim == 3
            and pixels.shape[2] == 3
            and pixels.size > 0
        )
        with self._changed:
            if whole is None or not is_picture or not self._info.has_video:
                self._count(refused=1)
                return
            if self._is_over:
                return
            now_ns = self._now_ns()
            expected_ns = max(self._pushed_picture_ns, 0)
            self._times.place("picture", whole, expected_ns, now_ns)
            placed_ns = whole + self._times.offset("picture")
            if placed_ns <= self._pushed_picture_ns:
                self._count(late_pictures=1)
                return
            self._pushed_picture_ns = placed_ns
            self._reach(placed_ns, now_ns)
            self._pictures.append((placed_ns, pixels))
            if len(self._pictures) > _HELD_PICTURES:
                self._pictures.popleft()
                self._lost_pictures = True
                self._count(overflowed_pictures=1)
            self._changed.notify_all()

    def push_packet(self, packet: MediaPacket) -> None:
        """Take an encoded packet for the recording. Never waits; from any thread.

        Args:
            packet: in the order of decoding a track, its times source time; its `stream` is set
                when it is read.
        """
        with self._changed:
            if self._is_over or not self._record:
                return
            decode_ns = whole_ns(packet.decode_ns)
            placed_ns = None
            if decode_ns is not None and whole_ns(packet.at_ns) is not None:
                expected_ns = self._decode_ns.get(packet.track, self._times.newest_ns)
                placed_ns = self._times.follow(decode_ns, expected_ns, self._now_ns())
            if decode_ns is None or placed_ns is None:
                self._count(refused=1)
                return
            if packet.track in self._broken_tracks and not packet.is_key:
                self._count(overflowed_packets=1)
                return
            self._broken_tracks.discard(packet.track)
            self._decode_ns[packet.track] = placed_ns
            self._packets.append(
                replace(
                    packet, decode_ns=placed_ns, at_ns=int(packet.at_ns) + placed_ns - decode_ns
                )
            )
            self._packet_bytes += len(packet.data)
            while self._packet_bytes > _HELD_PACKET_BYTES:
                dropped = self._packets.popleft()
                self._packet_bytes -= len(dropped.data)
                self._count(overflowed_packets=1)
                # What hangs on a packet that is gone cannot be decoded.
                if dropped.kind == "video":
                    self._drop_until_key(dropped.track)
            self._changed.notify_all()

    def end(self, error: str = "") -> None:
        """Say that nothing more comes; what was pushed is still read. From any thread."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()

    # --- reading ------------------------------------------------------------------------

    def close(self) -> None:
        """Let go: what was not read is thrown away; an iterator that is waiting ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield what is pushed, in order of time within sound and within pictures.

        A picture may follow sound that is a little later. Nothing follows a tick that lies behind
        it. `from_ns` has no meaning for a live source.
        """
        with self._changed:
            if self._started:
                raise MediaError(f"{self._name} was read already; let the client connect again.")
            self._started = True
            self._stream = stream
        try:
            while True:
                with self._changed:
                    event = self._next()
                    while event is None:
                        self._changed.wait(self._pause_s())
                        event = self._next()
                if isinstance(event, Tick):
                    event = replace(event, wall_ns=time.time_ns())
                yield moved(event, at_ns)
                if isinstance(event, StreamEnded):
                    return
        finally:
            self.close()

    @property
    def _is_over(self) -> bool:
        return self._closed or self._error is not None

    def _next(self) -> MediaEvent | None:
        """Return what is to be given out now; None if that is nothing."""
        if self._closed:
            end_ns = max(self._floor_ns, self._given_picture_ns, self._sound_end_ns)
            return self._ended(end_ns, "Watching was stopped.")
        due = self._due()
        horizon_ns = self._horizon_ns()
        up_to_ns = horizon_ns if due is None else min(due[0], horizon_ns)
        if self._floor_ns + TICK_NS <= up_to_ns:
            return self._tick()
        if due is not None:
            return self._give(due[1])
        if self._error is None:
            return None
        return self._finish(self._error)

    def _reach(self, end_ns: int, now_ns: int) -> None:
        if not self._times.has_begun:
            self._sound_came_ns = now_ns
        self._times.reach(end_ns, now_ns)

    def _due(self) -> tuple[int, Literal["sound", "picture", "packet"]] | None:
        """Return what is first in time of all that is held."""
        held: list[tuple[int, Literal["sound", "picture", "packet"]]] = []
        front = self._sound.front
        if front is not None:
            held.append((front * _NS_PER_SAMPLE, "sound"))
        if self._pictures:
            held.append((self._pictures[0][0], "picture"))
        if self._packets:
            held.append((self._packets[0].decode_ns, "packet"))
        return min(held, default=None)

    def _give(self, kind: Literal["sound", "picture", "packet"]) -> MediaEvent | None:
        if kind == "packet":
            packet = self._packets.popleft()
            self._packet_bytes -= len(packet.data)
            self._count(packets=1)
            return replace(packet, stream=self._stream)
        if kind == "picture":
            return self._give_picture()
        taken = self._sound.take()
        assert taken is not None
        if isinstance(taken, Hole):
            return self._gap(
                "audio", taken.start * _NS_PER_SAMPLE, taken.end * _NS_PER_SAMPLE, taken.reason
            )
        start, samples = taken
        return AudioChunk(stream=self._stream, at_ns=start * _NS_PER_SAMPLE, samples=samples)

    def _give_picture(self) -> MediaEvent | None:
        shown_ns, pixels = self._pictures[0]
        before_ns = max(self._given_picture_ns, 0)
        if shown_ns - before_ns > PICTURE_HOLE_NS:
            reason = "No pictures came."
            if self._lost_pictures:
                reason = "The machine was too busy to take the pictures in time."
            self._given_picture_ns = shown_ns - 1
            self._lost_pictures = False
            return self._gap("video", before_ns, shown_ns, reason)
        self._pictures.popleft()
        self._lost_pictures = False
        at_ns = max(shown_ns, self._floor_ns)
        if at_ns - shown_ns > _LATE_PICTURE_NS or at_ns <= self._given_picture_ns:
            self._count(late_pictures=1)
            return self._next()
        self._given_picture_ns = at_ns
        self._count(pictures=1)
        return VideoFrame(stream=self._stream, at_ns=at_ns, pixels=pixels)

    def _tick(self) -> Tick:
        self._floor_ns = (self._floor_ns // TICK_NS + 1) * TICK_NS
        self._sound.skip_to(-(-self._floor_ns // _NS_PER_SAMPLE))
        return Tick(stream=self._stream, at_ns=self._floor_ns, wall_ns=0)

    def _horizon_ns(self) -> int:
        """Return the time before which nothing more is taken."""
        if not self._times.has_begun:
            return 0
        if self._error is not None:
            return self._end_ns
        now_ns = self._now_ns()
        if self._info.has_audio:
            # Measured on the sound alone: pictures that run ahead must not cost sound.
            since_ns = now_ns - self._sound_came_ns - SOUND_PATIENCE_NS
            horizon_ns = self._sound_end_ns + max(0, since_ns)
        else:
            horizon_ns = self._times.now(now_ns)
        if self._info.has_video:
            waited_ns = max(self._pushed_picture_ns, horizon_ns - PICTURE_PATIENCE_NS)
            horizon_ns = min(horizon_ns, waited_ns)
        return horizon_ns

    def _pause_s(self) -> float | None:
        """Return how long to wait for a push before the next tick may be due."""
        if not self._times.has_begun:
            return None
        left_ns = self._floor_ns + TICK_NS - self._horizon_ns()
        return min(max(left_ns / NS_PER_S, 0.005), _LONGEST_WAIT_S)

    def _finish(self, error: str) -> MediaEvent:
        """Tell what is missing at the end, then the end."""
        end_ns = self._end_ns
        hole_ns = self._sound_end_ns
        if self._info.has_audio and end_ns - hole_ns > _SHORTEST_END_HOLE_NS:
            reason = "No sound came."
            # Told once: from here on the sound counts as heard to the end.
            self._sound.end = -(-end_ns // _NS_PER_SAMPLE)
            return self._gap("audio", hole_ns, end_ns, reason)
        picture_ns = max(self._given_picture_ns, 0)
        if self._info.has_video and end_ns - picture_ns > PICTURE_HOLE_NS:
            self._given_picture_ns = end_ns
            return self._gap("video", picture_ns, end_ns, "No pictures came.")
        return self._ended(end_ns, error)

    def _ended(self, end_ns: int, error: str) -> StreamEnded:
        return StreamEnded(stream=self._stream, at_ns=end_ns, error=error)

    @property
    def _sound_end_ns(self) -> int:
        return self._sound.end * _NS_PER_SAMPLE

    @property
    def _end_ns(self) -> int:
        shown_ns = max(self._pushed_picture_ns, 0)
        return max(self._sound_end_ns, shown_ns, self._floor_ns, self._given_picture_ns)

    def _gap(
        self, sense: Literal["audio", "video"], start_ns: int, end_ns: int, reason: str
    ) -> StreamGap:
        return StreamGap(
            stream=self._stream, start_ns=start_ns, end_ns=end_ns, sense=sense, reason=reason
        )

    def _drop_until_key(self, track: int) -> None:
        kept: deque[MediaPacket] = deque()
        is_broken = True
        for packet in self._packets:
            if is_broken and packet.track == track:
                if not packet.is_key:
                    self._packet_bytes -= len(packet.data)
                    self._count(overflowed_packets=1)
                    continue
                is_broken = False
            kept.append(packet)
        self._packets = kept
        if is_broken:
            self._broken_tracks.add(track)

    def _count(self, **more: int) -> None:
        now = self._counts
        self._counts = replace(now, **{name: getattr(now, name) + by for name, by in more.items()})


def _plain(samples: Samples) -> Samples | None:
    """Return sound as finite float samples in -1..1; None if it is none."""
    if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype.kind != "f":
        return None
    sound = np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(sound, -1.0, 1.0)
