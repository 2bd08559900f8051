"""Do words survive the way through a browser? Word errors of known speech, beside the file's own.

    python benchmarks/live_recognition.py [--recordings DIR] [--json]

A real Chromium on the real page "hears" a file by its fake microphone: sentences by espeak in three
voices, and of the recordings in DIR those whose words are known. The same hearing stage, fed with
the file itself, gives the errors to compare with. Conditions:

    plain            nobody else speaks; the sound is captured raw
    page's capture   the same with what the page asks for (echo cancellation)
    while answering  raw, while an answer is spoken all the time
    and loaded       the same, with a process on every core that does nothing but burn it

The page is told to wait for its wake phrase, so that what it hears does not cut the answer.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from live_browser import Notes, sound_health, tab
from machine import describe_machine, show

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Samples,
    StreamEnded,
    StreamStarted,
    Utterance,
)
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample
from omnilive.perception.stage import (
    Hearing,
    HearingBackends,
    HearingConfig,
    build_hearing_backends,
)

RATE = 48_000
SENTENCES = (
    "The red box is on the kitchen table next to the window.",
    "Our train to the city leaves from platform four at half past nine.",
    "My brother bought a yellow umbrella and a pair of brown shoes.",
    "The doctor said that I should drink more water and sleep longer.",
    "Anna left her keys in the garden behind the old apple tree.",
    "We had soup and fresh bread for lunch on Tuesday.",
    "The meeting about the new bridge was moved to Friday afternoon.",
    "Please remember that the blue car needs a new battery.",
    "Three children were playing football in front of the school.",
    "The museum opens at ten and closes at six every day.",
    "He found a silver ring under the seat of the bus.",
    "It will rain tomorrow morning, so take a warm coat with you.",
)
VOICES = (("en-us", 150), ("en-gb", 160), ("en-us+f3", 165))
RECORDINGS = {
    "jfk.flac": "And so my fellow Americans ask not what your country can do for you ask what you "
    "can do for your country",
    "libri-1088-134315-0000.wav": "as you know and as i have given you proof i have the greatest "
    "admiration in the world for one whose work for humanity has won such universal recognition i "
    "hope that we shall both forget this unhappy morning and that you will give me an opportunity "
    "of rendering to you in person",
}
PAUSE_S = 1.2
RAW = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) => {
  if (wanted.audio) wanted = {...wanted, audio: {
    ...(wanted.audio === true ? {} : wanted.audio),
    echoCancellation: false, noiseSuppression: false, autoGainControl: false}};
  return ask(wanted);
};
"""


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.casefold().replace("'", ""))


