"""The microphone and the loudspeaker of this machine, or files that stand for them.

A microphone calls with every piece that it hears, a loudspeaker whenever it needs more to play;
both in a thread of their own that must not be held up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples

Pcm: TypeAlias = NDArray[np.int16]
Heard: TypeAlias = Callable[[int, Samples], None]
"""Takes 16 kHz mono sound and when its first sample sounded, on the monotonic clock, in ns."""
Wanted: TypeAlias = Callable[[int], Pcm]
"""Returns so many samples to be played, 48 kHz mono; must not wait."""

OUT_RATE = 48_000
_PIECE_S = 0.02
_MOST_PIECES = 500  # 10 s of sound that nobody has taken
_LEAVE_S = 5.0


class Microphone(Protocol):
    """Hears."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing but silence will come any more (the end of a file)."""
        ...

    def start(self, heard: Heard) -> None:
        """Begin to hear; `heard` is called from one thread, in order."""
        ...

    def close(self) -> None:
        """Let go; `heard` is not called after that. Safe to call twice."""
        ...


class Loudspeaker(Protocol):
    """Plays."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def output_ms(self) -> float:
        """How long it takes until what was given sounds."""
        ...

    def start(self, wanted: Wanted) -> None:
        """Begin to play what `wanted` returns."""
        ...

    def close(self) -> None:
        """Let go; `wanted` is not called after that. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """One device of this machine.

    Attributes:
        number: by which it can be named; the numbers change when devices come and go.
        name: of the device and its driver.
        inputs, outputs: channels.
        is_input, is_output: whether it is the one that is taken when none is named.
    """

    number: int
    name: str
    inputs: int
    outputs: int
    is_input: bool
    is_output: bool


def list_devices(portaudio: Any = None) -> list[DeviceEntry]:
    """Return the sound devices of this machine.

    Args:
        portaudio: the `sounddevice` module, or something like it.

    Raises:
        MediaError: the PortAudio library is missing or broken.
    """
    library = portaudio or load_portaudio()
    try:
        devices = list(library.query_devices())
        hosts = list(library.query_hostapis())
        first_in, first_out = (int(number) for number in library.default.device)
    except library.PortAudioError as problem:
        raise MediaError("The sound system of this machine does not answer.") from problem
    return [
        DeviceEntry(
            number=number,
            name=f"{device['name']} ({hosts[device['hostapi']]['name']})",
            inputs=int(device["max_input_channels"]),
            outputs=int(device["max_output_channels"]),
            is_input=number == first_in,
            is_output=number == first_out,
        )
        for number, device in enumerate(devices)
    ]


def load_portaudio() -> Any:
    """Return the `sounddevice` module.

    Raises:
        MediaError: the PortAudio library is missing.
    """
    try:
        import sounddevice
    except OSError as problem:
        raise MediaError(
            "The PortAudio library is missing; install it (Debian, Ubuntu: apt install "
            "libportaudio2), or use files: --input-device file:talk.wav "
            "--output-device file:answers.wav."
        ) from problem
    return sounddevice


