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

from live_latency import PeerCaller, Reading, Talk, report
from live_peer import (
    Encoded,
    Loop,
    Microphone,
    Peer,
    ServerProcess,
    as_said,
    encode_video,
)
from machine import describe_machine, go_ahead, show

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
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
    return as_said(spoken, SAMPLE_RATE)


def asked(rng: random.Random, asking: Asking, number: int) -> str:
    """Return the text of a question about the world."""
    while True:
        kind: Any = _KINDS[number % len(_KINDS)]
        one = asking.draw(rng, kind)
        if one is not None:
            return one.text
        number += 1


def converse(caller: PeerCaller, world: DailyWorld, rounds: int) -> list[tuple[str, str]]:
    """Go through the script; returns what it was and what was said, in order."""
    talk, rng = Talk(caller), random.Random(4)
    asking = Asking(list(world.scenes), asked_ns=_WORLD_S * NS_PER_S)
    said: list[tuple[str, str]] = []

    def text(what: str, words: str) -> Samples:
        said.append((what, words))
        return voiced(rng, words)

    number = 0
    for _ in range(rounds):
        for place in range(6):
            if place % 3 == 0:
                talk.tell(text("talk", phrasebook.not_instructions(rng, "test")))
            question = text("question", asked(rng, asking, number))
            number += 1
            if place % 2:
                over = text("over", asked(rng, asking, number))
                number += 1
                _ask_over(talk, caller, question, over)
            else:
                talk.ask(question, "question")
    return said


def _ask_over(talk: Talk, caller: PeerCaller, question: Samples, over: Samples) -> None:
    """Ask, and ask something else as soon as the answer is to be heard."""
    mark = len(caller.mailbox.messages)
    caller.say(question)
    caller.mailbox.wait(lambda message: message["event"] == "speaking", mark, 10.0)
    time.sleep(0.15)
    mark = len(caller.mailbox.messages)
    caller.say(over)
    caller.mailbox.wait(lambda message: message["event"] == "question", mark, 8.0)
    talk.floor("answering", mark, 8.0)
    talk.floor("listening", mark, 20.0)
    time.sleep(0.4)


def outcome(
    said: list[tuple[str, str]], messages: list[tuple[int, Any]]
) -> list[dict[str, object]]:
    """Return what came of the script, as rows."""
    events = [message for _, message in messages]
    heard = [message["text"] for message in events if message["event"] == "utterance"]
    errors, words = word_errors(" ".join(text for _, text in said), " ".join(heard))
    put = [what for what, _ in said]
    answers = [message for message in events if message["event"] == "answer"]
    outcomes = [str(message["outcome"]) for message in answers]
    return [
        {"what": "questions put", "n": put.count("question") + put.count("over")},
        {"what": "questions heard as such", "n": _count(events, "question")},
        {"what": "sentences not for us", "n": put.count("talk")},
        {"what": "dismissed", "n": _count(events, "dismissed")},
        {"what": "answered to the end", "n": outcomes.count("completed")},
        {"what": "talked over", "n": put.count("over")},
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
