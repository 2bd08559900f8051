"""Microphone and loudspeaker over a fake sound card that is played by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.sound_device import (
    OUT_RATE,
    DeviceLoudspeaker,
    DeviceMicrophone,
    SoundCardTime,
    list_devices,
)

MS = 1_000_000


class CardError(Exception):
    pass


class Stream:
    """A stream of the fake card."""

    def __init__(self, card: Card, **options: Any) -> None:
        if card.broken:
            raise CardError("Invalid sample rate")
        self.options = options
        self.latency = 0.012
        self.state = "made"
        card.streams.append(self)

    def start(self) -> None:
        self.state = "started"

    def abort(self) -> None:
        self.state = "aborted"
        raise CardError("the device was pulled out")

    def close(self) -> None:
        self.state = "closed"

    def hear(self, samples: np.ndarray, *, overflow: bool = False) -> None:
        status = SimpleNamespace(input_overflow=overflow)
        self.options["callback"](samples[:, np.newaxis], samples.size, None, status)

    def play(self, size: int = 960) -> np.ndarray:
        out = np.full((size, 1), 99, np.int16)
        self.options["callback"](out, size, None, None)
        return out[:, 0]


class Card:
    """What is used of the `sounddevice` module."""

    PortAudioError = CardError

    def __init__(self, *, rate: int = 48_000, takes_16k: bool = True, broken: bool = False) -> None:
        self.broken = broken
        self.streams: list[Stream] = []
        self.default = SimpleNamespace(device=(0, 1))
        self._takes_16k = takes_16k
        names = [("Built-in Microphone", 2, 0), ("Built-in Speaker", 0, 2), ("USB Headset", 1, 2)]
        names.append(("Headset", 1, 0))
        self._devices = [
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": float(rate),
            }
            for name, inputs, outputs in names
        ]

    def query_devices(self, number: int | None = None, kind: str = "") -> Any:
        if not kind:
            return self._devices
        if self.broken:
            raise CardError("Error querying device -1")
        return self._devices[number if number is not None else (0 if kind == "input" else 1)]

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def check_input_settings(self, **options: Any) -> None:
        if not self._takes_16k:
            raise CardError("Invalid sample rate")

    def InputStream(self, **options: Any) -> Stream:  # noqa: N802
        return Stream(self, **options)

    def OutputStream(self, **options: Any) -> Stream:  # noqa: N802
        return Stream(self, **options)


class Ears:
    """Takes what a microphone hears."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Samples]] = []
        self._changed = threading.Condition()

    def __call__(self, at_ns: int, samples: Samples) -> None:
        with self._changed:
            self.pieces.append((at_ns, samples))
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.pieces) >= count, 30)


def hearing(
    card: Card, now: Callable[[], int], device: str = ""
) -> tuple[DeviceMicrophone, Ears, Stream]:
    microphone = DeviceMicrophone(device, now, portaudio=card)
    ears = Ears()
    microphone.start(ears)
    return microphone, ears, card.streams[-1]


def test_a_microphone_places_its_sound_by_the_samples_and_not_by_when_they_came() -> None:
    times = iter([1_000 * MS, 1_027 * MS, 1_039 * MS])
    microphone, ears, stream = hearing(Card(), lambda: next(times))
    assert stream.options["samplerate"] == SAMPLE_RATE
    whole = np.arange(960, dtype=np.float32) / 2**16
    for n in range(3):
        stream.hear(whole[n * 320 : (n + 1) * 320])
    ears.wait_for(3)
    microphone.close()
    assert [at for at, _ in ears.pieces] == [980 * MS, 1_000 * MS, 1_020 * MS]
    np.testing.assert_array_equal(np.concatenate([s for _, s in ears.pieces]), whole)
    assert microphone.is_over is False


def test_sound_that_the_card_lost_is_a_hole() -> None:
    times = iter([1_000 * MS, 1_520 * MS])
    microphone, ears, stream = hearing(Card(), lambda: next(times))
    stream.hear(np.zeros(320, np.float32))
    stream.hear(np.zeros(320, np.float32), overflow=True)
    ears.wait_for(2)
    microphone.close()
    assert [at for at, _ in ears.pieces] == [980 * MS, 1_500 * MS]


