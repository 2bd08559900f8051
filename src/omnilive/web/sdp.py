"""What is checked in an offer before aiortc sees it, and what is set in the answer.

WHIP (RFC 9725) brings the offer, RFC 8840 the candidates that follow it. An offer is text from
outside: its size, its sections and its candidates are bounded here. The answer says how the
browser shall send: mono Opus that never stops sending in silence (RFC 7587, `usedtx=0`), because a
pause that was not sent looks like lost sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from omnilive.errors import ProtocolError

MOST_BYTES = 64 << 10
"""Of an offer; Chromium's with every codec is about 8 KiB."""
_MOST_LINES = 2000
_MOST_CANDIDATES = 400  # a machine with 16 addresses names each four times a section
_KINDS = ("audio", "video", "application")
_VIDEO_CODECS = ("VP8", "H264")
_OPUS = "minptime=10;stereo=0;sprop-stereo=0;usedtx=0"

_M_LINE = re.compile(r"m=([a-z]+) (\d{1,5}) ([A-Za-z/]+) (.+)")
_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) ([A-Za-z0-9.-]+)/(\d+)(?:/(\d+))?")


class UnsupportedMedia(ProtocolError):
    """The offer is well formed, but what it offers cannot be received here."""

    def __init__(self, text: str) -> None:
        super().__init__(text, "unsupported_media")


class Section(NamedTuple):
    """One media section of an offer: its kind, its `mid`, and its lines (the m-line first)."""

    kind: str
    mid: str
    lines: tuple[str, ...]

    @property
    def sends(self) -> bool:
        """Whether the other side sends here (no direction means both, RFC 8866)."""
        return "a=recvonly" not in self.lines and "a=inactive" not in self.lines

    @property
    def receives(self) -> bool:
        """Whether the other side wants to receive here."""
        return "a=sendonly" not in self.lines and "a=inactive" not in self.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A checked offer.

    Attributes:
        sdp: for aiortc, without candidates that are not used.
        mid: of the section whose transport carries all (the first of the bundle).
        has_audio, has_video: whether sound, whether pictures will come.
        wants_audio: whether the other side wants to hear us.
        has_channel: whether it opens a data channel.
    """

    sdp: str
    mid: str
    has_audio: bool
    has_video: bool
    wants_audio: bool
    has_channel: bool


def read_offer(text: str) -> Offer:
    """Return the offer, checked and without what is not used.

    Raises:
        ProtocolError: it is no SDP offer, or larger than any real one.
        UnsupportedMedia: more tracks than one microphone and one camera, or a codec nobody has.
    """
    lines = _lines(text)
    if not lines or lines[0] != "v=0" or not any(line.startswith("m=") for line in lines):
        raise ProtocolError("The offer is not SDP; send what the browser's createOffer gave.")
    head, sections = _sections(lines)
    kinds = [section.kind for section in sections]
    for kind in kinds:
        if kind not in _KINDS:
            raise UnsupportedMedia(f"A section of kind {kind[:20]!r} cannot be received.")
        if kinds.count(kind) > 1:
            raise UnsupportedMedia(
                "An offer may have one microphone, one camera and one data channel; leave the "
                "others out."
            )
    mids = [section.mid for section in sections]
    bundle = next((line.split()[1:] for line in head if line.startswith("a=group:BUNDLE")), [])
    if not all(mids) or len(set(mids)) != len(mids) or set(bundle) != set(mids):
        raise ProtocolError("All sections of the offer must lie in one BUNDLE group.")
    for needed in ("a=fingerprint:", "a=ice-ufrag:", "a=ice-pwd:"):
        if not any(line.startswith(needed) for line in lines):
            raise ProtocolError(f"The offer has no {needed[2:-1]}; it cannot be a browser's.")
    by_kind = {section.kind: section for section in sections}
    audio, video = by_kind.get("audio"), by_kind.get("video")
    if audio is not None and not _payloads(audio, ("opus",)):
        raise UnsupportedMedia("Sound must be offered as Opus at 48 kHz.")
    if video is not None and not _payloads(video, _VIDEO_CODECS):
        raise UnsupportedMedia("Pictures must be offered as VP8 or H.264.")
    return Offer(
        sdp="\r\n".join(_usable(lines)) + "\r\n",
        mid=bundle[0],
        has_audio=audio is not None and audio.sends,
        has_video=video is not None and video.sends,
        wants_audio=audio is not None and audio.receives,
        has_channel="application" in by_kind,
    )


def set_answer(text: str) -> str:
    """Return our answer with the parameters of Opus set: mono, and sending in silence too."""
    head, sections = _sections(text.splitlines())
    out = list(head)
    for section in sections:
        payloads = _payloads(section, ("opus",)) if section.kind == "audio" else []
        for line in section.lines:
            fmtp = re.match(r"a=fmtp:(\d+) ", line)
            if fmtp and fmtp[1] in payloads:
                continue
            out.append(line)
            mapped = _RTPMAP.fullmatch(line)
            if mapped and mapped[1] in payloads:
                out.append(f"a=fmtp:{mapped[1]} {_OPUS}")
    return "\r\n".join(out) + "\r\n"


class Fragment(NamedTuple):
    """A `trickle-ice-sdpfrag` (RFC 8840): the sender's ICE name and its candidates."""

    ufrag: str
    candidates: tuple[str, ...]


