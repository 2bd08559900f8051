"""How well the system's own voice is told from a person's, at many levels and delays.

    python benchmarks/own_voice.py [--recordings DIR]

An answer spoken by espeak comes back through a small loudspeaker (band-passed), a room (exponential
tail) and a delay, into a microphone with hiss (0.0008 rms; people speak at 0.06, or at 0.01 far
away). No recogniser: only the sound decides here. Counted are events that name a voice
(`SpeechStarted`, `PartialUtterance`): of an echo alone every "user" is a miss, of a person with no
echo every "own" is false. Double talk: how long after a person begins over the echo the user's
voice is told of. People are espeak voices; with a folder, also the recordings in it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import describe_machine
from turn_end import say

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Event,
    OwnSpeech,
    PartialUtterance,
    Samples,
    SpeechStarted,
    StreamStarted,
)
from omnilive.perception.own_voice import OwnVoice, OwnVoiceConfig
from omnilive.perception.sound_blocks import SoundBlock
from omnilive.perception.stage import Hearing, HearingConfig
from omnilive.perception.voice_activity import BLOCK_NS, SileroVoiceActivity

ANSWER = (
    "The hotel is next to the railway station. A red car came at nine in the morning, and two "
    "people got out of it. They carried a large box into the house and left a few minutes later. "
    "After that nothing was seen until noon."
)
PERSON = "Stop, please tell me where the blue bag is now."
LEVELS_DB = (-6, -12, -20, -30)
DELAYS_S = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
ROOMS_S = (0.2, 0.5)  # time in which a tail falls by 60 dB
BEGIN_S = 1.0
PIECE = 320


def room(samples: Samples, tail_s: float, level_db: float, seed: int) -> Samples:
    """Return the echo of a sound, `level_db` beside it."""
    length = int(tail_s * SAMPLE_RATE)
    tail = np.random.default_rng(seed).normal(0, 1, length)
    tail *= np.exp(-6.9 * np.arange(length) / length)
    response = 0.5 * tail / np.sqrt((tail**2).sum())
    response[0] += 1.0
    heard = np.convolve(samples, response)
    spectrum, hertz = np.fft.rfft(heard), np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE)
    spectrum /= np.sqrt((1 + (250 / np.maximum(hertz, 1)) ** 4) * (1 + (hertz / 5000) ** 6))
    heard = np.fft.irfft(spectrum, len(heard))
    scale = 10 ** (level_db / 20) * np.sqrt((samples**2).mean() / (heard**2).mean())
    return (scale * heard).astype(np.float32)


def microphone(seconds: float, *sounds: tuple[float, Samples]) -> Samples:
    heard = np.random.default_rng(2).normal(0, 0.0008, int(seconds * SAMPLE_RATE))
    for at_s, samples in sounds:
        first = int(at_s * SAMPLE_RATE)
        heard[first : first + len(samples)] += samples[: len(heard) - first]
    return heard.astype(np.float32)


def at_level(samples: Samples, rms: float) -> Samples:
    loud = samples[np.abs(samples) > 0.003]
    return samples * np.float32(rms / float(np.sqrt((loud**2).mean())))


def pieces(samples: Samples) -> Iterator[OwnSpeech]:
    for first in range(0, len(samples), PIECE):
        yield OwnSpeech(
            stream=1,
            turn_id="q1",
            at_ns=round(BEGIN_S * NS_PER_S) + first * NS_PER_S // SAMPLE_RATE,
            text=ANSWER if first == 0 else "",
            samples=samples[first : first + PIECE],
        )


def listen(heard: Samples, answer: Samples) -> list[tuple[float, Event]]:
    """Return what names a voice, with the stream time of its telling."""
    hearing = Hearing(HearingConfig(), SileroVoiceActivity(), None)
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
    waiting = list(pieces(answer))
    for first in range(0, len(heard), PIECE):
        end_ns = (first + PIECE) * NS_PER_S // SAMPLE_RATE
        while waiting and waiting[0].at_ns < end_ns:
            list(hearing.push(waiting.pop(0), cancel))
        at_ns = first * NS_PER_S // SAMPLE_RATE
        chunk = AudioChunk(stream=1, at_ns=at_ns, samples=heard[first : first + PIECE])
        for event in hearing.push(chunk, cancel):
            if isinstance(event, (SpeechStarted, PartialUtterance)):
                told.append((end_ns / NS_PER_S, event))
    hearing.close()
    return told


def echoes(answer: Samples) -> None:
    print("\nan echo alone\n\n| level | events | called a person's | streams with a miss |")
    print("|---|---|---|---|")
    for level_db in LEVELS_DB:
        num_events = num_missed = num_streams = num_bad = 0
        for tail_s in ROOMS_S:
            for i, delay_s in enumerate(DELAYS_S):
                echo = room(answer, tail_s, level_db, seed=i)
                told = listen(microphone(17, (BEGIN_S + delay_s, echo)), answer)
                missed = sum(event.voice != "own" for _, event in told)  # type: ignore[union-attr]
                num_events, num_missed = num_events + len(told), num_missed + missed
                num_streams, num_bad = num_streams + 1, num_bad + bool(missed)
        print(f"| {level_db} dB | {num_events} | {num_missed} | {num_bad} of {num_streams} |")


def people_alone(answer: Samples, people: dict[str, Samples]) -> None:
    print("\na person while we speak, no echo\n\n| loudness | events | called our own |")
    print("|---|---|---|")
    for rms in (0.06, 0.01):
        num_events = num_false = 0
        for person in people.values():
            for at_s in np.arange(1.1, 9, 0.7):
                told = listen(microphone(16, (float(at_s), at_level(person, rms))), answer)
                num_events += len(told)
                num_false += sum(e.voice != "user" for _, e in told)  # type: ignore[union-attr]
        print(f"| {rms} | {num_events} | {num_false} |")


def double_talk(answer: Samples, people: dict[str, Samples]) -> None:
    print("\na person over the echo (0.2 s late)\n")
    print("| level | found within 1 s | told after, median | p90 | our own before it called user |")
    print("|---|---|---|---|---|")
    for level_db in LEVELS_DB:
        echo = room(answer, 0.3, level_db, seed=7)
        after: list[float] = []
        num_cases = num_early = 0
        for person in people.values():
            for at_s in (3.3, 4.7, 6.1, 9.3):
                sounds = ((BEGIN_S + 0.2, echo), (at_s, at_level(person, 0.06)))
                starts = [
                    (told_s, event)
                    for told_s, event in listen(microphone(16, *sounds), answer)
                    if isinstance(event, SpeechStarted) and event.voice == "user"
                ]
                begun = [told_s - at_s for told_s, _ in starts if at_s < told_s <= at_s + 1]
                num_cases += 1
                num_early += any(told_s <= at_s for told_s, _ in starts)
                after += begun[:1]
        after.sort()
        p90 = after[int(0.9 * (len(after) - 1))] if after else float("nan")
        print(
            f"| {level_db} dB | {len(after)} of {num_cases} "
            f"| {statistics.median(after) * 1000:.0f} ms | {p90 * 1000:.0f} ms | {num_early} |"
        )


def cost(answer: Samples) -> None:
    own = OwnVoice(OwnVoiceConfig())
    for piece in pieces(answer):
        own.take(piece)
    heard = microphone(14, (1.2, room(answer, 0.3, -12, seed=1)))
    begun, num = time.process_time(), len(heard) // 512
    for i in range(num):
        at_ns = i * BLOCK_NS
        own.hear(SoundBlock(at_ns, heard[i * 512 : (i + 1) * 512], 512))
        own.talked_over_since(at_ns + BLOCK_NS)
    spent = (time.process_time() - begun) / num
    print(f"\n{spent * 1000:.2f} ms of CPU a block of 32 ms while the system speaks")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recordings", type=Path, help="folder with .flac or .wav of speech")
    options = parser.parse_args()
    print(describe_machine())
    answer = at_level(say(ANSWER, "en-us", 165), 0.06)
    people = {v: say(PERSON, v, 150) for v in ("en-gb", "en-us+f3", "en-gb+m3", "en-us")}
    if options.recordings is not None:
        people |= dict(recordings(options.recordings))
    print(f"{len(people)} people: {', '.join(people)}")
    echoes(answer)
    people_alone(answer, people)
    double_talk(answer, people)
    cost(answer)


def recordings(folder: Path) -> Iterator[tuple[str, Samples]]:
    import av

    for path in sorted(folder.glob("*.flac")) + sorted(folder.glob("*.wav")):
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
            parts = [
                one.to_ndarray()[0]
                for audio in [*container.decode(audio=0), None]
                for one in resampler.resample(audio)
            ]
        sound = np.concatenate(parts)
        first = int(np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())[0])
        yield path.name, sound[first : first + 5 * SAMPLE_RATE]


if __name__ == "__main__":
    main()
