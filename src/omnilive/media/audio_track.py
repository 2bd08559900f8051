"""Encoded sound to chunks of 16 kHz mono, each placed by its timestamp.

Within a run of unbroken sound a sample's time is the run's start plus its index, never a sum
of durations. A hole of more than 40 ms ends the run and is reported as a gap, not filled with
silence; sound that overlaps what was already given is trimmed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, AudioChunk, Samples, StreamGap
from omnilive.media.contract import ReadOptions
from omnilive.media.timeline import Timeline

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream

_log = logging.getLogger(__name__)

HOLE_NS = 40_000_000
_DRIFT_NS = 15_000_000
_DRIFT_WEIGHT = 1 / 50
_NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE  # exact: 62 500


class AudioTrack:
    """Decodes one audio track into events in source time (the reader moves them on)."""

    def __init__(
        self,
        stream: AudioStream,
        timeline: Timeline,
        options: ReadOptions,
        *,
        from_ns: int,
        number: int,
    ) -> None:
        self._stream = stream
        self._decoder = stream.codec_context
        self._timeline = timeline
        self._number = number
        self._chunk = max(1, options.chunk_ns // _NS_PER_SAMPLE)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        # The run: where its input and its output start, how much came in, how much went out.
        self._start_ns = from_ns
        self._run_ns = from_ns
        self._in_samples = 0
        self._out_samples = 0
        self._skip = 0
        self._drift_ns = 0.0
        self._held: list[Samples] = []
        self._num_held = 0
        self._heard_ns = from_ns  # sound before this time was given, or is not wanted
        self._expected_ns = from_ns
        self.num_failed = 0
        self.num_samples = 0

    @property
    def horizon_ns(self) -> int:
        """No sound that is still to come lies before this time."""
        return self._run_ns + self._out_samples * _NS_PER_SAMPLE

    @property
    def end_ns(self) -> int:
        """Where the sound that was decoded ends."""
        return max(self._expected_ns, self._heard_ns) if self.num_samples else 0

    def feed(self, packet: Packet[AudioStream]) -> list[AudioChunk | StreamGap]:
        """Take one packet (its timestamps already moved onto the timeline)."""
        import av.error

        try:
            frames = self._decoder.decode(packet)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            return []
        return [event for frame in frames for event in self._take(frame)]

    def finish(self) -> list[AudioChunk | StreamGap]:
        """Return what is left; the track is over."""
        import av.error

        events: list[AudioChunk | StreamGap] = []
        try:
            for frame in self._decoder.decode(None):
                events += self._take(frame)
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
        return events + self._end_run()

    def _take(self, frame: AudioFrame) -> list[AudioChunk | StreamGap]:
        import av.error

        if frame.samples <= 0 or frame.sample_rate <= 0:
            return []
        events: list[AudioChunk | StreamGap] = []
        at_ns = self._time_of(frame)
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        off_ns = at_ns - self._expected_ns
        self._drift_ns += (off_ns - self._drift_ns) * _DRIFT_WEIGHT
        if shape != self._shape or abs(off_ns) > HOLE_NS or abs(self._drift_ns) > _DRIFT_NS:
            first = self._shape is None
            events += self._end_run()
            silent_ns = max(self._expected_ns, self._heard_ns)
            if at_ns - silent_ns > HOLE_NS:
                reason = "The sound starts later." if first else "No sound came."
                events.append(
                    StreamGap(
                        stream=self._number,
                        start_ns=silent_ns,
                        end_ns=at_ns,
                        sense="audio",
                        reason=reason,
                    )
                )
            self._start_run(at_ns, shape)
        self._in_samples += frame.samples
        self._expected_ns = self._start_ns + self._in_samples * NS_PER_S // frame.sample_rate
        try:
            self._hold(self._resampled(frame))
        except (av.error.FFmpegError, ValueError) as error:
            self._failed(error)
            self._shape = None
            return events
        while self._num_held >= self._chunk:
            events.append(self._cut(self._chunk))
        return events

    def _start_run(self, at_ns: int, shape: tuple[int, str, str]) -> None:
        from av.audio.resampler import AudioResampler

        self._shape = shape
        self._drift_ns = 0.0
        self._in_samples = 0
        self._out_samples = 0
        self._start_ns = at_ns
        # Sound that was heard already (or lies before the wanted start) is trimmed away.
        self._skip = max(0, -(-(self._heard_ns - at_ns) // _NS_PER_SAMPLE))
        self._run_ns = at_ns + self._skip * _NS_PER_SAMPLE
        rate, sample_format, layout = shape
        # To integers on purpose: only then does FFmpeg mix channels down so that they cannot clip.
        plain = rate == SAMPLE_RATE and layout == "mono" and sample_format in ("flt", "fltp")
        self._resampler = None if plain else AudioResampler("s16", "mono", SAMPLE_RATE)

    def _end_run(self) -> list[AudioChunk | StreamGap]:
        if self._shape is None:
            return []
        import av.error

        self._shape = None
        if self._resampler is not None:
            try:
                for rest in self._resampler.resample(None):
                    self._hold([_samples(rest)])
            except (av.error.FFmpegError, ValueError) as error:
                self._failed(error)
        events: list[AudioChunk | StreamGap] = []
        while self._num_held > 0:
            events.append(self._cut(min(self._chunk, self._num_held)))
        return events

    def _resampled(self, frame: AudioFrame) -> list[Samples]:
        if self._resampler is None:
            return [_samples(frame)]
        frame.pts = None  # the resampler counts; placing is done here
        return [_samples(part) for part in self._resampler.resample(frame)]

    def _hold(self, parts: list[Samples]) -> None:
        for part in parts:
            if self._skip:
                dropped = min(self._skip, part.size)
                self._skip -= dropped
                part = part[dropped:]
            if part.size:
                self._held.append(part)
                self._num_held += part.size

    def _cut(self, count: int) -> AudioChunk:
        joined = np.concatenate(self._held)
        samples, rest = joined[:count], joined[count:]
        self._held = [rest] if rest.size else []
        self._num_held = rest.size
        at_ns = self._run_ns + self._out_samples * _NS_PER_SAMPLE
        self._out_samples += count
        self.num_samples += count
        self._heard_ns = at_ns + count * _NS_PER_SAMPLE
        return AudioChunk(stream=self._number, at_ns=at_ns, samples=np.ascontiguousarray(samples))

    def _time_of(self, frame: AudioFrame) -> int:
        if frame.pts is None or self._stream.time_base is None:
            return self._expected_ns
        base = self._stream.time_base
        raw_ns = frame.pts * base.numerator * NS_PER_S // base.denominator
        return raw_ns - self._timeline.base_ns

    def _failed(self, error: Exception) -> None:
        self.num_failed += 1
        if self.num_failed == 1:
            _log.info("Some sound could not be decoded (%s).", type(error).__name__)


def _samples(frame: AudioFrame) -> Samples:
    """Return a mono float frame as finite samples in -1..1."""
    samples = frame.to_ndarray().reshape(-1).astype(np.float32, copy=True)
    if frame.format.name == "s16":
        samples /= 32768.0
        return samples
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(samples, -1.0, 1.0, out=samples)
    return samples