def read_fragment(text: str) -> Fragment:
    """Return the candidates of a PATCH; the end of candidates may come alone or not at all.

    Raises:
        ProtocolError: it is no such fragment, or has more candidates than any real one.
    """
    lines = _lines(text)
    if not lines or any(not re.match(r"[a-z]=", line) for line in lines):
        raise ProtocolError("The candidates are not an SDP fragment (RFC 8840).")
    ufrag = next((line[12:] for line in lines if line.startswith("a=ice-ufrag:")), "")
    candidates = [line[12:] for line in _usable(lines) if line.startswith("a=candidate:")]
    return Fragment(ufrag, tuple(candidates))


def ufrag_of(text: str) -> str:
    """Return the first ICE user name of a description; "" if it has none."""
    found = re.search(r"^a=ice-ufrag:(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def _lines(text: str) -> list[str]:
    if len(text) > MOST_BYTES:
        raise ProtocolError(f"The description is longer than {MOST_BYTES >> 10} KiB.")
    if re.search(r"[^\x20-\x7e\r\n\t]", text):
        raise ProtocolError("The description holds characters that SDP does not use here.")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        raise ProtocolError(f"The description has more than {_MOST_LINES} lines.")
    if sum(line.startswith("a=candidate:") for line in lines) > _MOST_CANDIDATES:
        raise ProtocolError(f"More than {_MOST_CANDIDATES} candidates were sent.")
    return lines


def _sections(lines: list[str]) -> tuple[list[str], list[Section]]:
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > len(_KINDS):
        raise UnsupportedMedia(
            "An offer may have one microphone, one camera and one data channel; leave the "
            "others out."
        )
    sections = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        part = tuple(lines[start:end])
        shape = _M_LINE.fullmatch(part[0])
        if shape is None:
            raise ProtocolError("A media line of the offer cannot be read.")
        mid = next((line[6:] for line in part if line.startswith("a=mid:")), "")
        sections.append(Section(shape[1], mid, part))
    return lines[: starts[0]] if starts else lines, sections


def _payloads(section: Section, codecs: tuple[str, ...]) -> list[str]:
    """Return the payload types of a section that carry one of `codecs`."""
    wanted = {codec.lower() for codec in codecs}
    shape = _M_LINE.fullmatch(section.lines[0])
    offered = shape[4].split() if shape else []
    found = []
    for line in section.lines:
        mapped = _RTPMAP.fullmatch(line)
        if mapped and mapped[1] in offered and mapped[2].lower() in wanted:
            rate = 48_000 if mapped[2].lower() == "opus" else 90_000
            if int(mapped[3]) == rate:
                found.append(mapped[1])
    return found


def _usable(lines: list[str]) -> list[str]:
    """Leave out candidates that are not used here, and the end of candidates.

    Names of multicast DNS would make this machine ask the whole network, and TCP is not spoken;
    the browser's own checks make such a peer known all the same (peer-reflexive, RFC 8445). The
    end of candidates would make the connection fail before those checks have come.
    """
    kept = []
    for line in lines:
        if line.startswith("a=end-of-candidates"):
            continue
        if line.startswith("a=candidate:"):
            parts = line[12:].split()
            if len(parts) < 8 or parts[2].lower() != "udp" or parts[4].endswith(".local"):
                continue
        kept.append(line)
    return kept
