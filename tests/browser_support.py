"""A real Chromium with a scripted microphone and camera, and the files it hears and sees."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from omnilive.events import Samples
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample

RATE = 48_000
LEAD_S = 3.0  # the head of the file is lost while the browser starts to capture
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium() -> str:
    """Return where Chromium is; skips the test where it is not, except in CI, where it must be."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    if not path:
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium: .ci/run installs it.")
        pytest.skip("needs Chromium (Debian, Ubuntu: apt install chromium)")
    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install '.[dev]'")
    return path


def spoken(text: str, *, voice: str = "en-us", rate_wpm: int = 150) -> Samples:
    """Return a sentence at 48 kHz."""
    said = Espeak().synthesize(text, voice=voice, rate_wpm=rate_wpm, pitch=50)
    return resample(said.samples, said.sample_rate, RATE)


def cough(seconds: float = 0.45, seed: int = 1) -> Samples:
    """Return a throat being cleared: voiced, through a throat's resonances, and no word."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 * (1 - 0.4 * t / seconds)) / RATE
    voiced = sum(np.sin(n * phase) / n for n in range(1, 30))
    spectrum = np.fft.rfft(voiced + 0.8 * rng.standard_normal(t.size))
    hertz = np.fft.rfftfreq(t.size, 1 / RATE)
    throat = sum(
        1 / (1 + ((hertz - centre) / width) ** 2)
        for centre, width in ((800, 120), (1200, 150), (2600, 250))
    )
    envelope = np.minimum(1, t / 0.03) * np.minimum(1, (seconds - t) / 0.15)
    sound = np.fft.irfft(spectrum * throat, t.size) * envelope
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def write_microphone(path: Path, script: Sequence[tuple[float, Samples]], seconds: float) -> None:
    """Write what the microphone hears: each sound at its second after `LEAD_S`."""
    rng = np.random.default_rng(0)
    track = rng.standard_normal(round((LEAD_S + seconds) * RATE)).astype(np.float32) * 2e-4
    for at_s, samples in script:
        first = round((LEAD_S + at_s) * RATE)
        part = samples[: track.size - first]
        track[first : first + part.size] += part
    data = np.clip(np.rint(track * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())


def write_camera(path: Path, slides: Sequence[tuple[str, float]]) -> None:
    """Write what the camera sees, over and over: each text for some seconds, 30 pictures each."""
    font = ImageFont.load_default(64)
    with path.open("wb") as file:
        for index, (text, seconds) in enumerate(slides):
            shade = (40 + 60 * index % 160, 80, 160 - 50 * index % 120)
            picture = Image.new("RGB", (640, 480), shade)
            draw = ImageDraw.Draw(picture)
            draw.rectangle((60, 160, 580, 320), fill="white")
            draw.text((90, 200), text, fill="black", font=font)
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=80)
            file.write(buffer.getvalue() * round(30 * seconds))


@contextlib.contextmanager
def browser(
    microphone: Path | None = None, camera: Path | None = None, flags: Sequence[str] = ()
) -> Iterator[Any]:
    """Run Chromium; yields playwright's browser."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    arguments = [*FLAGS, *flags]
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    if camera is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=arguments, headless=True)
        try:
            yield running
        finally:
            running.close()
