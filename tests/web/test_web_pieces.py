"""The small parts of the transports: the beat, the outbox, errands, sound and pictures in."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from av import AudioFrame
from PIL import Image

from omnilive.events import AudioChunk, StreamGap
from omnilive.media.pictures import to_jpeg
from omnilive.media.pushed import PushedReader
from omnilive.media.resampling import resample
from omnilive.web.beat import PIECE_S, Beat
from omnilive.web.errands import Errands
from omnilive.web.inbound_audio import InboundSound
from omnilive.web.inbound_video import InboundPictures, jpeg_pixels
from omnilive.web.outbox import Outbox
from omnilive.web.placing import PicturePlace, SoundPlace, Unwrapped
from omnilive.web.sound_health import SoundHealth
from omnilive.web.websocket import SampleClock
from web_support import best_match, spoken

MS = 1_000_000


def test_the_beat_does_not_drift_and_catches_up_by_ten_pieces_at_most() -> None:
    beat = Beat(100.0)
    now = 100.0
    for number in range(5000):
        now += beat.wait_s(now) + 0.0007  # every sleep is a little too long
        assert beat.next() == number
    assert now - 100.0 == pytest.approx(4999 * PIECE_S, abs=0.01)
    assert beat.moved_s == 0.0
    now += 3.0
    burst = 0
    while beat.wait_s(now) == 0.0:
        beat.next()
        burst += 1
    assert burst <= 11
    assert beat.moved_s == pytest.approx(2.8, abs=0.1)


def test_rtp_times_unwrap() -> None:
    times = Unwrapped()
    start = (1 << 32) - 2000
    steps = [0, 960, 1920, 960, 2880, 3840]
    assert [times.count((start + step) % (1 << 32)) for step in steps] == steps


def test_times_of_a_page_are_exact_in_a_run_and_believed_after_a_hole() -> None:
    clock = SampleClock()
    jitter = [0, 3, -4, 9, -20, 5]
    placed = [clock.place((1000 + 100 * n + j) * MS, 1600) for n, j in enumerate(jitter)]
    assert placed == [(1000 + 100 * n) * MS for n in range(6)]
    assert clock.place(2_500 * MS, 1600) == 2_500 * MS
    assert clock.place(2_603 * MS, 1600) == 2_600 * MS


def test_the_outbox_keeps_order_and_only_the_newest_level_and_partial() -> None:
    outbox = Outbox()
    outbox.put({"event": "partial", "id": "u1", "text": "what"})
    outbox.put({"event": "level", "rms_db": -50.0})
    outbox.put({"event": "floor", "state": "user"})
    outbox.put({"event": "partial", "id": "u1", "text": "what is"})
    outbox.put({"event": "partial", "id": "u2", "text": "no"})
    outbox.put({"event": "level", "rms_db": -20.0})
    outbox.put({"event": "floor", "state": "listening"})
    taken = []
    while (text := outbox.take()) is not None:
        taken.append(json.loads(text))
    assert [each.get("text") or each.get("rms_db") or each["state"] for each in taken] == [
        "what is",
        -20.0,
        "user",
        "no",
        "listening",
    ]
    assert outbox.num_replaced == 2


@pytest.mark.parametrize("size", [10, 100_000])
def test_the_outbox_is_bounded_and_says_when_its_reader_is_too_slow(size: int) -> None:
    outbox = Outbox()
    number = 0
    while not outbox.is_full:
        outbox.put({"event": "answer_text", "delta": "x" * size})
        number += 1
        assert number <= 5000
    for _ in range(100):
        outbox.put({"event": "answer_text", "delta": "x"})
    left = 0
    while outbox.take() is not None:
        left += 1
    assert left == number


def test_levels_never_fill_the_outbox() -> None:
    outbox = Outbox()
    for number in range(10_000):
        outbox.put({"event": "level", "rms_db": number})
    assert not outbox.is_full
    assert json.loads(outbox.take() or "")["rms_db"] == 9999


def test_errands_are_done_in_order_and_refused_when_too_many_wait() -> None:
    errands = Errands("test")
    release = threading.Event()
    done: list[int] = []
    errands.do(lambda: release.wait() and None)
    accepted = [number for number in range(2000) if errands.do(lambda n=number: done.append(n))]
    assert accepted == list(range(len(accepted)))
    assert len(accepted) <= 1001
    assert errands.num_refused == 2000 - len(accepted)
    release.set()
    errands.finish(lambda: done.append(-1))
    assert errands.join(60)
    assert done[-1] == -1
    # Only where there is no room for the last one does the oldest go.
    assert done[:-1] == accepted[-(len(done) - 1) :]
    assert len(done) >= len(accepted) - 1


def test_an_errand_that_fails_does_not_stop_the_others() -> None:
    errands = Errands("test")
    done: list[int] = []
    errands.do(lambda: done.append(1 // 0))
    errands.finish(lambda: done.append(1))
    assert errands.join(60)
    assert done == [1]


# --- sound --------------------------------------------------------------------------------


class Ear:
    """Inbound sound into a reader, and what comes out of it."""

    def __init__(self) -> None:
        self.reader = PushedReader(has_video=False, has_audio=True, record=False, name="a test")
        self.health = SoundHealth(0)
        self.given: list[np.ndarray] = []
        self.sound = InboundSound(
            self.reader,
            SoundPlace(),
            self.health,
            on_sound=lambda at_ns, samples: self.given.append(samples),
        )

    def frames(self, wide: np.ndarray, pieces: list[int], *, late_ms: int = 0) -> None:
        """Give the pieces of 20 ms that have these numbers, as aiortc decodes them."""
        for number in pieces:
            part = np.rint(wide[number * 960 : number * 960 + 960] * 32767).astype(np.int16)
            stereo = np.repeat(part, 2)[np.newaxis]
            frame = AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
            frame.sample_rate = 48_000
            self.sound.take(frame, number * 20 * MS, (number * 20 + late_ms) * MS)

    def out(self) -> tuple[list[AudioChunk], list[StreamGap]]:
        self.sound.finish()
        self.reader.end()
        events = list(self.reader.events(stream=1, at_ns=0, wall_ns=0))
        return (
            [each for each in events if isinstance(each, AudioChunk)],
            [each for each in events if isinstance(each, StreamGap)],
        )


def test_decoded_sound_comes_through_sample_by_sample() -> None:
    said = spoken("Nothing of this may be missing.")
    wide = resample(said, 16_000, 48_000)
    wide = wide[: wide.size // 960 * 960]
    ear = Ear()
    ear.frames(wide, list(range(wide.size // 960)))
    chunks, gaps = ear.out()
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert not gaps
    assert abs(heard.size - wide.size // 3) <= 1
    at, alike = best_match(said[: heard.size - 100], heard)
    assert abs(at) <= 1
    assert alike > 0.999


def test_a_hole_in_the_times_is_a_gap_and_what_follows_stands_where_it_belongs() -> None:
    at = np.arange(3 * 48_000) / 48_000
    wide = (0.3 * np.sin(2 * np.pi * (200 * at + 300 * at**2))).astype(np.float32)
    ear = Ear()
    ear.frames(wide, [*range(50), *range(80, 150)])
    chunks, gaps = ear.out()
    assert len(gaps) == 1
    assert gaps[0].start_ns == pytest.approx(1_000 * MS, abs=MS)
    assert gaps[0].end_ns == pytest.approx(1_600 * MS, abs=MS)
    whole = resample(wide, 48_000, 16_000)
    for chunk in chunks[1:-1]:
        first = chunk.at_ns // 62_500
        there = whole[first : first + chunk.samples.size]
        assert best_match(chunk.samples, there)[1] > 0.98


def test_pictures_that_come_too_fast_are_left_out_and_counted() -> None:
    reader = PushedReader(has_video=True, has_audio=False, record=False, name="a test")
    release = threading.Event()
    recorded: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        pictures = InboundPictures(
            reader,
            PicturePlace(SoundPlace()),
            pool,
            interval_ns=1000 * MS,
            max_side=64,
            on_picture=lambda at_ns, pixels: recorded.append(at_ns),
            record_fps=5.0,
        )
        blocked = pool.submit(release.wait)
        jpeg = to_jpeg(np.full((90, 160, 3), 120, np.uint8))
        for number in range(30):
            pictures.take(jpeg, number * 33 * MS, number * 33 * MS)
        assert pictures.counts.received == 30
        assert pictures.counts.left_out > 0
        assert pictures.counts.taken == 1
        release.set()
        blocked.result()
        pictures.wait()
        for number in range(30, 100):
            pictures.take(jpeg, number * 33 * MS, number * 33 * MS)
            pictures.wait()
    assert pictures.counts.taken == 4
    assert len(recorded) == pytest.approx(1 + 70 * 0.033 * 5, abs=2)
    reader.end()
    sizes = {
        e.pixels.shape for e in reader.events(stream=1, at_ns=0, wall_ns=0) if hasattr(e, "pixels")
    }
    assert sizes == {(36, 64, 3)}


def test_pictures_from_outside_that_are_none() -> None:
    good = to_jpeg(np.full((90, 160, 3), 120, np.uint8))
    huge = io.BytesIO()
    Image.new("L", (9000, 9000)).save(huge, "JPEG")
    png = io.BytesIO()
    Image.new("RGB", (9, 9)).save(png, "PNG")
    for bad in (b"", b"\xff\xd8", good[: len(good) // 3], huge.getvalue(), png.getvalue()):
        assert jpeg_pixels(bad, 640) is None
    pixels = jpeg_pixels(good, 80)
    assert pixels is not None
    assert pixels.shape == (45, 80, 3)
