"""Reads an open container: packets in, pictures, sound, ticks and gaps out.

Used as it is for files, and inside a child process for network sources and cameras.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, MediaPacket, StreamEnded, StreamGap, VideoFrame
from omnilive.media.audio_track import AudioTrack
from omnilive.media.contract import MediaEvent, ReadOptions, SourceInfo
from omnilive.media.demuxers import explain, open_container
from omnilive.media.merge import Merger
from omnilive.media.source import Source
from omnilive.media.timeline import Timeline
from omnilive.media.tracks import UNSEEKABLE, describe, is_still, pick_tracks
from omnilive.media.video_track import VideoTrack

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FILE_PATIENCE_NS = 10 * NS_PER_S
_LIVE_PATIENCE_NS = NS_PER_S // 2
# What FFmpeg says when the other side simply goes away.
_HANG_UPS = (errno.EIO, errno.ECONNRESET, errno.EPIPE)
_SOUND_LEAD_NS = NS_PER_S
# Formats whose header states how long the recording is, so that a missing end can be told.
_STATES_DURATION = ("mov", "matroska", "flac", "avi")
_MISSING_END_NS = 2 * NS_PER_S


class ContainerReader:
    """A `MediaReader` of one container in this process."""

    def __init__(self, source: Source, options: ReadOptions) -> None:
        """Open the source.

        Raises:
            MediaError: it cannot be opened, or holds nothing to watch or hear.
        """
        self._source = source
        self._options = options
        self._closed = False
        self._started = False
        self._container: InputContainer = open_container(source, options)
        try:
            self._video, self._sound = pick_tracks(self._container)
            self._still = is_still(self._container)
            self._info = describe(
                self._container,
                source,
                self._video,
                self._sound,
                still_ns=options.frame_interval_ns,
            )
        except BaseException:
            self._container.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        return self._info

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        # A container in use is let go by the iterator that reads it: closing it under another
        # thread's feet crashes the process.
        if not self._started:
            self._container.close()

    def events(
        self, *, stream: int, at_ns: int, wall_ns: int, from_ns: int = 0
    ) -> Iterator[MediaEvent]:
        """Yield the source's media in order of time (see `MediaReader`)."""
        if self._closed or self._started:
            raise MediaError(f"{self._source.shown} was closed or read already; open it again.")
        self._started = True
        reading = _Reading(self, stream=stream, wall_ns=wall_ns, from_ns=from_ns)
        try:
            for event in reading.events():
                yield moved(event, at_ns)
        finally:
            self._container.close()


