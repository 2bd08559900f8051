"""The real server and its page in a real Chromium: what a person would do, and what was played."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from browser_support import browser
from omnilive.events import SAMPLE_RATE, Samples
from omnilive.media.resampling import resample
from omnilive.presets import embedded
from omnilive.system import Config
from omnilive.web.server import Server, ServerOptions

PATIENCE_S = 120.0  # a bound that is never reached, not a promise
_MOST_STRETCHES = 8  # of a phrase, evenly, are looked for
_RECORD = """() => {
  const {context, node} = omnilive.output();
  const tap = context.createScriptProcessor(2048, 1, 1);
  window.played = [];
  tap.onaudioprocess = (event) => {
    const samples = event.inputBuffer.getChannelData(0);
    let loudest = 0;
    for (const each of samples) loudest = Math.max(loudest, Math.abs(each));
    window.played.push({at: performance.now(), loudest, samples: samples.slice()});
  };
  node.connect(tap);
  tap.connect(context.destination);
}"""


def config(**live: Any) -> Config:
    """Return the embedded preset with other live settings."""
    usual = embedded()
    return dataclasses.replace(usual, live=dataclasses.replace(usual.live, **live))


@contextlib.contextmanager
def server(store: Path, with_config: Config | None = None) -> Iterator[Server]:
    """Run the real server on loopback."""
    with Server(with_config or config(), store, ServerOptions(port=0)) as running:
        yield running


class Visit:
    """One tab."""

    def __init__(self, page: Any, running: Server, link: str = "") -> None:
        self.page = page
        self.server = running
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(link or running.link)

    def start(self, *, record: bool = True) -> Visit:
        """Press the button and wait until media flow."""
        self.page.click("#start-talking")
        self.until("omnilive.state().connection === 'live'")
        if record:
            self.page.evaluate(_RECORD)
        return self

    def reload(self) -> Visit:
        """Load the page anew; it goes on by itself."""
        self.page.reload()
        self.until("window.omnilive && omnilive.state().connection === 'live'")
        return self

    def until(self, condition: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a condition in the page; playwright's polling needs eval, which the CSP bars."""
        deadline = time.monotonic() + patience_s
        while not self.page.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition}: {self.seen()}"
            self.page.wait_for_timeout(50)

    def seen(self) -> str:
        """Return what the page knows, for a failure's message."""
        return str(self.page.evaluate("[omnilive.state(), omnilive.received()]"))

    def received(self, event: str) -> int:
        """Return how many messages of a kind came."""
        return int(self.page.evaluate(f"omnilive.received()['{event}'] || 0"))

    def until_received(self, event: str, number: int = 1) -> None:
        """Wait for the number-th message of a kind."""
        self.until(f"(omnilive.received()['{event}'] || 0) >= {number}")

    def floor(self) -> str:
        """Return who has the floor, as the page knows it."""
        return str(self.page.evaluate("omnilive.state().floor"))

    def type(self, question: str) -> None:
        """Ask in writing."""
        self.page.fill("#ask-text", question)
        self.page.press("#ask-text", "Enter")

    def answer(self) -> str:
        """Return the newest answer, as the server keeps it."""
        turns = self.page.evaluate("fetch('/v1/turns').then((r) => r.json())")
        return str(turns["turns"][-1]["answer"])

    def transcript(self) -> str:
        """Return everything in the conversation."""
        return str(self.page.inner_text("#transcript"))

    def now_ms(self) -> float:
        """Return the page's clock."""
        return float(self.page.evaluate("performance.now()"))

    def played(self, from_ms: float = 0.0, to_ms: float = float("inf")) -> Samples:
        """Return what the loudspeaker was given, at 16 kHz."""
        blocks = self.page.evaluate(
            "([a, b]) => window.played.filter((e) => e.at >= a && e.at < b)"
            ".map((e) => e.loudest > 0.0005 ? Array.from(e.samples, (s) => Math.round(s * 32767))"
            " : e.samples.length)",
            [from_ms, min(to_ms, 1e15)],
        )
        parts = [
            np.zeros(each, np.float32)
            if isinstance(each, int)
            else np.asarray(each, np.float32) / 32767
            for each in blocks
        ]
        if not parts:
            return np.zeros(0, np.float32)
        rate = int(self.page.evaluate("omnilive.output().context.sampleRate"))
        return resample(np.concatenate(parts), rate, SAMPLE_RATE)

    def until_silent(self, seconds: float = 1.0) -> None:
        """Wait until the loudspeaker has been silent for a while."""
        self.until(
            "window.played.filter((e) => e.at > performance.now() - "
            f"{1000 * seconds}).every((e) => e.loudest < 0.001) && "
            f"window.played.length && performance.now() - window.played[0].at > {1000 * seconds}"
        )

    def until_sounding(self) -> None:
        """Wait until something is heard."""
        self.until("window.played.slice(-10).some((e) => e.loudest > 0.02)")


@contextlib.contextmanager
def visit(
    running: Server,
    microphone: Path | None = None,
    camera: Path | None = None,
    *,
    size: tuple[int, int] = (1280, 800),
    dark: bool = False,
    locale: str = "en-US",
    before: str = "",
) -> Iterator[Visit]:
    """Open the page in a fresh browser; `before` is a script that runs ahead of the page's own."""
    with browser(microphone, camera) as chromium:
        context = chromium.new_context(
            permissions=["camera", "microphone"],
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            locale=locale,
        )
        if before:
            context.add_init_script(before)
        tab = Visit(context.new_page(), running)
        yield tab
        assert tab.errors == []


def phrases(answer: str) -> list[Samples]:
    """Return an answer phrase by phrase, as it is spoken, at 16 kHz."""
    from omnilive.speech.phrases import PhraseSplitter
    from omnilive.speech.synthesizer import EspeakSynthesizer

    splitter = PhraseSplitter(60, 200)
    sounds = [
        EspeakSynthesizer().synthesize(each) for each in (*splitter.push(answer), *splitter.flush())
    ]
    return [resample(each.samples, each.sample_rate, SAMPLE_RATE) for each in sounds]


def heard_share(phrase: Samples, played: Samples) -> float:
    """Return how much of a phrase is in what was played, 0..1: stretch by stretch, anywhere.

    Codec and jitter buffer change little within 200 ms; a correlation of 0.65 is no accident.
    """
    size = SAMPLE_RATE // 5
    stretches = [phrase[i : i + size] for i in range(0, len(phrase) - size, size)]
    loud = [each for each in stretches if np.sqrt(np.mean(each**2)) > 0.02]
    if not loud or len(played) < size:
        return 0.0
    loud = loud[:: -(-len(loud) // _MOST_STRETCHES)]
    length = 1 << (len(played) + size).bit_length()
    spectrum = np.fft.rfft(played, length)
    energy = np.convolve(played.astype(np.float64) ** 2, np.ones(size), "valid")
    found = 0
    for each in loud:
        match = np.fft.irfft(spectrum * np.conj(np.fft.rfft(each, length)), length)
        scale = np.sqrt(np.maximum(energy, 1e-3)) * np.sqrt(np.sum(each**2))
        found += np.max(np.abs(match[: len(energy)]) / scale) > 0.65
    return found / len(loud)


def until_equal(get: Any, wanted: object, patience_s: float = PATIENCE_S) -> None:
    """Wait until `get()` returns what is wanted."""
    deadline = time.monotonic() + patience_s
    while get() != wanted:
        assert time.monotonic() < deadline, (get(), wanted)
        time.sleep(0.05)
