"""The real server with marks at every hand-over; started by the live benchmarks, not by hand.

    python benchmarks/live_trace.py --store DIR --trace FILE

Prints {"address", "token"} and serves until its input is closed; then writes FILE: what happened
when, on the monotonic clock of the machine, which other processes share. A mark costs less than
a microsecond and is kept in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

LOUD = 0.005  # a sample above this is voice: the scripts speak over hiss of a tenth of it
_now = time.monotonic_ns


class Trace:
    """Marks: name -> rows. Appending to a list is atomic, so no lock is held."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[Any]]] = {}

    def mark(self, name: str, *values: Any) -> None:
        self.rows.setdefault(name, []).append([_now(), *values])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.rows), encoding="utf-8")


def install(trace: Trace, *, has_networks: bool = False) -> None:
    """Put the marks into the classes; for the rest of the process.

    Rows (the time of the mark first):
        sound: reader, position of the end in samples, first and last loud position (-1: none)
        frame: reader, source time
        sound came, picture came: reader, time by its sender's clock
        epoch: reader, stream, stream time of its start
        worked: stream, sense, stream time of the end, begun
        said: kind, utterance, stream, start_ns, end_ns, text is empty, end of the deciding sound
        asked: turn, utterance; dismissed: utterance
        model: name, begun, samples it was given
        taken: turn, phrase, offset, index; sent: RTP time
        message: event, turn, state; ended: why a connection ended, its state
    """
    _mark_inputs(trace)
    _mark_stages(trace)
    _mark_models(trace, has_networks)
    _mark_outputs(trace)


def _mark_inputs(trace: Trace) -> None:
    from omnilive.media.pushed import PushedReader
    from omnilive.serving.feeder import Feeder
    from omnilive.web.intake import Intake

    push_audio, push_frame, begin = PushedReader.push_audio, PushedReader.push_frame, Feeder._begin

    def pushed_sound(self: Any, at_ns: int, samples: Any) -> None:
        push_audio(self, at_ns, samples)
        end = self._sound.end
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        first, last = (-1, -1) if not loud.size else (int(loud[0]), int(loud[-1]))
        base = end - samples.size
        trace.mark("sound", id(self), end, first + base * (first >= 0), last + base * (last >= 0))

    def pushed_frame(self: Any, at_ns: int, pixels: Any) -> None:
        push_frame(self, at_ns, pixels)
        trace.mark("frame", id(self), self._pushed_picture_ns)

    def begun(self: Any, reader: Any, now_ns: int) -> Any:
        outcome = begin(self, reader, now_ns)
        if outcome is not None:
            inner = getattr(reader, "_reader", reader)
            trace.mark("epoch", id(inner), outcome[0].stream, outcome[0].at_ns)
        return outcome

    sound_came, picture_came = Intake.sound_came, Intake.picture_came

    def came(self: Any, piece: Any, sent_ns: int) -> None:
        trace.mark("sound came", id(self.reader), sent_ns)
        sound_came(self, piece, sent_ns)

    def seen(self: Any, picture: Any, sent_ns: int) -> None:
        trace.mark("picture came", id(self.reader), sent_ns)
        picture_came(self, picture, sent_ns)

    Intake.sound_came, Intake.picture_came = came, seen  # type: ignore[method-assign]
    PushedReader.push_audio = pushed_sound  # type: ignore[method-assign]
    PushedReader.push_frame = pushed_frame  # type: ignore[method-assign]
    Feeder._begin = begun  # type: ignore[method-assign]


