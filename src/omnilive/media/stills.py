"""One picture out of a recording or a file, decoded when somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, Pixels
from omnilive.media.pieces import FilePieces, FragmentPieces, Part, Pieces
from omnilive.media.pixels import upright_pixels
from omnilive.media.source import parse_source

_DEFAULT_SIDE = 1280


def still_at(recording: Path | Sequence[Part], at_ns: int, max_side: int = _DEFAULT_SIDE) -> Pixels:
    """Return the picture that is shown at `at_ns`.

    Args:
        recording: a file (then `at_ns` is source time) or fragments in order, beginning with
            one that holds a keyframe (then it is stream time).
        at_ns: when.
        max_side: the longer side is scaled down to this.

    Raises:
        MediaError: no picture can be decoded there.
    """
    pieces: Pieces
    if isinstance(recording, Path):
        pieces = FilePieces(parse_source(str(recording)), at_ns, at_ns + NS_PER_S)
    else:
        pieces = FragmentPieces(recording)
    best = _best_frame(pieces, at_ns)
    if best is None:
        raise MediaError("No picture can be decoded at that time.")
    frame, aspect = best
    return upright_pixels(frame, aspect, max_side)


def _best_frame(pieces: Pieces, at_ns: int) -> tuple[Any, Any] | None:
    """Return the last frame that starts at or before `at_ns` (else the first), and its aspect."""
    import av
    import av.error

    decoder: Any = None
    best = aspect = None
    times: dict[int, int] = {}
    passed = False
    for piece in pieces:
        if piece.stream.type != "video":
            continue
        if decoder is None:
            if not piece.packet.is_keyframe:
                continue
            # One decoder across fragments, because pictures refer to those of the fragment
            # before; an own one, because a container takes its decoders with it when it closes.
            context = piece.stream.codec_context
            decoder = av.CodecContext.create(context.codec.name, "r")
            if context.extradata:
                decoder.extradata = bytes(context.extradata)
            decoder.width, decoder.height = context.width, context.height
            aspect = piece.stream.sample_aspect_ratio
        times[piece.packet.pts] = piece.at_ns
        try:
            frames = decoder.decode(_copy(piece.packet))
        except (av.error.FFmpegError, ValueError):
            continue
        for frame in frames:
            if best is None or times.get(frame.pts, 0) <= at_ns:
                best = frame
            else:
                passed = True
        if passed:
            break
    if decoder is not None and not passed:
        for frame in decoder.decode(None):
            if best is None or times.get(frame.pts, 0) <= at_ns:
                best = frame
    return None if best is None else (best, aspect)


def _copy(packet: Any) -> Any:
    """Return a packet that belongs to no container."""
    import av

    copy = av.Packet(bytes(packet))
    copy.pts, copy.dts = packet.pts, packet.dts
    copy.time_base = packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy
