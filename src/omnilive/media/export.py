"""Cuts a playable clip out of a recording, or out of a user's own file, without re-encoding.

It starts at the keyframe at or before the wanted start, because nothing before a keyframe can
be decoded. The packets are read twice: once to see what there is (decoding times are made from
the sorted presentation times, since fragments do not carry them), once to write.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.media.pieces import FilePieces, FragmentPieces, Part, Pieces
from omnilive.media.source import parse_source

_MP4_CODECS = frozenset(
    ("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mjpeg")
    + ("aac", "mp3", "opus", "ac3", "eac3", "flac", "alac")
)
# FFmpeg writes telephone sound (G.711) into neither mp4 nor Matroska.
_MOV_CODECS = frozenset(("pcm_alaw", "pcm_mulaw", "pcm_s16le", "pcm_s16be"))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A clip that was written, and the span of time that it covers (at least what was asked)."""

    path: Path
    start_ns: int
    end_ns: int


def export_clip(parts: Sequence[Part], start_ns: int, end_ns: int, out: Path) -> Exported:
    """Write the span of a recording as a playable file.

    Args:
        parts: fragments in order of time, beginning with the one that holds the keyframe.
        start_ns: stream time from which the clip is wanted.
        end_ns: stream time at which it may end.
        out: where to; the suffix becomes .mov or .mkv where a codec does not fit into mp4.

    Raises:
        MediaError: there is nothing to play in that span, or it cannot be written.
    """
    return _write(FragmentPieces(parts), start_ns, end_ns, out)


def export_from_file(path: Path, start_ns: int, end_ns: int, out: Path) -> Exported:
    """Write a span (source time) of a user's own file as a playable file; see `export_clip`."""
    pieces = FilePieces(parse_source(str(path)), start_ns, end_ns)
    return _write(pieces, start_ns, end_ns, out, never=path)


class _Plan(NamedTuple):
    """Which packets of each kind are written, and when the pictures are decoded."""

    templates: dict[str, tuple[Any, ...]]
    first: dict[str, int]
    last: dict[str, int]
    decode_ns: list[int]
    zero_ns: int
    end_ns: int


def _write(
    pieces: Pieces, start_ns: int, end_ns: int, out: Path, never: Path | None = None
) -> Exported:
    import av
    import av.error

    plan = _plan(pieces, start_ns, end_ns)
    codecs = {signature[1] for signature in plan.templates.values()}
    suffix, container_format = _container_for(codecs)
    path = out.with_suffix(suffix)
    if never is not None and path.exists() and path.samefile(never):
        raise MediaError(f"{path} is the recording itself; choose another name for the clip.")
    partial = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(partial), "w", format=container_format) as container:
            _mux(pieces, plan, container)
        os.replace(partial, path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise MediaError(f"The clip could not be written to {path}: {reason}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return Exported(path=path, start_ns=plan.zero_ns, end_ns=plan.end_ns)


def _container_for(codecs: set[str]) -> tuple[str, str]:
    """Return suffix and FFmpeg's name of the most widely played container that takes `codecs`."""
    if codecs <= _MP4_CODECS:
        return ".mp4", "mp4"
    if codecs <= _MP4_CODECS | _MOV_CODECS:
        return ".mov", "mov"
    return ".mkv", "matroska"


def _plan(pieces: Pieces, start_ns: int, end_ns: int) -> _Plan:
    """Go through the packets once and choose."""
    templates: dict[str, tuple[Any, ...]] = {}
    seen: dict[str, list[tuple[int, int, bool]]] = {"video": [], "audio": []}
    for piece in pieces:
        kind = piece.stream.type
        if kind not in seen:
            continue
        # After a change of codec or size the packets fit no track that was begun before.
        if templates.setdefault(kind, _signature(piece.stream)) == _signature(piece.stream):
            seen[kind].append((piece.at_ns, piece.duration_ns, piece.packet.is_keyframe))
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    zero_ns = start_ns
    keys = [i for i, (at, _, key) in enumerate(seen["video"]) if key and at < end_ns]
    if keys:
        before = [i for i in keys if seen["video"][i][0] <= start_ns]
        first["video"] = max(before, key=lambda i: seen["video"][i][0]) if before else keys[0]
        zero_ns = min(zero_ns, seen["video"][first["video"]][0])
    for kind, entries in seen.items():
        if kind == "audio":
            wanted = [i for i, (at, _, _) in enumerate(entries) if zero_ns <= at < end_ns]
            if wanted:
                first[kind] = wanted[0]
        if kind in first:
            last[kind] = max(i for i, (at, _, _) in enumerate(entries) if at < end_ns)
    if not first:
        raise MediaError("There is nothing to play in that span.")
    if "video" not in first:
        zero_ns = seen["audio"][first["audio"]][0]
    shown = [at for at, _, _ in seen["video"]][first.get("video", 0) : last.get("video", -1) + 1]
    until = max(
        at + duration
        for kind in first
        for at, duration, _ in seen[kind][first[kind] : last[kind] + 1]
    )
    return _Plan(
        {kind: templates[kind] for kind in first},
        first,
        last,
        _decoding_times(shown),
        zero_ns,
        until,
    )


def _decoding_times(shown_ns: Sequence[int]) -> list[int]:
    """Return decoding times for packets in decoding order that are shown at `shown_ns`.

    Sorted presentation times, moved back until no packet is shown before it is decoded.
    """
    ordered = sorted(shown_ns)
    delay = max(
        (sorted_at - at for sorted_at, at in zip(ordered, shown_ns, strict=True)), default=0
    )
    return [at - delay for at in ordered]


def _mux(pieces: Pieces, plan: _Plan, container: Any) -> None:
    """Go through the packets again and write those that were chosen."""
    import av

    outputs: dict[str, Any] = {}
    counts = {kind: itertools.count() for kind in plan.first}
    waiting: list[tuple[str, Any]] = []
    last_decode: dict[str, int] = {}
    for piece in pieces:
        kind = piece.stream.type
        if kind not in plan.first or _signature(piece.stream) != plan.templates[kind]:
            continue
        index = next(counts[kind])
        if not plan.first[kind] <= index <= plan.last[kind]:
            continue
        if kind not in outputs:
            outputs[kind] = container.add_stream_from_template(piece.stream, opaque=True)
        at_ns = piece.at_ns
        decode_ns = at_ns
        if kind == "video":
            decode_ns = plan.decode_ns[index - plan.first[kind]]
            first_shown_ns = plan.decode_ns[0]
            if at_ns < first_shown_ns:
                continue
        # Two packets of a millisecond's rounding apart may meet; writers want them rising.
        decode_ns = max(decode_ns, last_decode.get(kind, decode_ns - 1) + 1)
        last_decode[kind] = decode_ns
        packet = av.Packet(bytes(piece.packet))
        packet.time_base = Fraction(1, NS_PER_S)
        packet.pts = max(at_ns, decode_ns) - plan.zero_ns
        packet.dts = decode_ns - plan.zero_ns
        packet.duration = piece.duration_ns
        packet.is_keyframe = piece.packet.is_keyframe
        waiting.append((kind, packet))
        # The header needs every track, so nothing is written before all have shown up.
        if len(outputs) == len(plan.first):
            for waiting_kind, held in waiting:
                held.stream = outputs[waiting_kind]
                container.mux(held)
            waiting.clear()


def _signature(stream: Any) -> tuple[Any, ...]:
    context = stream.codec_context
    size = (context.width, context.height) if stream.type == "video" else (context.sample_rate,)
    return (stream.type, context.codec.canonical_name, bytes(context.extradata or b""), *size)