def _mark_stages(trace: Trace) -> None:
    from omnilive import events
    from omnilive.perception.hearing import Hearing
    from omnilive.perception.seeing import Seeing
    from omnilive.reasoning.gate import Gate

    heard, seen, judged = Hearing.push, Seeing.push, Gate.push

    def hearing(self: Any, event: Any, cancel: Any) -> Iterator[Any]:
        is_sound, end_ns = isinstance(event, events.AudioChunk), 0
        if is_sound:
            end_ns = event.at_ns + event.samples.size * events.NS_PER_S // events.SAMPLE_RATE
        begun = _now()
        for product in heard(self, event, cancel):
            if isinstance(product, events.PartialUtterance | events.Utterance):
                kind = "turn" if isinstance(product, events.Utterance) else "partial"
                kind = "settled" if getattr(product, "settled", False) else kind
                trace.mark(
                    "said",
                    kind,
                    product.id,
                    product.stream,
                    product.start_ns,
                    product.end_ns,
                    not product.text,
                    end_ns,
                )
            elif isinstance(product, events.SpeechStarted):
                at_ns = product.at_ns
                trace.mark("said", "voice", "", product.stream, at_ns, at_ns, True, end_ns)
            yield product
        if is_sound:
            trace.mark("worked", event.stream, "hearing", end_ns, begun)

    def seeing(self: Any, event: Any, cancel: Any) -> Iterator[Any]:
        begun = _now()
        yield from seen(self, event, cancel)
        if isinstance(event, events.VideoFrame):
            trace.mark("worked", event.stream, "seeing", event.at_ns, begun)

    def gate(self: Any, event: Any, cancel: Any) -> Iterator[Any]:
        for product in judged(self, event, cancel):
            if isinstance(product, events.Question):
                trace.mark("asked", product.turn_id, product.utterance)
            else:
                trace.mark("dismissed", product.utterance)
            yield product

    Hearing.push, Seeing.push, Gate.push = hearing, seeing, gate  # type: ignore[method-assign]


def _mark_models(trace: Trace, has_networks: bool) -> None:
    from omnilive.memory.embedding import WordLlamaEmbedder
    from omnilive.memory.recall import Recall
    from omnilive.perception.moonshine import MoonshineRecogniser
    from omnilive.perception.reading import RapidOcrReader
    from omnilive.perception.voice_activity import SileroState
    from omnilive.reasoning.extractive import ExtractiveBackend
    from omnilive.speech.synthesizer import EspeakSynthesizer

    def put(owner: Any, method: str, name: str) -> None:
        function: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = _now()
            try:
                return function(*args, **kwargs)
            finally:
                size = getattr(args[1], "size", 0) if len(args) > 1 else 0
                trace.mark("model", name, begun, size)

        setattr(owner, method, timed)

    put(MoonshineRecogniser, "transcribe", "recognition")
    put(SileroState, "probability", "voice activity")
    put(WordLlamaEmbedder, "embed", "embedder")
    put(EspeakSynthesizer, "synthesize", "synthesis")
    put(RapidOcrReader, "read", "text reader")
    put(Recall, "retrieve", "search")
    _mark_answers(trace, ExtractiveBackend)
    if has_networks:  # torch is loaded for them alone
        from omnilive.nn.reasoner import Reasoner
        from omnilive.perception.audio_translation import TranslatedSound
        from omnilive.reasoning.ixc import IxcBackend

        put(TranslatedSound, "transcribe", "recognition")
        put(TranslatedSound, "name", "names of sounds")
        put(Reasoner, "instruction", "instruction prediction")
        _mark_answers(trace, IxcBackend)


