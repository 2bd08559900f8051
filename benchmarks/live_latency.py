"""How long a spoken question waits for its spoken answer, and a voice for silence, by stage.

    python benchmarks/live_latency.py --ahead --work DIR [--transport core] [--json]

A scripted conversation (espeak) through the real server in a process of its own by an aiortc peer
with a 720p camera; `--transport core` talks to a LiveConversation in this process without a
network. Facts are told, then asked for: plainly, with a pause in mid-sentence, talked over by
another question, and murmured at. Every mark is on the machine's monotonic clock.

    total      the last loud sample is in the server's reader -> the first sample of the answer is
               taken out of the playout (`wire`: its packet was handed to the socket)
    overhead   what of that nothing accounts for: neither the silence that had to pass before the
               turn could be over, nor a model at work (recognition, search, answer, synthesis)
    hold       the voice's first loud sample left the peer -> the answer's last packet with sound
    confirmed  of that: sound that had to come before the detector could be sure of a voice
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from live_peer import (
    RATE,
    Encoded,
    Json,
    Loop,
    Mailbox,
    Microphone,
    Peer,
    ServerProcess,
    encode_video,
    percentiles,
    say,
    silence,
)
from live_trace import Trace, install, mark_usage
from machine import describe_machine, go_ahead, show, talk_file

from omnilive.events import SAMPLE_RATE, Samples
from omnilive.media.pushed import PushedReader
from omnilive.media.resampling import resample
from omnilive.serving.conversation import LiveConversation

FACTS = (
    ("The red box is on the kitchen table.", "Where is the red box?"),
    ("The meeting starts at nine on Monday.", "When does the meeting start?"),
    ("Anna left her keys in the garden.", "Where did Anna leave her keys?"),
    ("The train to London leaves from platform four.", "Where does the train to London leave?"),
    ("My brother bought a yellow umbrella.", "What did my brother buy?"),
    ("The hotel is next to the railway station.", "Where is the hotel?"),
    ("The doctor said that I should drink more water.", "What did the doctor say?"),
    ("We had soup and bread for lunch.", "What did we have for lunch?"),
)
PAUSED = (
    ("Where did I put the", "red box?"),
    ("Can you tell me", "when the meeting starts?"),
    ("What did my brother", "buy in the town?"),
    ("Where is the", "railway station?"),
    ("What did the doctor", "say about water?"),
    ("I want to know", "what we had for lunch."),
)
OVER = (
    "No, wait, where did Anna leave her keys?",
    "Stop, what did my brother buy?",
    "Please tell me where the hotel is.",
    "Wait, when does the meeting start?",
)
MURMUR = "mm hm"
STAGES = (
    "recognition",
    "voice activity",
    "instruction prediction",
    "search",
    "answer",
    "synthesis",
)


class Caller(Protocol):
    """Who talks with the conversation."""

    mailbox: Mailbox
    spoken: list[tuple[int, int]]

    def say(self, samples: Samples) -> None: ...


class PeerCaller:
    def __init__(self, peer: Peer, microphone: Microphone) -> None:
        self.mailbox, self.spoken = peer.mailbox, microphone.spoken
        self._microphone = microphone

    def say(self, samples: Samples) -> None:
        self._microphone.say(samples)
        self._microphone.wait_said()


class CoreCaller:
    """A client without a network: 20 ms of sound in and out, at the pace of the world."""

    kind = "terminal"

    def __init__(self, conversation: LiveConversation) -> None:
        self.mailbox = Mailbox()
        self.spoken: list[tuple[int, int]] = []
        self._conversation = conversation
        self._reader = PushedReader(has_video=False, has_audio=True, record=False, name="bench")
        self._changed = threading.Condition()
        self._script: Samples = np.zeros(0, np.float32)
        self._begun = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        conversation.attach(self, self._reader)
        self._thread.start()

    def send(self, message: Json) -> None:
        self.mailbox.put(message)

    def close(self, reason: str) -> None:
        del reason

    def say(self, samples: Samples) -> None:
        with self._changed:
            self._script = resample(samples, RATE, SAMPLE_RATE)
            self._changed.wait_for(lambda: not self._script.size, 60)

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()
        self._conversation.detach(self, "It left.")

    def _live(self) -> None:
        noise, start_s, number = np.random.default_rng(3), time.monotonic(), 0
        while not self._stop.wait(max(0.0, start_s + number * 0.02 - time.monotonic())):
            sound = 0.0008 * noise.standard_normal(320).astype(np.float32)
            with self._changed:
                part, self._script = self._script[:320], self._script[320:]
                if part.size:
                    self._begun = self._begun or time.monotonic_ns()
                    if not self._script.size:
                        self.spoken.append((self._begun, time.monotonic_ns()))
                        self._begun = 0
                        self._changed.notify_all()
            sound[: part.size] += part
            self._reader.push_audio(number * 20_000_000, sound)
            self._conversation.taken(self._conversation.playout.take())
            number += 1


@contextmanager
def over_network(
    work: Path, marks: dict[str, list[list[Any]]]
) -> Iterator[tuple[Caller, Callable[[str], None]]]:
    film = talk_file(work, seconds=20, fps=15, size=(1280, 720), gop=15)
    pictures = encode_video(film, "VP8", fps=15, seconds=20)
    from fractions import Fraction

    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "store", Path(folder) / "trace.json")
        loop, microphone = Loop(), Microphone()
        peer = Peer(loop, server, microphone, Encoded("video", pictures, Fraction(1, 15)))
        try:
            yield PeerCaller(peer, microphone), server.mark
        finally:
            peer.leave()
            loop.close()
            marks.update(server.stop())


@contextmanager
def in_process(marks: dict[str, list[list[Any]]]) -> Iterator[tuple[Caller, Callable[[str], None]]]:
    from omnilive.presets import embedded
    from omnilive.serving.conversations import Conversations
    from omnilive.system import System

    trace = Trace()
    install(trace)
    config = embedded()
    with tempfile.TemporaryDirectory() as folder:
        system = System(config, Path(folder) / "store", write=True)
        conversations = Conversations(system, config.live)
        conversations.warm()
        caller = CoreCaller(conversations.open())
        caller.mailbox.wait(lambda message: message["event"] == "stream")

        def mark(name: str) -> None:
            mark_usage(trace, name)

        try:
            yield caller, mark
        finally:
            caller.leave()
            conversations.close_all()
            system.close()
    marks.update(trace.rows)


class Talk:
    """Goes through the script."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.kinds: list[str] = []

    def floor(self, state: str, after: int, patience_s: float = 20.0) -> bool:
        return self._caller.mailbox.wait(
            lambda message: message["event"] == "floor" and message["state"] == state,
            after,
            patience_s,
        )

    def _say(self, samples: Samples, kind: str) -> int:
        mark = len(self._caller.mailbox.messages)
        self.kinds.append(kind)
        self._caller.say(samples)
        return mark

    def tell(self, samples: Samples) -> None:
        mark = self._say(samples, "fact")
        self._caller.mailbox.wait(
            lambda message: message["event"] in ("dismissed", "question"), mark
        )
        self.floor("listening", mark)
        time.sleep(0.5)

    def ask(self, samples: Samples, kind: str, over: str = "") -> None:
        mark = self._say(samples, kind)
        if self.floor("answering", mark, 8.0) and over:
            time.sleep(0.9)
            voice = self._say(say(over), "murmur" if over == MURMUR else "over")
            if over == MURMUR:
                self.floor("answering", voice, 5.0)
            else:
                self.floor("answering", voice, 8.0)
            mark = voice
        self.floor("listening", mark, 20.0)
        time.sleep(0.4)

    def run(self, rounds: int) -> None:
        for number in range(rounds):
            for fact, _ in FACTS:
                if number == 0:
                    self.tell(say(fact))
            for index, (_, question) in enumerate(FACTS):
                over = OVER[index % 4] if index % 2 else (MURMUR if index % 4 == 0 else "")
                kind = "question"
                self.ask(say(question, rate_wpm=150 + 10 * (index % 4)), kind, over)
            for index, (first, second) in enumerate(PAUSED):
                pause = silence(0.3 + 0.1 * (index % 4))
                over = OVER[index % 4] if index % 3 == 2 else ""
                self.ask(np.concatenate([say(first), pause, say(second)]), "paused", over)