def num_errors(said: list[str], heard: list[str]) -> int:
    """Words to be changed, put in or taken out, at least (Levenshtein)."""
    before = list(range(len(heard) + 1))
    for row, word in enumerate(said, 1):
        now = [row]
        for column, other in enumerate(heard, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def script(recordings: Path | None) -> tuple[Samples, list[str]]:
    """Return speech at 48 kHz and its words."""
    parts: list[Samples] = []
    said: list[str] = []
    for number, text in enumerate(SENTENCES):
        voice, rate = VOICES[number % len(VOICES)]
        sound = Espeak().synthesize(text, voice, rate_wpm=rate)
        samples = resample(sound.samples, sound.sample_rate, RATE)
        parts += [0.3 * samples / np.abs(samples).max(), silence(PAUSE_S)]
        said += words(text)
    for name, text in RECORDINGS.items():
        if recordings is not None and (recordings / name).is_file():
            parts += [decoded(recordings / name), silence(PAUSE_S)]
            said += words(text)
    return np.concatenate(parts).astype(np.float32), said


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def decoded(path: Path) -> Samples:
    parts: list[Samples] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        for audio in [*container.decode(audio=0), None]:
            parts += [one.to_ndarray()[0] for one in resampler.resample(audio)]
    return np.concatenate(parts)


def listened(samples: Samples, backends: HearingBackends) -> list[str]:
    """Return the words that the hearing stage finds in 16 kHz sound of an ambient voice."""
    hearing = Hearing(HearingConfig(), backends.voice_activity, backends.recogniser)
    begun = StreamStarted(
        stream=1,
        name="file",
        epoch=1,
        at_ns=0,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=False,
        has_audio=True,
        live=True,
        source="benchmark",
    )
    found: list[str] = []
    cancel = Cancel()
    list(hearing.push(begun, cancel))
    pieces = [
        AudioChunk(
            stream=1, at_ns=first * NS_PER_S // SAMPLE_RATE, samples=samples[first : first + 320]
        )
        for first in range(0, samples.size, 320)
    ]
    end = StreamEnded(stream=1, at_ns=samples.size * NS_PER_S // SAMPLE_RATE)
    for event in [*pieces, end]:
        for product in hearing.push(event, cancel):
            if isinstance(product, Utterance):
                found += words(product.text)
    hearing.close()
    return found


def through_browser(
    microphone: Path, seconds: float, *, raw: bool, answering: bool, loaded: bool
) -> tuple[list[str], Samples, dict[str, object]]:
    """Return the words heard live, the sound that came, and what was found missing."""
    notes = Notes()
    burners: list[subprocess.Popen[bytes]] = []
    with tab(microphone, notes, story=20 if answering else 0, before=RAW if raw else "") as page:
        (conversation,) = page.server.context.house.open_ones()
        conversation.configure(address="wake")
        if answering:
            page.type("What is the story?")
            page.until_received("speaking")
        if loaded:
            burners = [
                subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
                for _ in range(os.cpu_count() or 1)
            ]
        begun, spoken_ms = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            page.page.wait_for_timeout(500)
            if answering:
                spoken_ms += 500 * (page.floor() == "answering")
        page.page.wait_for_timeout(3000)
        for each in burners:
            each.kill()
            each.wait()
        health = sound_health(page.server)
        counts = notes.readers[-1].counts
        if len(notes.readers) > 1:
            print(f"the page connected {len(notes.readers)} times:", *notes.ends, file=sys.stderr)
        utterances = [message["text"] for message in notes.all("utterance")]
        sent = notes.all("stream")
    assert sent
    told = {
        "filled ms": counts.filled_samples // 16,
        "holes ms": counts.missing_samples // 16,
        "lost ms": health.get("lost_ms", 0),
        "stalled ms": health.get("stalled_ms", 0),
        "loop blocked ms": health.get("blocked_ms", 0),
        "answer heard s": round(spoken_ms / 1000) if answering else 0,
    }
    return [word for text in utterances for word in words(text)], notes.microphone(), told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recordings", type=Path, help="folder with jfk.flac and others")
    parser.add_argument("--only", help="only the condition whose name begins so")
    parser.add_argument("--runs", type=int, default=1, help="of every condition")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.json:
        print(describe_machine())
    from browser_support import LEAD_S, write_microphone

    samples, said = script(options.recordings)
    seconds = samples.size / RATE
    lead_s = 6.0  # until the page is open and an answer has begun
    backends = build_hearing_backends(HearingConfig())
    own = listened(resample(samples, RATE, SAMPLE_RATE), backends)
    share = 100 * num_errors(said, own) / len(said)
    rows: list[dict[str, object]] = [
        {"condition": "the file itself", "errors": num_errors(said, own), "WER %": share}
    ]
    conditions = {
        "plain": {"raw": True, "answering": False, "loaded": False},
        "page's capture": {"raw": False, "answering": False, "loaded": False},
        "while answering": {"raw": True, "answering": True, "loaded": False},
        "and loaded": {"raw": True, "answering": True, "loaded": True},
    }
    health: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        microphone = Path(folder) / "voice.wav"
        write_microphone(microphone, [(lead_s, samples)], lead_s + seconds + 20)
        for name, how in conditions.items():
            if options.only and not name.startswith(options.only):
                continue
            for _ in range(options.runs):
                heard, sound, told = through_browser(
                    microphone, LEAD_S + lead_s + seconds + 4, **how
                )
                again = listened(sound, backends)
                errors = num_errors(said, heard)
                rows.append(
                    {
                        "condition": name,
                        "errors": errors,
                        "WER %": 100 * errors / len(said),
                        "points over the file": 100 * errors / len(said) - share,
                        "heard again, WER %": 100 * num_errors(said, again) / len(said),
                    }
                )
                health.append({"condition": name} | told)
    backends.close()
    for row in rows[:1]:
        row |= {"points over the file": 0.0, "heard again, WER %": share}
    show(f"{len(said)} words, {seconds:.0f} s", rows, as_json=options.json)
    show("sound that was missing", health, as_json=options.json)


if __name__ == "__main__":
    main()