def _mark_answers(trace: Trace, backend: type) -> None:
    answer = backend.answer  # type: ignore[attr-defined]

    def answering(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        pieces = answer(self, *args, **kwargs)
        while True:
            begun = _now()
            piece = next(pieces, None)
            trace.mark("model", "answer", begun)
            if piece is None:
                return
            yield piece

    backend.answer = answering  # type: ignore[attr-defined]


def _mark_outputs(trace: Trace) -> None:
    from aiortc.rtcdtlstransport import RTCDtlsTransport

    from omnilive.serving.conversation import LiveConversation
    from omnilive.serving.playout import Playout
    from omnilive.web.peer import Peer

    take, send = Playout.take, LiveConversation._send
    send_rtp = RTCDtlsTransport._send_rtp

    def taken(self: Any, *args: Any) -> Any:
        piece = take(self, *args)
        if piece.turn_id:
            trace.mark("taken", piece.turn_id, piece.phrase, piece.offset, piece.index)
        return piece

    def told(self: Any, message: Any) -> None:
        send(self, message)
        if message["event"] != "level":
            trace.mark(
                "message", message["event"], message.get("turn", ""), message.get("state", "")
            )

    end = Peer.end

    async def ended(self: Any, reason: str) -> None:
        if not self.has_ended:
            trace.mark("ended", reason, self._connection.connectionState)
        await end(self, reason)

    Peer.end = ended  # type: ignore[method-assign]

    async def sent(self: Any, data: bytes) -> None:
        is_rtp = not 192 <= data[1] <= 223  # RTCP goes the same way
        await send_rtp(self, data)
        if is_rtp:
            trace.mark("sent", int.from_bytes(data[4:8], "big"))

    Playout.take = taken  # type: ignore[method-assign]
    LiveConversation._send = told  # type: ignore[method-assign]
    RTCDtlsTransport._send_rtp = sent  # type: ignore[method-assign]


def waited_s() -> float:
    """Return how long the threads of this process, alive or not, were ready and had no core."""
    total = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[1])
    return total / 1e9


def behind_ms(trace: Trace) -> float:
    """Return how far the slowest sense of the last 5 s was behind what had come for it."""
    since = _now() - 5 * 10**9
    worst = 0.0
    came = {row[1]: row[2] for row in trace.rows.get("sound", [])[-4000:]}
    epochs = {row[2]: row for row in trace.rows.get("epoch", [])}
    done: dict[tuple[int, str], int] = {}
    for now, stream, sense, at_ns, _ in trace.rows.get("worked", [])[-20000:]:
        if now >= since:
            done[stream, sense] = max(at_ns, done.get((stream, sense), 0))
    for (stream, sense), at_ns in done.items():
        _, reader, _, start_ns = epochs[stream]
        usual_ms = 1200 if sense == "seeing" else 100  # between two pictures
        newest_ms = came.get(reader, 0) / 16
        worst = max(worst, newest_ms - (at_ns - start_ns) / 1e6 - usual_ms)
    return worst


def busy_s() -> tuple[float, float]:
    """Return seconds that the machine's cores worked for anybody; that its host took from them."""
    numbers = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(numbers) - numbers[3] - numbers[4] - numbers[7]) / tick, numbers[7] / tick


def mark_usage(trace: Trace, name: str) -> None:
    """Note CPU seconds of this process and of its children that live, the waits, the load."""
    times = os.times()
    children = 0.0
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                parts = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                children += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    load = os.getloadavg()[0]
    threads = {}
    for thread in threading.enumerate():
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
            parts = stat.rpartition(")")[2].split()
            used = (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
            role = thread.name.removeprefix("omnilive ").rstrip("0123456789_- ")
            threads[role] = threads.get(role, 0.0) + used
    trace.mark("threads", name, threads)
    busy, stolen = busy_s()
    own = times.user + times.system
    trace.mark("usage", name, own, waited_s(), load, children, busy, stolen)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--max-sessions", type=int, default=8)
    parser.add_argument("--preset", default="embedded")
    options = parser.parse_args()
    from omnilive.nn.shipped import NETWORK_PRESETS
    from omnilive.presets import PRESETS
    from omnilive.web.server import Server, ServerOptions

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # aiortc tells of every late message
    trace = Trace()
    install(trace, has_networks=options.preset in NETWORK_PRESETS)
    usual = PRESETS[options.preset]()
    config = dataclasses.replace(
        usual, live=dataclasses.replace(usual.live, max_sessions=options.max_sessions)
    )
    with Server(config, options.store, ServerOptions(port=0)) as server:
        while server.context.house.reasons():
            time.sleep(0.05)
        print(json.dumps({"address": server.address, "token": server.token}), flush=True)
        for line in sys.stdin:  # "mark NAME": what was used up until now
            mark_usage(trace, line.strip())
            print(json.dumps({"behind_ms": behind_ms(trace)}), flush=True)
        stats = server.context.house.stats()
    trace.rows["stats"] = [[0, stats]]
    trace.save(options.trace)


if __name__ == "__main__":
    main()