def test_a_card_of_another_rate_is_resampled() -> None:
    now_ns = 0

    def now() -> int:
        return now_ns

    microphone, ears, stream = hearing(Card(rate=44_100, takes_16k=False), now)
    assert stream.options["samplerate"] == 44_100
    at = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 500 * at).astype(np.float32)
    for n in range(50):
        now_ns = (n + 1) * 20 * MS
        stream.hear(tone[n * 882 : (n + 1) * 882])
        ears.wait_for(n + 1)  # a machine that is late would drop pieces, as it should
    ears.wait_for(50)
    microphone.close()
    sound = np.concatenate([samples for _, samples in ears.pieces])
    assert sound.size == pytest.approx(SAMPLE_RATE, abs=64)
    expected = np.sin(2 * np.pi * 500 * np.arange(sound.size) / SAMPLE_RATE)
    assert np.abs(sound[200:-200] - expected[200:-200]).max() < 0.02
    # Each piece begins where the one before ends.
    ends = [start + s.size * NS_PER_S // SAMPLE_RATE for start, s in ears.pieces]
    starts = [start for start, _ in ears.pieces]
    assert all(abs(b - a) <= 1 for a, b in zip(ends, starts[1:], strict=False))


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 400), st.booleans()), min_size=1))
def test_runs_of_a_sound_card_never_overlap(pieces: list[tuple[int, int, bool]]) -> None:
    place = SoundCardTime(SAMPLE_RATE)
    now_ns = 10**9
    end_ns = 0
    for size, later_ms, is_broken in pieces:
        now_ns += size * NS_PER_S // SAMPLE_RATE + later_ms * MS
        begins = place.take(size, now_ns, is_broken=is_broken)
        if begins is not None:
            assert begins >= end_ns
            end_ns = begins
        end_ns += size * NS_PER_S // SAMPLE_RATE
        # However late, it is never placed into the future.
        assert end_ns <= now_ns + 2 * len(pieces)


def test_a_loudspeaker_plays_what_it_is_given_and_nothing_after_its_end() -> None:
    card = Card()
    loudspeaker = DeviceLoudspeaker("", portaudio=card)
    (stream,) = card.streams
    assert not stream.play().any()
    loudspeaker.start(lambda size: np.full(size, 5, np.int16))
    assert stream.options["samplerate"] == OUT_RATE
    assert (stream.play() == 5).all()
    assert loudspeaker.output_ms == 12.0
    loudspeaker.close()
    loudspeaker.close()
    assert not stream.play().any()


def test_nothing_is_heard_after_the_end_and_a_callback_is_never_held_up() -> None:
    microphone, ears, stream = hearing(Card(), lambda: 0)
    microphone.close()
    microphone.close()
    for _ in range(2_000):  # a card that does not stop, and nobody who takes it
        stream.hear(np.zeros(320, np.float32))
    assert ears.pieces == []
    assert microphone._queue.qsize() <= 501


def test_devices_are_found_by_number_and_by_name() -> None:
    card = Card()
    assert DeviceMicrophone("headset", lambda: 0, portaudio=card).name == "Headset"
    assert DeviceMicrophone("usb", lambda: 0, portaudio=card).name == "USB Headset"
    assert DeviceMicrophone("2", lambda: 0, portaudio=card).name == "USB Headset"
    assert DeviceLoudspeaker("headset", portaudio=card).name == "USB Headset"
    for wrong in ("1", "99", "gramophone"):
        with pytest.raises(UsageError, match="--list-devices"):
            DeviceMicrophone(wrong, lambda: 0, portaudio=card)


def test_what_does_not_work_says_what_to_do() -> None:
    card = Card(broken=True)
    with pytest.raises(MediaError, match="--input-device"):
        DeviceMicrophone("", lambda: 0, portaudio=card)
    with pytest.raises(MediaError, match="--no-speak"):
        DeviceLoudspeaker("", portaudio=card)


def test_the_list_says_which_devices_are_taken() -> None:
    entries = list_devices(Card())
    assert [(e.name, e.inputs, e.outputs, e.is_input, e.is_output) for e in entries[:3]] == [
        ("Built-in Microphone (ALSA)", 2, 0, True, False),
        ("Built-in Speaker (ALSA)", 0, 2, False, True),
        ("USB Headset (ALSA)", 1, 2, False, False),
    ]
