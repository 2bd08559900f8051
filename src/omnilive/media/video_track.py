"""Encoded video packets to one upright picture per interval, decoding as little as possible.

While keyframes come at least once an interval only they are decoded, each by itself. The
packets since the last keyframe are kept (undecoded), so that when a keyframe fails to come in
time the decoder can start from there and decode everything until keyframes are frequent again.
"""

from __future__ import annotations

import heapq
import logging
from typing import TYPE_CHECKING

from omnilive.events import NS_PER_S, Pixels
from omnilive.media.contract import ReadOptions
from omnilive.media.pixels import upright_pixels
from omnilive.media.timeline import Timeline

if TYPE_CHECKING:
    from av import Packet
    from av import VideoFrame as DecodedFrame
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

_JITTER_NS = 5_000_000
_CALM_KEYFRAMES = 3
_LONGEST_REORDER = 34  # pictures a decoder may hold back: 16 references and some for threads


class VideoTrack:
    """Decodes one video track; times are source time."""

    def __init__(
        self,
        stream: VideoStream,
        timeline: Timeline,
        options: ReadOptions,
        *,
        from_ns: int,
        live: bool,
    ) -> None:
        self._stream = stream
        self._decoder = stream.codec_context
        self._decoder.thread_count = options.decode_threads
        self._timeline = timeline
        self._interval_ns = options.frame_interval_ns
        self._max_side = options.frame_max_side
        self._from_ns = from_ns
        self._live = live
        # Pictures stand on a grid of source time, so that a resumed reading takes the same ones.
        self._due_ns = -(-from_ns // self._interval_ns) * self._interval_ns
        self._only_keys = True
        self._group: list[tuple[Packet[VideoStream], int]] = []
        self._last_key_ns: int | None = None
        self._apart_ns = self._interval_ns
        self._calm = 0
        self._pending: list[int] = []
        self._decode_ns = 0
        self._promised_ns = 0
        self._last_out_ns = 0
        self.end_ns = 0
        self.num_frames = 0
        self.num_failed = 0

    @property
    def horizon_ns(self) -> int:
        """No picture that is still to come lies before this time."""
        horizon = self._decode_ns
        if self._only_keys:
            # Live, sound must not wait for the next keyframe: should keyframes become rare,
            # the first picture after them is a little late instead.
            if not self._live:
                horizon = min(horizon, self._due_ns - self._patience_ns)
        elif self._pending:
            horizon = min(horizon, self._pending[0])
        self._promised_ns = max(self._promised_ns, horizon)
        return self._promised_ns

    def feed(
        self, packet: Packet[VideoStream], at_ns: int, decode_ns: int, duration_ns: int
    ) -> list[tuple[int, Pixels]]:
        """Take one packet (its timestamps already moved onto the timeline); return pictures."""
        self._decode_ns = max(self._decode_ns, decode_ns)
        self.end_ns = max(self.end_ns, at_ns + duration_ns)
        pictures: list[tuple[int, Pixels]] = []
        if packet.is_keyframe:
            pictures += self._note_key(at_ns)
        if not self._only_keys:
            return pictures + self._decode(packet, at_ns)
        if packet.is_keyframe:
            self._group = [(packet, at_ns)]
            if self._is_timely(at_ns):
                pictures += self._decode(packet, at_ns) + self._drain()
            return pictures
        self._group.append((packet, at_ns))
        if at_ns > self._waits_until_ns:
            self._only_keys = False
            self._calm = 0
            group, self._group = self._group, []
            for kept, kept_at_ns in group:
                pictures += self._decode(kept, kept_at_ns)
        return pictures

    def finish(self) -> list[tuple[int, Pixels]]:
        """Return the pictures that the decoder still holds; the track is over."""
        pictures: list[tuple[int, Pixels]] = []
        if self._only_keys and (self.num_frames == 0 or self.end_ns > self._due_ns):
            self._only_keys = False
            for packet, at_ns in self._group:
                pictures += self._decode(packet, at_ns)
        self._group = []
        return pictures + self._drain()

    @property
    def _slack_ns(self) -> int:
        """How much too early a picture may come and still count as the one that is due."""
        if not self._only_keys:
            return _JITTER_NS
        # Taking the nearest keyframe, where keyframes are close; never more than a quarter.
        return min(self._patience_ns, max(_JITTER_NS, self._apart_ns // 2))

    @property
    def _patience_ns(self) -> int:
        """How long to wait for a keyframe after a picture was due."""
        return self._interval_ns // 4

    @property
    def _waits_until_ns(self) -> int:
        """When a keyframe that has not come is given up and everything is decoded."""
        until_ns = self._due_ns + self._patience_ns
        if self._last_key_ns is None or not self._is_frequent:
            return until_ns
        # Keyframes once a second need not stand on whole seconds (cuts, 29.97 frames a second):
        # one in every interval is enough. The packets are kept, so waiting loses no picture.
        return max(until_ns, self._last_key_ns + self._interval_ns + self._patience_ns)

    @property
    def _is_frequent(self) -> bool:
        """Whether keyframes come often enough to be all that is decoded."""
        return self._apart_ns <= self._interval_ns + self._interval_ns // 20

    @property
    def _is_sparse(self) -> bool:
        """Whether the last two keyframes were far enough apart that both are needed."""
        return self.num_frames > 0 and self._apart_ns >= self._interval_ns * 3 // 4

    def _note_key(self, at_ns: int) -> list[tuple[int, Pixels]]:
        """Go back to keyframes alone once they have been frequent for a while."""
        if self._last_key_ns is not None:
            self._apart_ns = abs(at_ns - self._last_key_ns)
        self._last_key_ns = at_ns
        if self._only_keys:
            return []
        self._calm = self._calm + 1 if self._is_frequent else 0
        if self._calm < _CALM_KEYFRAMES:
            return []
        pictures = self._drain()
        self._only_keys = True
        return pictures

    def _decode(self, packet: Packet[VideoStream], at_ns: int) -> list[tuple[int, Pixels]]:
        import av.error

        heapq.heappush(self._pending, at_ns)
        try:
            frames = self._decoder.decode(packet)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []
        return self._take(frames)

    def _drain(self) -> list[tuple[int, Pixels]]:
        """Get every picture out of the decoder and make it ready for a new keyframe."""
        import av.error

        try:
            frames = self._decoder.decode(None)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            frames = []
        pictures = self._take(frames)
        self._decoder.flush_buffers()
        self._pending.clear()
        return pictures

    def _take(self, frames: list[DecodedFrame]) -> list[tuple[int, Pixels]]:
        pictures = []
        for frame in frames:
            at_ns = self._time_of(frame)
            while self._pending and (
                self._pending[0] <= at_ns or len(self._pending) > _LONGEST_REORDER
            ):
                heapq.heappop(self._pending)
            self._last_out_ns = max(self._last_out_ns, at_ns)
            if not self._wanted(at_ns):
                continue
            pixels = self._pixels(frame)
            if pixels is None:
                continue
            self._due_ns = ((at_ns + self._slack_ns) // self._interval_ns + 1) * self._interval_ns
            self.num_frames += 1
            pictures.append((max(at_ns, self._promised_ns), pixels))
        return pictures

    def _wanted(self, at_ns: int) -> bool:
        return at_ns >= max(self._promised_ns, self._from_ns) and self._is_timely(at_ns)

    def _is_timely(self, at_ns: int) -> bool:
        """Whether a picture is not too early to be the next one."""
        if at_ns >= self._due_ns - min(self._slack_ns, self._interval_ns):
            return True
        # Keyframes a second apart that jitter about a border of the grid would fall twice into
        # one second and never into the next: all of them are taken.
        return self._only_keys and self._is_sparse

    def _time_of(self, frame: DecodedFrame) -> int:
        if frame.pts is None or self._stream.time_base is None:
            rate = self._stream.guessed_rate
            return self._last_out_ns + (int(NS_PER_S / rate) if rate else self._interval_ns)
        base = self._stream.time_base
        raw_ns = frame.pts * base.numerator * NS_PER_S // base.denominator
        return max(0, raw_ns - self._timeline.base_ns)

    def _pixels(self, frame: DecodedFrame) -> Pixels | None:
        import av.error

        try:
            return upright_pixels(frame, self._stream.sample_aspect_ratio, self._max_side)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        self.num_failed += 1
        if self.num_failed == 1:
            _log.info("A picture could not be decoded (%s).", type(error).__name__)
