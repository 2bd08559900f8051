"""Writes encoded packets as one small Matroska in memory, without any library.

PyAV cannot give a new track the codec's set-up bytes (extradata) without a template stream,
and a fragment of a recording has only its packets. The format (RFC 9559) is simple enough:
elements of id, length and content. Streams in Annex B form (from RTSP) are kept as they are;
FFmpeg reads them, and the export to mp4 rewrites them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from omnilive.events import MediaPacket

_NS_PER_UNIT = 1_000_000
_LONGEST_CLUSTER = 30_000  # units; a block's time is 16 bits, relative to its cluster

_VIDEO_IDS = {
    "h264": "V_MPEG4/ISO/AVC",
    "hevc": "V_MPEGH/ISO/HEVC",
    "vp8": "V_VP8",
    "vp9": "V_VP9",
    "av1": "V_AV1",
    "mjpeg": "V_MJPEG",
    "mpeg4": "V_MPEG4/ISO/ASP",
    "mpeg2video": "V_MPEG2",
    "mpeg1video": "V_MPEG1",
}
_SOUND_IDS = {
    "aac": "A_AAC",
    "opus": "A_OPUS",
    "mp3": "A_MPEG/L3",
    "mp2": "A_MPEG/L2",
    "ac3": "A_AC3",
    "eac3": "A_EAC3",
    "flac": "A_FLAC",
    "vorbis": "A_VORBIS",
    "pcm_s16le": "A_PCM/INT/LIT",
    "pcm_s16be": "A_PCM/INT/BIG",
}
# Sound that Matroska knows by its number in WAVE files, and bits a sample.
_WAVE_TAGS = {"pcm_alaw": (0x0006, 8), "pcm_mulaw": (0x0007, 8), "adpcm_g722": (0x028F, 4)}
CODECS = frozenset(_VIDEO_IDS) | frozenset(_SOUND_IDS) | frozenset(_WAVE_TAGS)


class Track(NamedTuple):
    """What tells one track's set-up from another's; packets that agree in it belong together."""

    number: int
    kind: str
    codec: str
    extradata: bytes
    width: int
    height: int
    sample_rate: int
    channels: int

    @classmethod
    def of(cls, packet: MediaPacket) -> Track:
        """Return the track that a packet belongs to."""
        return cls(
            packet.track,
            packet.kind,
            packet.codec,
            packet.extradata,
            packet.width,
            packet.height,
            packet.sample_rate,
            packet.channels,
        )


def to_matroska(packets: Sequence[MediaPacket]) -> bytes:
    """Return a complete Matroska holding `packets` (in the order of decoding a track).

    Block times are stream time in milliseconds, so a fragment says by itself where it belongs.
    """
    tracks = {
        track: number for number, track in enumerate(dict.fromkeys(map(Track.of, packets)), 1)
    }
    info = _element(
        0x1549A966,
        _uint(0x2AD7B1, _NS_PER_UNIT) + _text(0x4D80, "omnilive") + _text(0x5741, "omnilive"),
    )
    entries = b"".join(
        _entry(track, number, _usual_duration(track, packets)) for track, number in tracks.items()
    )
    body = info + _element(0x1654AE6B, entries) + b"".join(_clusters(packets, tracks))
    return _head() + _element(0x18538067, body)


def _head() -> bytes:
    return _element(
        0x1A45DFA3,
        _uint(0x4286, 1)
        + _uint(0x42F7, 1)
        + _uint(0x42F2, 4)
        + _uint(0x42F3, 8)
        + _text(0x4282, "matroska")
        + _uint(0x4287, 4)
        + _uint(0x4285, 2),
    )


def _entry(track: Track, number: int, duration_ns: int) -> bytes:
    codec_id, private, bits = _codec(track)
    parts = [
        _uint(0xD7, number),
        _uint(0x73C5, number),
        _uint(0x83, 1 if track.kind == "video" else 2),
        _uint(0x9C, 0),
        _text(0x86, codec_id),
    ]
    if private:
        parts.append(_element(0x63A2, private))
    if track.kind == "video":
        if duration_ns:
            parts.append(_uint(0x23E383, duration_ns))
        parts.append(_element(0xE0, _uint(0xB0, track.width) + _uint(0xBA, track.height)))
    else:
        sound = _element(0xB5, struct.pack(">d", track.sample_rate)) + _uint(0x9F, track.channels)
        parts.append(_element(0xE1, sound + (_uint(0x6264, bits) if bits else b"")))
    return _element(0xAE, b"".join(parts))


def _codec(track: Track) -> tuple[str, bytes, int]:
    """Return the codec's Matroska name, its set-up bytes and the bits of a sample (0: unsaid)."""
    if track.kind == "video":
        return _VIDEO_IDS[track.codec], track.extradata, 0
    if track.codec in _WAVE_TAGS:
        tag, bits = _WAVE_TAGS[track.codec]
        rate, channels = track.sample_rate, track.channels
        wave = struct.pack(
            "<HHIIHHH",
            tag,
            channels,
            rate,
            rate * channels * bits // 8,
            max(1, channels * bits // 8),
            bits,
            0,
        )
        return "A_MS/ACM", wave, bits
    private = track.extradata
    if track.codec == "flac" and not private.startswith(b"fLaC"):
        # FFmpeg keeps the stream information alone; the file form has a marker and a block head.
        private = b"fLaC\x80" + len(private).to_bytes(3, "big") + private
    bits = 16 if track.codec.startswith("pcm_s16") else 0
    return _SOUND_IDS[track.codec], b"" if bits else private, bits


def _usual_duration(track: Track, packets: Iterable[MediaPacket]) -> int:
    spans = sorted(
        packet.duration_ns
        for packet in packets
        if packet.kind == "video" and packet.duration_ns > 0 and Track.of(packet) == track
    )
    return spans[len(spans) // 2] if spans else 0


def _clusters(packets: Sequence[MediaPacket], tracks: dict[Track, int]) -> Iterable[bytes]:
    times = [max(0, round(packet.at_ns / _NS_PER_UNIT)) for packet in packets]
    start = 0
    while start < len(packets):
        low = high = times[start]
        end = start
        while end < len(packets):
            new_low, new_high = min(low, times[end]), max(high, times[end])
            if new_high - new_low > _LONGEST_CLUSTER:
                break
            low, high = new_low, new_high
            end += 1
        blocks = b"".join(
            _block(packets[i], tracks[Track.of(packets[i])], times[i] - low)
            for i in range(start, end)
        )
        yield _element(0x1F43B675, _uint(0xE7, low) + blocks)
        start = end


def _block(packet: MediaPacket, number: int, relative: int) -> bytes:
    flags = 0x80 if packet.is_key else 0
    return _element(0xA3, _length(number) + struct.pack(">hB", relative, flags) + packet.data)


def _element(identity: int, content: bytes) -> bytes:
    name = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    return name + _length(len(content)) + content


def _length(value: int) -> bytes:
    """Return `value` as a number that says its own length in its leading zero bits."""
    size = 1
    while value >= (1 << (7 * size)) - 1:
        size += 1
    return (value | (1 << (7 * size))).to_bytes(size, "big")


def _uint(identity: int, value: int) -> bytes:
    return _element(identity, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _text(identity: int, value: str) -> bytes:
    return _element(identity, value.encode())