class _Reading:
    """One pass over a container, in source time."""

    def __init__(self, reader: ContainerReader, *, stream: int, wall_ns: int, from_ns: int) -> None:
        self._reader = reader
        self._container = reader._container
        self._number = stream
        self._from_ns = from_ns
        self._info = reader.info
        self._record = reader._options.record and self._info.live
        start = self._container.start_time
        self._timeline = Timeline(None if start is None else start * 1000)
        live = self._info.live
        self._merger = Merger(
            stream=stream,
            from_ns=from_ns,
            patience_ns=_LIVE_PATIENCE_NS if live else _FILE_PATIENCE_NS,
            wall_of=(lambda _: time.time_ns()) if live else (lambda at_ns: wall_ns + at_ns),
        )
        options = reader._options
        self._video: VideoTrack | None = None
        self._sound: AudioTrack | None = None
        if reader._video is not None and options.perceive:
            self._video = VideoTrack(
                reader._video, self._timeline, options, from_ns=from_ns, live=live
            )
        if reader._sound is not None and options.perceive:
            self._sound = AudioTrack(
                reader._sound, self._timeline, options, from_ns=from_ns, number=stream
            )
        self._streams: list[VideoStream | AudioStream] = [
            track for track in (reader._video, reader._sound) if track is not None
        ]
        self._come: dict[int, int] = {track.index: from_ns for track in self._streams}
        self._num_packets = 0

    def events(self) -> Iterator[MediaEvent]:
        import av.error

        error = ""
        try:
            self._seek()
            for packet in self._container.demux(*self._streams):
                if self._reader._closed:
                    error = "Watching was stopped."
                    break
                # Empty packets carry nothing, and the decoders would take one for the end.
                if packet.size:
                    yield from self._take(packet)
        except (av.error.FFmpegError, OSError, ValueError) as failure:
            error = self._broken(failure)
        yield from self._finish(error)

    def _broken(self, failure: Exception) -> str:
        """Return one sentence about why the source could not be read to its end."""
        import av.error

        source = self._reader._source
        if self._info.live and isinstance(failure, av.error.ExitError | TimeoutError):
            return f"{source.shown} stalled: nothing came from it for some seconds."
        if self._info.live and getattr(failure, "errno", 0) in _HANG_UPS:
            return f"{source.shown} closed the connection."
        return explain(failure, source)

    def _seek(self) -> None:
        """Go near the wanted start. Only a short cut: what lies before is dropped anyway."""
        import av.error

        name = self._container.format.name
        if self._from_ns <= 0 or name in UNSEEKABLE or self._reader._still:
            return
        # A little earlier than wanted: sound may lie in the file before the picture it belongs to.
        target = (max(0, self._from_ns - _SOUND_LEAD_NS) + self._timeline.base_ns) // 1000
        try:
            self._container.seek(target, backward=True)
        except (av.error.FFmpegError, OSError):
            return

    def _take(self, packet: Packet[Any]) -> Iterator[MediaEvent]:
        self._num_packets += 1
        base = packet.time_base
        unit_ns = base.numerator * NS_PER_S / base.denominator
        raw = packet.dts if packet.dts is not None else packet.pts
        raw_ns = None if raw is None else raw * base.numerator * NS_PER_S // base.denominator
        duration_ns = round((packet.duration or 0) * unit_ns)
        before_ns = self._timeline.end_ns
        placed = self._timeline.place(packet.stream.index, raw_ns, duration_ns)
        if placed.jumped:
            self._merger.push(
                StreamGap(
                    stream=self._number,
                    start_ns=before_ns,
                    end_ns=placed.at_ns,
                    sense="both",
                    reason="The timestamps of the source jumped, so the true gap is not known.",
                )
            )
        if placed.offset_ns:
            shift = round(placed.offset_ns / unit_ns)
            if packet.pts is not None:
                packet.pts += shift
            if packet.dts is not None:
                packet.dts += shift
        at_ns = placed.at_ns
        if packet.pts is not None and packet.dts is not None:
            at_ns += round((packet.pts - packet.dts) * unit_ns)
        index = packet.stream.index
        self._come[index] = max(self._come[index], placed.at_ns)
        if self._record:
            self._merger.push(self._recorded(packet, at_ns, placed.at_ns, duration_ns))
        self._decode(packet, at_ns, placed.at_ns, duration_ns)
        yield from self._merger.ready(self._horizons(), placed.at_ns)

    def _decode(self, packet: Packet[Any], at_ns: int, decode_ns: int, duration_ns: int) -> None:
        if self._video is not None and packet.stream.type == "video":
            for shown_ns, pixels in self._video.feed(packet, at_ns, decode_ns, duration_ns):
                self._merger.push(VideoFrame(stream=self._number, at_ns=shown_ns, pixels=pixels))
        elif (
            self._sound is not None
            and packet.stream.type == "audio"
            and at_ns >= self._from_ns - _SOUND_LEAD_NS
        ):
            for event in self._sound.feed(packet):
                self._merger.push(event)

    def _horizons(self) -> list[int]:
        horizons = list(self._come.values()) if self._record else []
        if self._video is not None:
            horizons.append(self._video.horizon_ns)
        if self._sound is not None:
            horizons.append(self._sound.horizon_ns)
        return horizons or list(self._come.values())

    def _finish(self, error: str) -> Iterator[MediaEvent]:
        end_ns = max(self._timeline.end_ns, self._from_ns)
        if self._video is not None:
            end_ns = max(end_ns, self._video.end_ns)
            for shown_ns, pixels in self._video.finish():
                self._merger.push(VideoFrame(stream=self._number, at_ns=shown_ns, pixels=pixels))
        if self._sound is not None:
            for event in self._sound.finish():
                self._merger.push(event)
            if self._video is None and self._sound.end_ns:
                end_ns = self._from_ns  # padding of the last packet (MP3, AAC) is no sound
            end_ns = max(end_ns, self._sound.end_ns)
        if self._reader._still:
            end_ns = max(self._reader._options.frame_interval_ns, self._from_ns)
        yield from self._merger.rest(end_ns)
        yield StreamEnded(stream=self._number, at_ns=end_ns, error=error or self._defect(end_ns))

    def _defect(self, end_ns: int) -> str:
        """Return a sentence if the source ended as it should not have."""
        shown = self._reader._source.shown
        video, sound = self._video, self._sound
        if self._info.live and not self._container.format.name.startswith("hls"):
            # Only a playlist can say that it is over; a camera never means to stop.
            return f"{shown} closed the connection."
        if self._num_packets == 0:
            return "" if self._from_ns else f"{shown} holds no pictures and no sound."
        failed = (video.num_failed if video else 0) + (sound.num_failed if sound else 0)
        got = (video.num_frames if video else 0) + (sound.num_samples if sound else 0)
        if failed and not got:
            return f"Nothing in {shown} could be decoded; the file is damaged or encrypted."
        stated = self._info.duration_ns
        name = self._container.format.name
        if (
            stated is not None
            and not self._reader._still
            and name.startswith(_STATES_DURATION)
            and end_ns < stated - _MISSING_END_NS
        ):
            return (
                f"{shown} ends after {end_ns / NS_PER_S:.1f} s of {stated / NS_PER_S:.1f} s: "
                "it is cut off or damaged; what it held was kept."
            )
        return ""

    def _recorded(
        self, packet: Packet[Any], at_ns: int, decode_ns: int, duration_ns: int
    ) -> MediaPacket:
        stream = packet.stream
        context = stream.codec_context
        is_video = stream.type == "video"
        return MediaPacket(
            stream=self._number,
            track=stream.index,
            codec=context.codec.canonical_name,
            kind="video" if is_video else "audio",
            at_ns=at_ns,
            decode_ns=decode_ns,
            duration_ns=duration_ns,
            is_key=packet.is_keyframe,
            data=bytes(packet),
            extradata=bytes(context.extradata or b""),
            width=context.width if is_video else 0,
            height=context.height if is_video else 0,
            sample_rate=0 if is_video else context.sample_rate,
            channels=0 if is_video else context.layout.nb_channels,
        )


def moved(event: MediaEvent, by_ns: int) -> MediaEvent:
    """Return `event` with its stream times moved by `by_ns`."""
    if by_ns == 0:
        return event
    if isinstance(event, StreamGap):
        return replace(event, start_ns=event.start_ns + by_ns, end_ns=event.end_ns + by_ns)
    if isinstance(event, MediaPacket):
        return replace(event, at_ns=event.at_ns + by_ns, decode_ns=event.decode_ns + by_ns)
    return replace(event, at_ns=event.at_ns + by_ns)