@dataclass
class Turn:
    """One spoken question; milliseconds."""

    total: float
    wire: float
    delay: float
    overhead: float
    own: float  # overhead and search
    models: dict[str, float] = field(default_factory=dict)
    transport: float | None = None
    stages: dict[str, float] = field(default_factory=dict)


class Reading:
    """The marks of one conversation, put together."""

    def __init__(self, marks: dict[str, list[list[Any]]], spoken: list[tuple[int, int]]) -> None:
        self.marks, self.spoken = marks, spoken
        epoch = marks["epoch"][-1]
        self.reader, self.start_ns = epoch[1], epoch[3]
        self.sound = [row for row in marks["sound"] if row[1] == self.reader]
        self.ends = [row[2] for row in self.sound]
        self.taken = marks.get("taken", [])
        self.sent = [row[0] for row in marks.get("sent", [])]
        self.takes = [row[0] for row in self.taken]

    def position(self, stream_ns: int) -> int:
        return (stream_ns - self.start_ns) * SAMPLE_RATE // 1_000_000_000

    def came_ns(self, position: int) -> int:
        """When the sample before `position` was in the reader."""
        index = min(bisect_left(self.ends, position), len(self.sound) - 1)
        return int(self.sound[index][0])

    def last_loud(self, first: int, last: int) -> int:
        found = [row[4] for row in self.sound if row[4] >= 0 and first <= row[4] < last]
        return max(found, default=last)

    def first_loud(self, first: int, last: int) -> int:
        found = [row[3] for row in self.sound if row[3] >= 0 and first <= row[3] < last]
        return min(found, default=first)

    def sent_ns(self, taken_ns: int) -> int:
        if not self.sent:
            return taken_ns
        index = bisect_left(self.sent, taken_ns)
        return self.sent[min(index, len(self.sent) - 1)]

    def turns(self) -> list[Turn]:
        said = {row[2]: row for row in self.marks["said"] if row[1] == "turn"}
        found: list[Turn] = []
        for _, turn, utterance in self.marks["asked"]:
            first = next((row for row in self.taken if row[1] == turn), None)
            if first is None or utterance not in said or not said[utterance][7]:
                continue  # nothing was spoken, or a gap ended the turn
            _, _, _, _, start_ns, _, _, decided_ns = said[utterance]
            decided = self.position(decided_ns)
            end = self.last_loud(self.position(start_ns) - SAMPLE_RATE, decided)
            begun, sure, out = self.came_ns(end), self.came_ns(decided), first[0]
            found.append(self._turn(begun, sure, out))
            sent = [ended for _, ended in self.spoken if begun - 10**9 < ended <= begun]
            if sent:
                found[-1].transport = (begun - sent[-1]) / 1e6
        return found

    def _turn(self, begun: int, sure: int, out: int) -> Turn:
        spans = {
            name: [
                (max(row[2], begun), min(row[0], out))
                for row in self.marks["model"]
                if row[1] == name and row[0] > begun and row[2] < out
            ]
            for name in STAGES
        }
        every = [(begun, sure), *(span for each in spans.values() for span in each)]
        without = [
            (begun, sure),
            *(span for name, each in spans.items() if name != "search" for span in each),
        ]
        return Turn(
            total=(out - begun) / 1e6,
            wire=(self.sent_ns(out) - begun) / 1e6,
            delay=(sure - begun) / 1e6,
            overhead=(out - begun) / 1e6 - _covered(every),
            own=(out - begun) / 1e6 - _covered(without),
            models={
                name: _covered([(max(a, sure), b) for a, b in each if b > sure])
                for name, each in spans.items()
            },
        )

    def holds(self) -> list[dict[str, float]]:
        voices = [row for row in self.marks["said"] if row[1] == "voice"]
        cuts = [row for row in self.marks["message"] if row[1] == "interruption"]
        found: list[dict[str, float]] = []
        for row in self.marks["message"]:
            if row[1] != "hold":
                continue
            before = [each for each in voices if each[0] <= row[0] + 5_000_000]
            if not before:
                continue
            _, _, _, _, start_ns, _, _, decided_ns = before[-1]
            decided = self.position(decided_ns)
            onset = self.first_loud(self.position(start_ns) - SAMPLE_RATE // 2, decided)
            came, sure = self.came_ns(onset + 1), self.came_ns(decided)
            out = [ns for ns in self.takes if ns <= row[0] + 30_000_000]
            if not out:
                continue
            last = self.sent_ns(out[-1])
            begun = [first for first, _ in self.spoken if came - 10**9 < first <= came]
            from_ns = begun[-1] if begun else came
            one = {
                "total": (last - from_ns) / 1e6,
                "transport": (came - from_ns) / 1e6,
                "confirmed": (sure - came) / 1e6,
                "without": (last - from_ns) / 1e6 - (sure - came) / 1e6,
                "server": (last - sure) / 1e6,
            }
            cut = [each[0] for each in cuts if row[0] <= each[0] < row[0] + 3 * 10**9]
            if cut:
                one["interruption"] = (cut[0] - from_ns) / 1e6
                one["after hold"] = (cut[0] - row[0]) / 1e6
            found.append(one)
        return found

    def lags(self) -> dict[str, list[float]]:
        """Milliseconds from the arrival of sound or picture until it was worked off."""
        spans: list[tuple[int, int]] = []
        for ns in self.takes:
            if spans and ns - spans[-1][1] < 200_000_000:
                spans[-1] = (spans[-1][0], ns)
            else:
                spans.append((ns, ns))
        frames = [(row[2], row[0]) for row in self.marks.get("frame", []) if row[1] == self.reader]
        lags: dict[str, list[float]] = {}
        for done, _, sense, at_ns, _ in self.marks["worked"]:
            if sense == "hearing":
                came = self.came_ns(self.position(at_ns))
            else:
                index = bisect_left(frames, (at_ns - self.start_ns + 1, 0)) - 1
                if index < 0:
                    continue
                came = frames[index][1]
            answering = any(first <= done <= last for first, last in spans)
            name = f"{sense}, {'while answering' if answering else 'otherwise'}"
            lags.setdefault(name, []).append((done - came) / 1e6)
        return lags


def _covered(spans: list[tuple[int, int]]) -> float:
    """Milliseconds that at least one of the spans covers."""
    total, until = 0, 0
    for first, last in sorted(spans):
        if last > max(first, until):
            total += last - max(first, until)
            until = last
    return total / 1e6


def _row(name: str, values: list[float]) -> dict[str, object]:
    shares = percentiles(values)
    heads = ("p50", "p90", "p95", "p99")
    return {"what, ms": name, "n": len(values)} | {
        head: float(round(share)) for head, share in zip(heads, shares, strict=False)
    }


def report(reading: Reading, *, as_json: bool) -> None:
    turns = reading.turns()
    rows = [
        _row("total: end of speech -> first answer sample out", [each.total for each in turns]),
        _row("  until the turn may be over (silence)", [each.delay for each in turns]),
    ]
    rows += [
        _row(f"  {name}", [each.models[name] for each in turns])
        for name in STAGES
        if name != "voice activity"
    ]
    rows += [
        _row("  overhead (the rest)", [each.overhead for each in turns]),
        _row("  overhead and search", [each.own for each in turns]),
        _row("total, packet handed to the socket", [each.wire for each in turns]),
        _row(
            "before: the peer sent it -> in the reader",
            [each.transport for each in turns if each.transport is not None],
        ),
    ]
    show("end of speech -> first answer audio", [r for r in rows if r["n"]], as_json=as_json)
    holds = reading.holds()
    names = ("total", "transport", "confirmed", "server", "without", "interruption", "after hold")
    texts = {
        "total": "voice sent -> last packet of the answer sent",
        "transport": "  until it is in the server's reader",
        "confirmed": "  until enough of it came to be sure (the detector)",
        "server": "  from there on",
        "without": "  all but the detector's time",
        "interruption": "voice sent -> interruption",
        "after hold": "hold -> interruption",
    }
    rows = [_row(texts[n], [each[n] for each in holds if n in each]) for n in names]
    show("hold and interruption", [r for r in rows if r["n"]], as_json=as_json)
    rows = [_row(name, values) for name, values in sorted(reading.lags().items())]
    show("perception lag: arrived -> worked off", rows, as_json=as_json)
    usage = reading.marks.get("usage", [])
    if len(usage) > 1:
        wall = (usage[-1][0] - usage[0][0]) / 1e9
        row = {
            "seconds": wall,
            "CPU s a second": (usage[-1][2] - usage[0][2]) / wall,
            "waited for a core, s a second": (usage[-1][3] - usage[0][3]) / wall,
            "load": usage[-1][4],
        }
        show("the server's process", [row], as_json=as_json)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "omnilive-bench")
    parser.add_argument("--transport", choices=("webrtc", "core"), default="webrtc")
    parser.add_argument("--rounds", type=int, default=2, help="14 questions each (default 2)")
    parser.add_argument("--keep", type=Path, help="also write all marks to this file")
    parser.add_argument("--ahead", action="store_true", help="go ahead of other processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.ahead and not go_ahead():
        parser.error("--ahead needs Linux with autogroups, and root")
    if not options.json:
        print(describe_machine())
    marks: dict[str, list[list[Any]]] = {}
    context = (
        in_process(marks) if options.transport == "core" else over_network(options.work, marks)
    )
    with context as (caller, mark):
        time.sleep(1.0)
        mark("begin")
        talk = Talk(caller)
        talk.run(options.rounds)
        mark("end")
        spoken = list(caller.spoken)
    if options.keep is not None:
        import json

        options.keep.write_text(json.dumps({"marks": marks, "spoken": spoken}), encoding="utf-8")
    report(Reading(marks, spoken), as_json=options.json)


if __name__ == "__main__":
    main()
