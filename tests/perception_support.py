"""What the tests of perception share: feeding a stage, sounds, pictures and small fakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Clip,
    Event,
    Pixels,
    Samples,
    StreamEnded,
    StreamStarted,
    TextLine,
    Tick,
    VideoFrame,
    Voice,
    Watermark,
)
from omnilive.media.espeak import Espeak
from omnilive.perception.recognition import Transcript
from omnilive.stage import Stage

SAMPLE_NS = NS_PER_S // SAMPLE_RATE


def started(
    at_ns: int = 0, *, video: bool = False, audio: bool = False, voice: Voice = "ambient"
) -> StreamStarted:
    return StreamStarted(
        stream=3,
        name="room",
        epoch=1,
        at_ns=at_ns,
        wall_ns=1_790_000_000 * NS_PER_S,
        zone="UTC",
        origin="live",
        voice=voice,
        has_video=video,
        has_audio=audio,
        live=True,
        source="test",
    )


def tick(at_s: float) -> Tick:
    return Tick(stream=3, at_ns=round(at_s * NS_PER_S), wall_ns=0)


def ended(at_ns: int) -> StreamEnded:
    return StreamEnded(stream=3, at_ns=at_ns)


def frame(at_s: float, pixels: Pixels) -> VideoFrame:
    return VideoFrame(stream=3, at_ns=round(at_s * NS_PER_S), pixels=pixels)


def feed(stage: Stage, events: Iterable[Event]) -> list[Event]:
    cancel = Cancel()
    return [answer for event in events for answer in stage.push(event, cancel)]


def chunks(samples: Samples, sizes: Sequence[int], at_ns: int = 0) -> Iterator[AudioChunk]:
    """Cut sound into chunks of the given sizes, again and again."""
    start = turn = 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        yield AudioChunk(
            stream=3, at_ns=at_ns + start * SAMPLE_NS, samples=samples[start : start + size]
        )
        start += size
        turn += 1


# --- sounds -----------------------------------------------------------------------------


def hush(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def tone(seconds: float, frequency: float = 880.0, amplitude: float = 0.3) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def noise(seconds: float, amplitude: float, seed: int = 0) -> Samples:
    generator = np.random.default_rng(seed)
    return generator.normal(0, amplitude, round(seconds * SAMPLE_RATE)).astype(np.float32)


def speak(text: str, voice: str = "en-us") -> tuple[Samples, list[tuple[str, float, float]]]:
    """Return speech at 16 kHz without silence at its ends, and the true times of its words."""
    spoken = Espeak().synthesize(text, voice, rate_wpm=150)
    times = np.arange(int(len(spoken.samples) * SAMPLE_RATE / spoken.sample_rate)) / SAMPLE_RATE
    samples = np.interp(
        times, np.arange(len(spoken.samples)) / spoken.sample_rate, spoken.samples
    ).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.005)
    first, last = int(loud[0]), int(loud[-1]) + 1
    words = [
        (word.text, word.start_s - first / SAMPLE_RATE, word.end_s - first / SAMPLE_RATE)
        for word in spoken.words
    ]
    return samples[first:last], words


class LoudVoice:
    """A voice activity that hears a voice wherever it is loud; it remembers nothing."""

    def __init__(self) -> None:
        self.num_asked = 0

    def start(self) -> LoudVoice:
        return self

    def reset(self) -> None:
        """Nothing to forget."""

    def probability(self, block: Samples) -> float:
        self.num_asked += 1
        return min(float(np.abs(block).mean()) * 10, 1.0)


class NoVoice(LoudVoice):
    """A voice activity that never hears a voice."""

    def probability(self, block: Samples) -> float:
        self.num_asked += 1
        return 0.0


class CountingRecogniser:
    """Writes down how many samples it was given, in words."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        self.lengths.append(len(samples))
        return Transcript(text=f"there were {len(samples)} of them")

    def close(self) -> None:
        """Nothing to release."""


# --- pictures ---------------------------------------------------------------------------


class ListReader:
    """A reader that knows what each picture says: the pixel at the top left is its number."""

    def __init__(self, pages: dict[int, Sequence[TextLine]] | None = None) -> None:
        self.pages = pages or {}
        self.num_readings = 0

    def read(self, pixels: Pixels, cancel: Cancel) -> tuple[TextLine, ...]:
        self.num_readings += 1
        return tuple(self.pages.get(int(pixels[0, 0, 0]), ()))

    def close(self) -> None:
        """Nothing to release."""


def line(text: str, left: float = 0.1, top: float = 0.2, confidence: float = 0.99) -> TextLine:
    return TextLine(text, confidence, left, top, left + 0.02 * len(text), top + 0.06)


def draw(
    width: int,
    height: int,
    *,
    background: tuple[int, int, int] = (40, 60, 80),
    texts: Sequence[tuple[str, float, float, int]] = (),
    ball: tuple[float, float] | None = None,
) -> Pixels:
    """Draw a scene; positions are fractions, text sizes pixels."""
    image = Image.new("RGB", (width, height), background)
    pen = ImageDraw.Draw(image)
    for text, left, top, size in texts:
        light = sum(background) < 380
        pen.text(
            (left * width, top * height),
            text,
            fill=(240, 240, 240) if light else (20, 20, 20),
            font=ImageFont.load_default(size),
        )
    if ball is not None:
        x, y, r = ball[0] * width, ball[1] * height, height * 0.06
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(220, 60, 60))
    return np.asarray(image)


def grain(pixels: Pixels, sigma: float, seed: int) -> Pixels:
    """Return the picture with the noise of a camera on it."""
    generator = np.random.default_rng(seed)
    noisy = pixels + generator.normal(0, sigma, pixels.shape).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def clips_of(events: Iterable[Event]) -> list[Clip]:
    return [event for event in events if isinstance(event, Clip)]


def watermarks_of(events: Iterable[Event]) -> list[int]:
    return [event.at_ns for event in events if isinstance(event, Watermark)]
