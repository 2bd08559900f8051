"""What a live client's media become in the recording: H.264 and AAC at a low rate.

A browser's own packets cannot be kept (they change size and codec as the network does, and the
WebSocket path has none), so what was decoded is encoded again, small: a few pictures a second.
One canvas serves a whole conversation, whatever size the pictures are, because a track of a
recording cannot change its size in the middle; see `Canvas`.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, MediaPacket, Pixels, Samples

if TYPE_CHECKING:
    from av import Packet
    from av.audio.codeccontext import AudioCodecContext
    from av.video.codeccontext import VideoCodecContext

_log = logging.getLogger(__name__)

VIDEO_TRACK, SOUND_TRACK = 0, 1
KEY_EVERY_NS = NS_PER_S
SOUND_BITS = 40_000
_PICTURE_BITS = 300_000
_WIDEST = 4  # times as wide as high; what is wider is scaled down further
_WORTH = 0.6  # of the area that a picture would have on a canvas of its own
_FILLED_NS = 200_000_000
_TRIMMED_NS = 20_000_000
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE
_UNITS_PER_S = 1000

# Encoders in the order of how widely their pictures play in an mp4, and how each is told that
# every picture comes out at once and that a picture can be made a key.
_VIDEO_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "libx264": (
        "h264",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": "30",
            "maxrate": str(_PICTURE_BITS),
            "bufsize": str(2 * _PICTURE_BITS),
            "forced-idr": "1",
            # Lengths instead of start codes, with the set-up bytes to match: as Matroska wants it.
            "x264-params": "keyint=infinite:scenecut=0:annexb=0",
        },
    ),
    "libvpx-vp9": (
        "vp9",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "40"},
    ),
    "mpeg4": ("mpeg4", {"g": "600"}),
}


class Canvas(NamedTuple):
    """The size that all pictures of a track are brought to.

    A picture of another shape stands in the middle with black beside it (a telephone that was
    turned), unless so little of the canvas would be left for it that a new track is worth more.
    """

    width: int
    height: int

    @classmethod
    def of(cls, pixels: Pixels, height: int) -> Canvas:
        """Return the canvas for pictures shaped like this one, `height` lines high.

        Pictures are scaled up, too: a browser begins small and grows when the network allows.
        """
        rows, columns = pixels.shape[:2]
        lines = min(height, round(height * _WIDEST * rows / columns))
        return cls(min(_WIDEST * height, _even(lines * columns / rows)), _even(lines))

    def inner(self, pixels: Pixels) -> tuple[int, int]:
        """Return the width and height at which this picture fits in."""
        rows, columns = pixels.shape[:2]
        scale = min(self.width / columns, self.height / rows)
        return min(self.width, _even(columns * scale)), min(self.height, _even(rows * scale))

    def suits(self, pixels: Pixels, height: int) -> bool:
        """Whether this picture is shown large enough on this canvas."""
        own = Canvas.of(pixels, height)
        if own == self:
            return True
        width, lines = self.inner(pixels)
        return width * lines >= _WORTH * own.width * own.height

    def shown(self, pixels: Pixels) -> Pixels:
        """Return the picture with black beside it, where it has another shape."""
        rows, columns = pixels.shape[:2]
        width, lines = self.inner(pixels)
        if self.width - width <= 2 and self.height - lines <= 2:
            return pixels
        wide = round(self.width / width * columns)
        high = round(self.height / lines * rows)
        left, top = (wide - columns) // 2, (high - rows) // 2
        out = np.zeros((high, wide, 3), np.uint8)
        out[top : top + rows, left : left + columns] = pixels
        return out


class PictureEncoder:
    """Encodes one camera. Not thread-safe.

    Args:
        height: lines of the recording at most.
        fps: pictures a second at most.
        encoder: FFmpeg's name of it; "" takes the best that is there.
    """

    def __init__(self, *, height: int = 480, fps: float = 5.0, encoder: str = "") -> None:
        self._height = max(2, height // 2 * 2)
        self._interval_ns = round(NS_PER_S / fps)
        self._name = encoder or _best_encoder()
        self._canvas: Canvas | None = None
        self._context: VideoCodecContext | None = None
        self._cell = -1
        self._last_ns: int | None = None
        self._key_ns = 0
        self._times: dict[int, int] = {}
        self.num_failed = 0

    def wants(self, at_ns: int) -> bool:
        """Whether a picture shown at `at_ns` is to be recorded."""
        return at_ns // self._interval_ns > self._cell

    def encode(self, at_ns: int, pixels: Pixels) -> list[MediaPacket]:
        """Return the packets of a picture; none if it came too soon or out of order.

        Args:
            at_ns: source time at which it is shown.
            pixels: (height, width, 3) RGB.
        """
        import av.error

        if not self.wants(at_ns) or not self._name:
            return []
        self._cell = at_ns // self._interval_ns
        try:
            packets: list[MediaPacket] = []
            if self._canvas is None or not self._canvas.suits(pixels, self._height):
                packets += self.finish()
                self._open(Canvas.of(pixels, self._height))
            return packets + self._encode(at_ns, pixels)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []

    def finish(self) -> list[MediaPacket]:
        """Return what the encoder still holds; the next picture begins a new track."""
        import av.error

        context, self._context, self._canvas = self._context, None, None
        if context is None:
            return []
        try:
            return [self._packet(context, packet) for packet in context.encode(None)]
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []
        finally:
            self._times.clear()

    def _open(self, canvas: Canvas) -> None:
        import av
        from av.codec.context import Flags

        context = cast("VideoCodecContext", av.CodecContext.create(self._name, "w"))
        context.width, context.height = canvas
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, _UNITS_PER_S)
        context.framerate = Fraction(NS_PER_S, self._interval_ns).limit_denominator(1000)
        context.thread_count = 1
        context.flags |= Flags.global_header
        context.options = _VIDEO_ENCODERS[self._name][1]
        if self._name != "libx264":
            context.bit_rate = _PICTURE_BITS
        context.open()
        self._context, self._canvas, self._last_ns = context, canvas, None

    def _encode(self, at_ns: int, pixels: Pixels) -> list[MediaPacket]:
        from av import VideoFrame
        from av.video.frame import PictureType

        context, canvas = self._context, self._canvas
        assert context is not None
        assert canvas is not None
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(canvas.shown(pixels)), format="rgb24")
        frame = frame.reformat(
            canvas.width, canvas.height, format="yuv420p", interpolation="BILINEAR"
        )
        is_key = self._last_ns is None or at_ns >= self._key_ns + KEY_EVERY_NS
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        if is_key:
            self._key_ns = at_ns
        self._last_ns = at_ns
        frame.time_base = Fraction(1, _UNITS_PER_S)
        frame.pts = at_ns * _UNITS_PER_S // NS_PER_S
        self._times[frame.pts] = at_ns
        return [self._packet(context, packet) for packet in context.encode(frame)]

    def _packet(self, context: VideoCodecContext, packet: Packet[Any]) -> MediaPacket:
        assert packet.pts is not None
        at_ns = self._times.pop(packet.pts, packet.pts * NS_PER_S // _UNITS_PER_S)
        return MediaPacket(
            stream=0,
            track=VIDEO_TRACK,
            codec=_VIDEO_ENCODERS[self._name][0],
            kind="video",
            at_ns=at_ns,
            decode_ns=at_ns,  # no picture refers to a later one
            duration_ns=self._interval_ns,
            is_key=packet.is_keyframe,
            data=bytes(packet),
            extradata=bytes(context.extradata or b""),
            width=context.width,
            height=context.height,
        )

    def _failed(self, error: Exception) -> None:
        self.num_failed += 1
        self._context = self._canvas = None
        if self.num_failed == 1:
            _log.warning("A picture could not be recorded (%s).", type(error).__name__)


class SoundEncoder:
    """Encodes one microphone as AAC. Not thread-safe.

    A sample's time is the start of its run plus its index. A hole of more than 200 ms ends the
    run; a shorter one is filled with silence. The encoder's run-in (64 ms before a run) is kept,
    because decoding needs it, except where it would lie before time 0.
    """

    def __init__(self) -> None:
        self._context: AudioCodecContext | None = None
        self._start_ns = 0
        self._num_samples = 0
        self._held: list[Samples] = []
        self._num_held = 0
        self._pts = 0
        self.num_failed = 0

    def encode(self, at_ns: int, samples: Samples) -> list[MediaPacket]:
        """Return the packets that are ready.

        Args:
            at_ns: source time of the first sample.
            samples: (samples,) mono, 16 kHz, -1..1.
        """
        import av.error

        try:
            packets: list[MediaPacket] = []
            if self._context is not None:
                off_ns = at_ns - (self._start_ns + self._num_samples * _NS_PER_SAMPLE)
                if off_ns > _FILLED_NS:
                    packets += self.finish()
                elif off_ns > _TRIMMED_NS:
                    self._hold(np.zeros(off_ns // _NS_PER_SAMPLE, np.float32))
                elif off_ns < -_TRIMMED_NS:
                    samples = samples[-off_ns // _NS_PER_SAMPLE :]
            if not samples.size:
                return packets
            if self._context is None:
                self._open(at_ns)
            self._hold(samples)
            return packets + self._drain()
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []

    def finish(self) -> list[MediaPacket]:
        """Return what the encoder still holds; what comes next begins a new run."""
        import av.error

        context = self._context
        if context is None:
            return []
        try:
            packets = self._drain()
            if self._num_held:
                packets += self._encode(np.concatenate(self._held))
            packets += [self._packet(context, packet) for packet in context.encode(None)]
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []
        finally:
            self._context = None
            self._held, self._num_held = [], 0
        end_ns = self._start_ns + self._num_samples * _NS_PER_SAMPLE
        return [packet for packet in packets if 0 <= packet.at_ns < end_ns]

    def _open(self, at_ns: int) -> None:
        import av
        from av.codec.context import Flags

        context = av.CodecContext.create("aac", "w")
        context.sample_rate = SAMPLE_RATE
        context.layout = "mono"
        context.format = "fltp"
        context.bit_rate = SOUND_BITS
        context.time_base = Fraction(1, SAMPLE_RATE)
        context.thread_count = 1
        context.flags |= Flags.global_header
        context.open()
        self._context = context
        self._start_ns = at_ns
        self._num_samples = self._pts = self._num_held = 0
        self._held = []

    def _hold(self, samples: Samples) -> None:
        self._held.append(samples)
        self._num_held += samples.size
        self._num_samples += samples.size

    def _drain(self) -> list[MediaPacket]:
        assert self._context is not None
        size = self._context.frame_size
        if self._num_held < size:
            return []
        joined = np.concatenate(self._held)
        whole = joined.size // size * size
        packets = [
            packet
            for start in range(0, whole, size)
            for packet in self._encode(joined[start : start + size])
        ]
        self._held = [joined[whole:]]
        self._num_held = joined.size - whole
        return [packet for packet in packets if packet.at_ns >= 0]

    def _encode(self, samples: Samples) -> list[MediaPacket]:
        from av import AudioFrame

        context = self._context
        assert context is not None
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[np.newaxis], np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._pts
        self._pts += samples.size
        return [self._packet(context, packet) for packet in context.encode(frame)]

    def _packet(self, context: AudioCodecContext, packet: Packet[Any]) -> MediaPacket:
        assert packet.pts is not None
        at_ns = self._start_ns + packet.pts * _NS_PER_SAMPLE
        return MediaPacket(
            stream=0,
            track=SOUND_TRACK,
            codec="aac",
            kind="audio",
            at_ns=at_ns,
            decode_ns=at_ns,
            duration_ns=context.frame_size * _NS_PER_SAMPLE,
            is_key=True,
            data=bytes(packet),
            extradata=bytes(context.extradata or b""),
            sample_rate=SAMPLE_RATE,
            channels=1,
        )

    def _failed(self, error: Exception) -> None:
        self.num_failed += 1
        self._context = None
        if self.num_failed == 1:
            _log.warning("Some sound could not be recorded (%s).", type(error).__name__)


class LiveEncoder:
    """Encodes the media of one live client for the recording. Not thread-safe.

    Args:
        height: lines of the recorded picture at most.
        fps: recorded pictures a second at most.
    """

    def __init__(self, *, height: int = 480, fps: float = 5.0) -> None:
        self._pictures = PictureEncoder(height=height, fps=fps)
        self._sound = SoundEncoder()

    @property
    def num_failed(self) -> int:
        """How many pictures and pieces of sound could not be encoded."""
        return self._pictures.num_failed + self._sound.num_failed

    def wants_picture(self, at_ns: int) -> bool:
        """Whether a picture of this time is to be recorded; asked before it is converted."""
        return self._pictures.wants(at_ns)

    def picture(self, at_ns: int, pixels: Pixels) -> list[MediaPacket]:
        """Return the packets of an RGB picture; none if as many as wanted have come."""
        return self._pictures.encode(at_ns, pixels)

    def sound(self, at_ns: int, samples: Samples) -> list[MediaPacket]:
        """Return the packets that are ready after these 16 kHz mono samples."""
        return self._sound.encode(at_ns, samples)

    def finish(self) -> list[MediaPacket]:
        """Return what is left."""
        return [*self._pictures.finish(), *self._sound.finish()]


def _best_encoder() -> str:
    import av

    return next((name for name in _VIDEO_ENCODERS if name in av.codecs_available), "")


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)