class DeviceMicrophone:
    """A microphone of this machine.

    Args:
        device: its number or a part of its name; "" is the default one.
        now_ns: the monotonic clock.
        portaudio: the `sounddevice` module, or something like it.

    Raises:
        MediaError: there is none, or it cannot be used.
        UsageError: no device is called so.
    """

    def __init__(self, device: str, now_ns: Callable[[], int], *, portaudio: Any = None) -> None:
        library = portaudio or load_portaudio()
        self._now_ns = now_ns
        self._queue: queue.SimpleQueue[tuple[int, bool, Samples] | None] = queue.SimpleQueue()
        self._heard: Heard | None = None
        self._lost = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="omnilive mic", daemon=True)
        number = _number(library, device, "input")
        try:
            about = library.query_devices(number, "input")
            self.name = str(about["name"])
            self._rate = _input_rate(library, number, about)
            self._stream = library.InputStream(
                device=number,
                samplerate=self._rate,
                channels=1,
                dtype="float32",
                blocksize=round(self._rate * _PIECE_S),
                latency="low",
                callback=self._take,
            )
        except (library.PortAudioError, ValueError) as problem:
            raise MediaError(
                "There is no microphone that works; connect one or allow its use, choose another "
                "(--list-devices, --input-device), or talk in writing: --input-device none."
            ) from problem
        self._place = SoundCardTime(self._rate)

    @property
    def is_over(self) -> bool:
        """A microphone never is."""
        return False

    def start(self, heard: Heard) -> None:
        """Begin to hear."""
        self._heard = heard
        self._thread.start()
        self._stream.start()

    def close(self) -> None:
        """Let go of the device."""
        if self._closed:
            return
        self._closed = True
        _let_go(self._stream)
        self._queue.put(None)
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE_S)

    def _take(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """Take a piece in PortAudio's thread, in which nothing may wait or fail."""
        if self._queue.qsize() >= _MOST_PIECES:
            self._lost = True
            return
        is_broken = bool(status.input_overflow) or self._lost
        self._lost = False
        self._queue.put((self._now_ns(), is_broken, data[:, 0].copy()))

    def _work(self) -> None:
        from av.audio.resampler import AudioResampler

        assert self._heard is not None
        resampler: AudioResampler | None = None
        start_ns = given = 0
        while (piece := self._queue.get()) is not None:
            now_ns, is_broken, samples = piece
            begins = self._place.take(samples.size, now_ns, is_broken=is_broken)
            if begins is not None:
                # What the filter of the run before still holds is a millisecond: not missed.
                start_ns, given = begins, 0
                plain = self._rate == SAMPLE_RATE
                resampler = None if plain else AudioResampler("flt", "mono", SAMPLE_RATE)
            sound = samples if resampler is None else _resampled(resampler, samples, self._rate)
            if sound.size and not self._closed:
                self._heard(start_ns + given * NS_PER_S // SAMPLE_RATE, sound)
            given += sound.size


class SoundCardTime:
    """Where pieces of a microphone belong: by their samples, not by when they came.

    A sound card's clock drifts against the machine's, and a piece may come late; neither is a
    hole. Only where the card says that it lost something, or comes out of a long silence, a new
    run begins by the machine's clock.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._start_ns = 0
        self._num_samples = -1

    def take(self, size: int, now_ns: int, *, is_broken: bool) -> int | None:
        """Take a piece that has just ended; return where a new run begins, None within one."""
        begins_ns = now_ns - size * NS_PER_S // self._rate
        if self._num_samples >= 0:
            expected_ns = self._start_ns + self._num_samples * NS_PER_S // self._rate
            if not is_broken and begins_ns - expected_ns < NS_PER_S:
                self._num_samples += size
                return None
            begins_ns = max(begins_ns, expected_ns)
        self._start_ns, self._num_samples = begins_ns, size
        return begins_ns


class DeviceLoudspeaker:
    """A loudspeaker of this machine, taking 48 kHz.

    Args:
        device: its number or a part of its name; "" is the default one.
        portaudio: the `sounddevice` module, or something like it.

    Raises:
        MediaError: there is none, or it cannot be used.
        UsageError: no device is called so.
    """

    def __init__(self, device: str, *, portaudio: Any = None) -> None:
        library = portaudio or load_portaudio()
        self._wanted: Wanted | None = None
        self._closed = False
        number = _number(library, device, "output")
        try:
            about = library.query_devices(number, "output")
            self.name = str(about["name"])
            self._stream = library.OutputStream(
                device=number,
                samplerate=OUT_RATE,
                channels=1,
                dtype="int16",
                blocksize=round(OUT_RATE * _PIECE_S),
                latency="low",
                callback=self._give,
            )
        except (library.PortAudioError, ValueError) as problem:
            raise MediaError(
                "There is no loudspeaker that works; connect one, choose another "
                "(--list-devices, --output-device), or read the answers: --no-speak."
            ) from problem

    @property
    def output_ms(self) -> float:
        """What the device says of its own buffers."""
        return float(self._stream.latency) * 1000

    def start(self, wanted: Wanted) -> None:
        """Begin to play."""
        self._wanted = wanted
        self._stream.start()

    def close(self) -> None:
        """Let go of the device."""
        if not self._closed:
            self._closed = True
            _let_go(self._stream)

    def _give(self, out: Any, frames: int, times: Any, status: Any) -> None:
        """Fill a piece in PortAudio's thread, in which nothing may wait or fail."""
        if self._wanted is None or self._closed:
            out[:] = 0
            return
        out[:, 0] = self._wanted(frames)


def _number(library: Any, device: str, kind: str) -> int | None:
    """Return the number of the device that is meant; None for the default."""
    if not device:
        return None
    channels = "inputs" if kind == "input" else "outputs"
    entries = [entry for entry in list_devices(library) if getattr(entry, channels)]
    if device.isdecimal():
        found = [entry for entry in entries if entry.number == int(device)]
    else:
        found = [entry for entry in entries if device.casefold() in entry.name.casefold()]
        # Some names are a part of others.
        found = [e for e in found if e.name.split(" (")[0].casefold() == device.casefold()] or found
    if not found:
        raise UsageError(f'No {kind} device is called "{device}"; see --list-devices.')
    return found[0].number


def _input_rate(library: Any, number: int | None, about: Any) -> int:
    """Return 16 kHz if the device gives it, else its own rate."""
    try:
        library.check_input_settings(
            device=number, channels=1, dtype="float32", samplerate=SAMPLE_RATE
        )
    except (library.PortAudioError, ValueError):
        return int(about["default_samplerate"])
    return SAMPLE_RATE


def _resampled(resampler: Any, samples: Samples, rate: int) -> Samples:
    from av import AudioFrame

    frame = AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def _let_go(stream: Any) -> None:
    # A device that was pulled out must not make the end of the program fail.
    try:
        stream.abort()
        stream.close()
    except Exception:
        return
