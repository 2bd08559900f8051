"""What of a page is recorded: encoded in a thread of its own, then pushed like the media."""

from __future__ import annotations

from omnilive.events import MediaPacket, Pixels, Samples
from omnilive.media.encode import LiveEncoder
from omnilive.media.pushed import PushedReader
from omnilive.web.errands import Errands

_MOST_PICTURES = 4


class Recording:
    """The recording of one connection. May be called from any thread.

    Args:
        reader: what takes the packets.
        height: lines of a picture at most.
        fps: pictures a second at most.
    """

    def __init__(self, reader: PushedReader, *, height: int, fps: float) -> None:
        self._reader = reader
        self._encoder = LiveEncoder(height=height, fps=fps)
        self._errands = Errands("omnilive encoding")
        self._num_pictures = 0  # that wait: each is megabytes
        self.num_left_out = 0

    def sound(self, at_ns: int, samples: Samples) -> None:
        """Take a piece of sound, 16 kHz."""
        if not self._errands.do(lambda: self._push(self._encoder.sound(at_ns, samples))):
            self.num_left_out += 1

    def picture(self, at_ns: int, pixels: Pixels) -> None:
        """Take a picture, RGB; left out and counted while too many wait."""
        if self._num_pictures >= _MOST_PICTURES:
            self.num_left_out += 1
            return
        self._num_pictures += 1
        if not self._errands.do(lambda: self._picture(at_ns, pixels)):
            self._num_pictures -= 1
            self.num_left_out += 1

    def end(self, error: str) -> None:
        """Encode what is left, then end the reader; does not wait."""
        self._errands.finish(lambda: self._end(error))

    def _picture(self, at_ns: int, pixels: Pixels) -> None:
        try:
            self._push(self._encoder.picture(at_ns, pixels))
        finally:
            self._num_pictures -= 1

    def _end(self, error: str) -> None:
        try:
            self._push(self._encoder.finish())
        finally:
            self._reader.end(error)

    def _push(self, packets: list[MediaPacket]) -> None:
        for packet in packets:
            self._reader.push_packet(packet)
