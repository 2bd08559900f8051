"""How well the end of a user's turn is found: turns cut in two, and silence waited for.

    python benchmarks/turn_end.py [--recordings DIR]

Speech by espeak in three voices at different rates: what was not finished when it paused (the
pauses lie after an article, a preposition, a conjunction, a filler, "tell me" and the like, 200 to
1200 ms long), and whole questions and sentences. `by words` is the default configuration; the
others are the same stage with one fixed delay. A turn is cut if its utterance comes before its
second half; the added delay is stream time from the true end of the voice to the utterance. With a
folder, the recordings in it are listened to as a user's voice too.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from machine import describe_machine

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    PartialUtterance,
    Samples,
    StreamEnded,
    StreamStarted,
    Utterance,
)
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample
from omnilive.perception.recognition import Recogniser, Transcript
from omnilive.perception.stage import (
    Hearing,
    HearingBackends,
    HearingConfig,
    build_hearing_backends,
)
from omnilive.perception.turn_end import TurnEndConfig

UNFINISHED = (
    ("Where did I put the", "red box?"),
    ("Can you tell me", "what the man said this morning?"),
    ("What happened after the", "train left the station?"),
    ("I want to know", "who came to the house yesterday."),
    ("How many people were in", "the meeting room?"),
    ("Did Anna say that she and", "her brother would come?"),
    ("I was looking for my", "keys in the kitchen."),
    ("So, um,", "what was on the table?"),
    ("When I came home from", "work the door was open."),
    ("Show me the picture of", "the blue car."),
)
# Written after the rules were, which were tuned on the ones above, and run once.
UNSEEN = (
    ("Is there anything on the", "shelf beside the window?"),
    ("Who was standing next to", "the white van at noon?"),
    ("Tell me about the people who", "came through the gate."),
    ("What was the name of", "the woman with the dog?"),
    ("The meeting starts at nine because", "the train arrives at eight."),
    ("Could you look for a", "yellow umbrella?"),
    ("Why did the man with the hat and", "the boy leave so early?"),
    ("Uh,", "how long was the gate open?"),
    ("I think it was", "somewhere in the garden."),
    ("When was the last time that", "somebody opened the garage?"),
)
FINISHED = (
    "Where is the hotel?",
    "What did the man say about the train?",
    "When does the meeting start tomorrow?",
    "Who came to the house this morning?",
    "How many people were in the room?",
    "Please tell me what happened yesterday.",
    "Did you see a red car?",
    "The keys are on the kitchen table.",
)
VOICES = (("en-us", 150), ("en-gb", 175), ("en-us+f3", 200))
PAUSES_S = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
CONFIGS = {
    "by words": TurnEndConfig(),
    "fixed 500 ms": TurnEndConfig(min_delay_ms=500, unsure_delay_ms=500, max_delay_ms=500),
    "fixed 700 ms": TurnEndConfig(min_delay_ms=700, unsure_delay_ms=700, max_delay_ms=700),
    "fixed 1000 ms": TurnEndConfig(min_delay_ms=1000, unsure_delay_ms=1000, max_delay_ms=1000),
    "fixed 1500 ms": TurnEndConfig(min_delay_ms=1500, unsure_delay_ms=1500, max_delay_ms=1500),
}
BLOCK = 512


class Remembering:
    """A recogniser that hears the same sound only once, and notes what hearing took."""

    def __init__(self, inner: Recogniser) -> None:
        self._inner = inner
        self._known: dict[bytes, Transcript] = {}
        self.heard_s = 0.0
        self.costs_s: list[float] = []

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        self.heard_s += len(samples) / SAMPLE_RATE
        key = hashlib.sha256(samples.tobytes()).digest()
        if key not in self._known:
            begun = time.process_time()
            self._known[key] = self._inner.transcribe(samples, cancel)
            self.costs_s.append((time.process_time() - begun) / (len(samples) / SAMPLE_RATE))
        return self._known[key]

    def close(self) -> None:
        """The inner one is closed by who built it."""


def say(text: str, voice: str, rate: int) -> Samples:
    """Return speech of usual loudness without silence at its ends."""
    spoken = Espeak().synthesize(text, voice, rate_wpm=rate)
    samples = np.asarray(resample(spoken.samples, spoken.sample_rate, SAMPLE_RATE), np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.005)
    samples = samples[loud[0] : loud[-1] + 1]
    return 0.25 * samples / float(np.abs(samples).max())


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def with_hiss(samples: Samples) -> Samples:
    hiss = np.random.default_rng(0).normal(0, 0.0008, len(samples)).astype(np.float32)
    return samples + hiss


def listen(
    sound: Samples, config: TurnEndConfig, backends: HearingBackends, recogniser: Recogniser
) -> list[tuple[float, PartialUtterance | Utterance]]:
    """Return a user's settled partials and turns, each with the stream time of its telling."""
    hearing = Hearing(HearingConfig(turn_end=config), backends.voice_activity, recogniser)
    begun = StreamStarted(
        stream=1,
        name="user",
        epoch=1,
        at_ns=0,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="user",
        has_video=False,
        has_audio=True,
        live=True,
        source="benchmark",
    )
    cancel, told = Cancel(), []
    list(hearing.push(begun, cancel))
    for first in range(0, len(sound), BLOCK):
        chunk = AudioChunk(
            stream=1,
            at_ns=first * NS_PER_S // SAMPLE_RATE,
            samples=sound[first : first + BLOCK],
        )
        for event in hearing.push(chunk, cancel):
            if isinstance(event, (PartialUtterance, Utterance)):
                told.append(((first + BLOCK) / SAMPLE_RATE, event))
    end = StreamEnded(stream=1, at_ns=len(sound) * NS_PER_S // SAMPLE_RATE)
    for event in hearing.push(end, cancel):
        if isinstance(event, (PartialUtterance, Utterance)):
            told.append((len(sound) / SAMPLE_RATE, event))
    hearing.close()
    return told


def synthetic(
    backends: HearingBackends,
    recogniser: Remembering,
    unfinished: tuple[tuple[str, str], ...],
) -> None:
    cut: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    delays: dict[str, list[float]] = defaultdict(list)
    split: dict[str, int] = defaultdict(int)
    heard: dict[str, float] = defaultdict(float)
    spoken_s = 0.0
    for name, config in CONFIGS.items():
        for voice, rate in VOICES:
            for first, second in unfinished:
                begin, end = say(first, voice, rate), say(second, voice, rate)
                for pause_s in PAUSES_S:
                    parts = [silence(0.6), begin, silence(pause_s), end, silence(2.5)]
                    resumes_s = sum(len(part) for part in parts[:3]) / SAMPLE_RATE
                    recogniser.heard_s = 0.0
                    told = listen(with_hiss(np.concatenate(parts)), config, backends, recogniser)
                    heard[name] += recogniser.heard_s
                    if name == "by words":
                        spoken_s += (len(begin) + len(end)) / SAMPLE_RATE + pause_s
                    turns = [at for at, event in told if isinstance(event, Utterance)]
                    cut[name][pause_s] += bool(turns) and turns[0] < resumes_s + 0.5
            for text in FINISHED:
                whole = say(text, voice, rate)
                sound = np.concatenate([silence(0.6), whole, silence(2.5)])
                told = listen(with_hiss(sound), config, backends, recogniser)
                turns = [at for at, event in told if isinstance(event, Utterance)]
                split[name] += len(turns) != 1
                if turns:
                    delays[name].append(turns[-1] - 0.6 - len(whole) / SAMPLE_RATE)
    num = len(unfinished) * len(VOICES)
    print(f"\nturns cut in two, of {num} a pause ({num * len(PAUSES_S)} in all)\n")
    print("| end of turn | " + " | ".join(f"{p * 1000:.0f} ms" for p in PAUSES_S) + " | all |")
    print("|---" * (len(PAUSES_S) + 2) + "|")
    for name in CONFIGS:
        counts = [cut[name][pause_s] for pause_s in PAUSES_S]
        share = 100 * sum(counts) / (num * len(PAUSES_S))
        print(f"| {name} | " + " | ".join(map(str, counts)) + f" | {share:.0f} % |")
    print(f"\nwhole questions and sentences, {len(FINISHED) * len(VOICES)}\n")
    print("| end of turn | silence waited for, median | p90 | not exactly one turn |")
    print("|---|---|---|---|")
    for name in CONFIGS:
        values = sorted(delays[name])
        p90 = values[int(0.9 * (len(values) - 1))]
        print(
            f"| {name} | {statistics.median(values) * 1000:.0f} ms | {p90 * 1000:.0f} ms "
            f"| {split[name]} |"
        )
    print(
        f"\nrecognised {heard['by words'] / spoken_s:.1f} s a second of turn (padding included); "
        f"{statistics.median(recogniser.costs_s):.2f} s of CPU a second recognised"
    )


def recorded(folder: Path, backends: HearingBackends, recogniser: Remembering) -> None:
    import av

    print("\n| recording | length | " + " | ".join(f"turns, {name}" for name in CONFIGS) + " |")
    print("|---" * (len(CONFIGS) + 2) + "|")
    for path in sorted(folder.glob("*.flac")) + sorted(folder.glob("*.wav")):
        parts: list[Samples] = []
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
            for audio in [*container.decode(audio=0), None]:
                parts += [one.to_ndarray()[0] for one in resampler.resample(audio)]
        sound = np.concatenate([*parts, silence(2.5)])
        counts = []
        for config in CONFIGS.values():
            told = listen(sound, config, backends, recogniser)
            counts.append(sum(isinstance(event, Utterance) for _, event in told))
        print(f"| {path.name} | {len(sound) / SAMPLE_RATE - 2.5:.0f} s | ", end="")
        print(" | ".join(map(str, counts)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recordings", type=Path, help="folder with .flac or .wav of speech")
    options = parser.parse_args()
    print(describe_machine())
    backends = build_hearing_backends(HearingConfig())
    assert backends.recogniser is not None
    recogniser = Remembering(backends.recogniser)
    print("\nsentences on which the rules were tuned")
    synthetic(backends, recogniser, UNFINISHED)
    print("\nsentences written afterwards")
    synthetic(backends, recogniser, UNSEEN)
    if options.recordings is not None:
        recorded(options.recordings, backends, recogniser)
    backends.close()


if __name__ == "__main__":
    main()
