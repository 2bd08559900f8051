"""A live conversation with the preset tiny: the daily world in front of the camera, real time.

    python benchmarks/live_tiny.py --ahead --work DIR [--rounds 2] [--json]

The server (`serve`, `--preset tiny`) runs in a process of its own; an aiortc peer shows a rendered
world of the test split and speaks in the test split's voices, which the networks have never heard:

    talk       people to each other                       must not be answered
    question   about what is or was to be seen            heard, answered aloud
    over       another question into the middle of the answer: it must fall silent (barge-in)

Told are what came of each, how long questions waited (`live_latency.py` says how that is counted),
how far seeing and hearing were behind, and what the server's process took of the machine.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from live_latency import PeerCaller, Reading, Talk, report
from live_peer import (
    LOUD,
    RATE,
    Encoded,
    Loop,
    Microphone,
    Peer,
    ServerProcess,
    encode_video,
)
from machine import describe_machine, go_ahead, show

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.media.resampling import resample
from omnilive.media.synthetic.daily import phrasebook
from omnilive.media.synthetic.daily.questions import Asking
from omnilive.media.synthetic.daily.rendering import render_daily
from omnilive.media.synthetic.daily.voices import say, voices_of
from omnilive.media.synthetic.daily.world import DailyConfig, DailyWorld
from omnilive.training.audio_passes import word_errors

_WORLD_S, _FPS, _SIDE = 40, 10, 480
_KINDS = ("attribute", "where", "reference_implicit", "count", "semantics_implicit", "happened")


def voiced(rng: random.Random, text: str) -> Samples:
    """Return a sentence in a voice of the test split, 48 kHz, without silence at its ends."""
    spoken, _ = say(text, rng.choice(voices_of("test")), rng.getrandbits(32))
    samples = np.asarray(resample(spoken, SAMPLE_RATE, RATE), np.float32)
    samples = 0.25 * samples / float(np.abs(samples).max())
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    return samples[loud[0] : loud[-1] + 1]


def asked(rng: random.Random, world: DailyWorld, number: int) -> str:
    """Return the text of a question about the world."""
    scenes = list(world.scenes)
    asking = Asking(scenes, asked_ns=_WORLD_S * NS_PER_S)
    while True:
        kind: Any = _KINDS[number % len(_KINDS)]
        one = asking.draw(rng, kind)
        if one is not None:
            return one.text
        number += 1


def converse(caller: PeerCaller, world: DailyWorld, rounds: int) -> dict[str, list[str]]:
    """Go through the script; returns what was said, by what it was, and all of it in order."""
    talk, rng = Talk(caller), random.Random(4)
    said: dict[str, list[str]] = {"talk": [], "question": [], "over": [], "all": []}

    def text(what: str, words: str) -> Samples:
        said[what].append(words)
        said["all"].append(words)
        return voiced(rng, words)

    number = 0
    for _ in range(rounds):
        for place in range(6):
            if place % 3 == 0:
                _tell(talk, caller, text("talk", phrasebook.not_instructions(rng, "test")))
            question = text("question", asked(rng, world, number))
            number += 1
            if place % 2:
                over = text("over", asked(rng, world, number))
                number += 1
                _ask_over(talk, caller, question, over)
            else:
                talk.ask(question, "question")
    return said


def _tell(talk: Talk, caller: PeerCaller, samples: Samples) -> None:
    mark = len(caller.mailbox.messages)
    caller.say(samples)
    caller.mailbox.wait(lambda message: message["event"] in ("dismissed", "question"), mark)
    talk._floor("listening", mark)
    time.sleep(0.5)


def _ask_over(talk: Talk, caller: PeerCaller, question: Samples, over: Samples) -> None:
    """Ask, and ask something else as soon as the answer is to be heard."""
    mark = len(caller.mailbox.messages)
    caller.say(question)
    caller.mailbox.wait(lambda message: message["event"] == "speaking", mark, 10.0)
    time.sleep(0.15)
    mark = len(caller.mailbox.messages)
    caller.say(over)
    caller.mailbox.wait(lambda message: message["event"] == "question", mark, 8.0)
    talk._floor("answering", mark, 8.0)
    talk._floor("listening", mark, 20.0)
    time.sleep(0.4)


def outcome(said: dict[str, list[str]], messages: list[tuple[int, Any]]) -> list[dict[str, object]]:
    """Return what came of the script, as rows."""
    events = [message for _, message in messages]
    heard = [message["text"] for message in events if message["event"] == "utterance"]
    errors, words = word_errors(" ".join(said["all"]), " ".join(heard))
    answers = [message for message in events if message["event"] == "answer"]
    outcomes = [str(message["outcome"]) for message in answers]
    return [
        {"what": "questions put", "n": len(said["question"]) + len(said["over"])},
        {"what": "questions heard as such", "n": _count(events, "question")},
        {"what": "sentences not for us", "n": len(said["talk"])},
        {"what": "dismissed", "n": _count(events, "dismissed")},
        {"what": "answered to the end", "n": outcomes.count("completed")},
        {"what": "talked over", "n": len(said["over"])},
        {"what": "fell silent for it", "n": _count(events, "interruption")},
        {"what": "word errors, %", "n": round(100 * errors / max(1, words), 1)},
        {"what": "answers with citations", "n": sum(bool(one["citations"]) for one in answers)},
        {"what": "clips remembered", "n": _count(events, "clip")},
        {"what": "failures", "n": _count(events, "failure") + outcomes.count("failed")},
    ]


def _count(events: list[Any], name: str) -> int:
    return sum(message["event"] == name for message in events)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "omnilive-bench")
    parser.add_argument("--rounds", type=int, default=2, help="of six questions (default 2)")
    parser.add_argument("--ahead", action="store_true", help="go ahead of other processes")
    parser.add_argument("--show", action="store_true", help="also print what was said and answered")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.ahead and not go_ahead():
        parser.error("--ahead needs Linux with autogroups, and root")
    if not options.json:
        print(describe_machine())
    options.work.mkdir(parents=True, exist_ok=True)
    film = options.work / f"daily-{_WORLD_S}-{_SIDE}.mp4"
    world = DailyWorld(11, _WORLD_S, "test", DailyConfig(talk=False))
    if not film.is_file():
        render_daily(world, film, side=_SIDE, fps=_FPS)
    pictures = encode_video(film, "VP8", fps=_FPS, seconds=_WORLD_S)
    marks: dict[str, list[list[Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(
            Path(folder) / "store", Path(folder) / "trace.json", "--preset", "tiny"
        )
        loop, microphone = Loop(), Microphone()
        peer = Peer(loop, server, microphone, Encoded("video", pictures, Fraction(1, _FPS)))
        try:
            time.sleep(_WORLD_S)
            server.mark("begin")
            caller = PeerCaller(peer, microphone)
            said = converse(caller, world, options.rounds)
            server.mark("end")
            messages = list(peer.mailbox.messages)
        finally:
            peer.leave()
            loop.close()
            marks.update(server.stop())
    show("what came of it", outcome(said, messages), as_json=options.json)
    if options.show:
        for _, message in messages:
            if message["event"] in ("utterance", "dismissed", "question", "answer", "interruption"):
                print(
                    {
                        key: message[key]
                        for key in ("event", "text", "question", "answer", "outcome", "reason")
                        if key in message
                    }
                )
    report(Reading(marks, list(caller.spoken)), as_json=options.json)
    stats = marks["stats"][0][1]
    show("seen and heard", [_flat(stats)], as_json=options.json)


def _flat(stats: dict[str, Any]) -> dict[str, object]:
    return {key: value for key, value in stats.items() if isinstance(value, int | float | str)}


if __name__ == "__main__":
    main()
