"""How well the server knows how much of an answer was heard, against what the page recorded.

    python benchmarks/heard_accuracy.py [--cuts 12] [--json]

A real Chromium on the real page hears a long answer and cuts it, by the stop button or by a voice
from its (fake) microphone. The page records what its loudspeaker was given; its last 300 ms of
sound are looked for in the answer's own sound. Where they end is what was heard; `played_ms` of the
`heard` message is what the server reckoned. Positive: the server believed more was heard.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from live_browser import Notes, tab
from machine import describe_machine, go_ahead, show

from omnilive.events import SAMPLE_RATE, Samples
from omnilive.media.resampling import resample

NEEDLE_S = 0.3
QUIET = 0.002
EVERY_S = 12.0  # the microphone speaks so often


def best_match(needle: Samples, hay: Samples) -> tuple[int, float]:
    """Return where `needle` lies in `hay`, and how alike they are there (1: the same shape)."""
    size = 1 << int(np.ceil(np.log2(needle.size + hay.size)))
    product = np.fft.rfft(hay, size) * np.conj(np.fft.rfft(needle, size))
    lags = np.fft.irfft(product, size)[: hay.size - needle.size + 1]
    power = np.cumsum(np.concatenate([[0.0], hay.astype(np.float64) ** 2]))
    norms = np.sqrt(np.maximum(power[needle.size :] - power[: -needle.size], 1e-9))
    alike = lags / (norms * np.linalg.norm(needle))
    at = int(alike.argmax())
    return at, float(alike[at])


def heard_ms(recorded: Samples, answer: Samples) -> tuple[float, float] | None:
    """Return how much of `answer` was heard at the end of `recorded`, and how sure that is."""
    loud = np.flatnonzero(np.abs(recorded) > QUIET)
    if not loud.size:
        return None
    end = int(loud[-1]) + 1
    count = round(NEEDLE_S * SAMPLE_RATE)
    if end < count:
        return None
    at, alike = best_match(recorded[end - count : end], answer)
    return 1000 * (at + count) / SAMPLE_RATE, alike


def one(page: Any, notes: Notes, cut: str, wait_s: float) -> dict[str, object] | None:
    """Let an answer begin, have it cut, compare."""
    begun_ms, before = page.now_ms(), len(notes.all("heard"))
    cuts = len(notes.all("interruption"))
    if cut == "stop":
        page.type("What is the story?")
        page.until_sounding()
        page.page.wait_for_timeout(round(1000 * wait_s))
        page.page.evaluate("document.querySelector('#stop').click()")
    deadline = time.monotonic() + 40
    while len(notes.all("heard")) <= before or len(notes.all("interruption")) <= cuts:
        if time.monotonic() > deadline:
            print("nothing was cut", file=sys.stderr)
            return None
        page.page.wait_for_timeout(50)
    cut_ms = page.now_ms()
    heard = notes.all("heard")[before]
    if heard["complete"]:
        return None
    answer = notes.phrases.get(heard["turn"])
    if not answer:
        return None
    page.page.wait_for_timeout(100)
    played = page.played(begun_ms, cut_ms)
    sound = np.concatenate(answer).astype(np.float32) / 32768
    found = heard_ms(played, resample(sound, 48_000, SAMPLE_RATE))
    if found is None or found[1] < 0.6:
        print("could not be compared:", found, file=sys.stderr)
        return None
    return {
        "cut by": cut,
        "heard ms": round(found[0]),
        "reckoned ms": heard["played_ms"],
        "error ms": round(heard["played_ms"] - found[0]),
        "alike": round(found[1], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cuts", type=int, default=12, help="of each kind")
    parser.add_argument("--ahead", action="store_true", help="go ahead of other processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.ahead and not go_ahead():
        parser.error("--ahead needs Linux with autogroups, and root")
    if not options.json:
        print(describe_machine())
    from browser_support import spoken, write_microphone

    rows: list[dict[str, object]] = []
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        microphone = Path(folder) / "voice.wav"
        seconds = EVERY_S * (options.cuts + 2)
        voice = spoken("Please tell me the story again.")
        script = [(EVERY_S * (n + 1), 0.5 * voice) for n in range(options.cuts + 1)]
        quiet = Path(folder) / "quiet.wav"
        write_microphone(quiet, [], 5.0)
        for cut, file in (("stop", quiet), ("voice", microphone)):
            if cut == "voice":
                write_microphone(microphone, script, seconds)
            notes = Notes()
            rng = np.random.default_rng(5)
            with tab(file, notes, story=1, record=False) as page:
                if cut == "voice":
                    page.type("What is the story?")
                for _ in range(options.cuts):
                    row = one(page, notes, cut, float(rng.uniform(0.8, 4.0)))
                    failed += row is None
                    if row is not None:
                        rows.append(row)
    show("every cut", rows, as_json=options.json)
    summary: list[dict[str, object]] = []
    for cut in ("stop", "voice"):
        errors = np.asarray([row["error ms"] for row in rows if row["cut by"] == cut], float)
        if errors.size:
            summary.append(
                {
                    "cut by": cut,
                    "n": errors.size,
                    "median error ms": float(np.median(errors)),
                    "median |error|": float(np.median(np.abs(errors))),
                    "p90 |error|": float(np.percentile(np.abs(errors), 90)),
                    "worst": float(np.abs(errors).max()),
                }
            )
    show(f"error of played_ms ({failed} could not be compared)", summary, as_json=options.json)


if __name__ == "__main__":
    main()
