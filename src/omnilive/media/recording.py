"""Collects the encoded packets of a live source into self-contained fragments.

A segment of the recording is fragments one after the other; each is a Matroska of its own, so
a byte range is enough to play it, and a crash can only lose the one being written. Nothing is
encoded again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from omnilive.events import MediaPacket
from omnilive.media.adts import strip_adts
from omnilive.media.matroska import CODECS, to_matroska

_DEFAULT_LIMIT = 128 << 20


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A stretch of recording.

    Attributes:
        data: a complete Matroska; its times are stream time in milliseconds.
        start_ns, end_ns: stream time of its first and behind its last packet.
        first_key_ns, key_ns: stream time of its first and of its last keyframe; None without.
        starts_with_key: whether its pictures can be decoded from its beginning (True if it has
            none). Where not, decoding starts at the `key_ns` of an earlier fragment.
        num_packets: how many packets it holds.
    """

    data: bytes
    start_ns: int
    end_ns: int
    first_key_ns: int | None
    key_ns: int | None
    starts_with_key: bool
    num_packets: int


class FragmentWriter:
    """Holds packets until they are cut off as a fragment; bounded, counting what it loses."""

    def __init__(self, max_bytes: int = _DEFAULT_LIMIT) -> None:
        """Make a writer that holds at most `max_bytes` of packets."""
        self._max_bytes = max_bytes
        self._packets: deque[MediaPacket] = deque()
        self._extradata: dict[tuple[int, bytes], bytes] = {}
        self._left_out: dict[str, None] = {}
        self.num_bytes = 0
        self.num_lost = 0

    @property
    def left_out(self) -> tuple[str, ...]:
        """Codecs that came but cannot be recorded."""
        return tuple(self._left_out)

    def add(self, packet: MediaPacket) -> None:
        """Take one packet; the oldest go (and are counted) when there are too many."""
        if packet.codec not in CODECS:
            self._left_out[packet.codec] = None
            return
        if packet.codec == "aac" and not packet.extradata:
            packet = self._plain_aac(packet)
        # The same bytes object for all packets of a track, not a copy in each.
        kept = self._extradata.setdefault((packet.track, packet.extradata), packet.extradata)
        if kept is not packet.extradata:
            packet = replace(packet, extradata=kept)
        self._packets.append(packet)
        self.num_bytes += len(packet.data)
        while self.num_bytes > self._max_bytes and len(self._packets) > 1:
            self.num_bytes -= len(self._packets.popleft().data)
            self.num_lost += 1

    def cut(self, up_to_ns: int) -> Fragment | None:
        """Return the packets that start before `up_to_ns` as a fragment; None if there are none.

        The cut is by decoding time, so pictures shown in another order than decoded stay together.
        """
        taken = [packet for packet in self._packets if packet.decode_ns < up_to_ns]
        if not taken:
            return None
        self._packets = deque(packet for packet in self._packets if packet.decode_ns >= up_to_ns)
        self.num_bytes = sum(len(packet.data) for packet in self._packets)
        if not self._packets:
            self._extradata.clear()
        video = [packet for packet in taken if packet.kind == "video"]
        keys = [packet.at_ns for packet in video if packet.is_key]
        return Fragment(
            data=to_matroska(taken),
            start_ns=min(packet.at_ns for packet in taken),
            end_ns=max(packet.at_ns + packet.duration_ns for packet in taken),
            first_key_ns=min(keys, default=None),
            key_ns=max(keys, default=None),
            starts_with_key=not video or video[0].is_key,
            num_packets=len(taken),
        )

    def _plain_aac(self, packet: MediaPacket) -> MediaPacket:
        plain = strip_adts(packet.data)
        if plain is None:
            return packet
        data, extradata = plain
        return replace(packet, data=data, extradata=extradata)
