"""How many people two cores can talk with: sessions are added until perception is 1 s behind.

    python benchmarks/live_load.py --ahead --work DIR [--most 12] [--step-s 30] [--json]

Every session is an aiortc peer with a camera of 1280x720 at 30 pictures a second (VP8, 1.5 Mbit/s)
and speech without end (Opus): a synthetic talk, with a sensor's noise. Both are encoded beforehand,
so that the peers cost little; they live in this process, the server in another, both on the same
cores. Lag counts from the time of a sample or picture by its sender's clock, less the shortest way
it took, until hearing or seeing has worked it off: decoding, queues and models are in it.

`bare` decodes the same packets, listens with the same detector and recognises as many seconds of
sound as the server's recogniser was given, in one thread, and nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from live_peer import (
    RATE,
    Encoded,
    Loop,
    Peer,
    ServerProcess,
    encode_sound,
    encode_video,
    percentiles,
)
from machine import describe_machine, go_ahead, show, talk_file

from omnilive.events import SAMPLE_RATE, Samples

FPS = 30
SIZE = (1280, 720)
SECONDS = 30
LIMIT_MS = 1000.0
NOISE = 3.0
Marks = dict[str, list[list[Any]]]


def speech_of(path: Path) -> Samples:
    """Return the sound of a file at 48 kHz."""
    parts: list[Samples] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        for frame in [*container.decode(audio=0), None]:
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    return np.concatenate(parts)


def lags_ms(marks: Marks, begun_ns: int, ended_ns: int) -> dict[str, list[float]]:
    """Return how far hearing and seeing were behind in a stretch of time, over all sessions."""
    epochs = {row[2]: (row[1], row[3]) for row in marks["epoch"]}
    shortest: dict[tuple[int, str], int] = {}
    for now, reader, end, *_ in marks["sound"]:
        way = now - end * 1_000_000_000 // SAMPLE_RATE
        key = reader, "hearing"
        shortest[key] = min(way, shortest.get(key, way))
    for now, reader, at_ns in marks.get("frame", []):
        key = reader, "seeing"
        shortest[key] = min(now - at_ns, shortest.get(key, now - at_ns))
    lags: dict[str, list[float]] = {"hearing": [], "seeing": []}
    for done, stream, sense, at_ns, _ in marks["worked"]:
        if not begun_ns <= done < ended_ns or stream not in epochs:
            continue
        reader, start_ns = epochs[stream]
        lags[sense].append((done - (at_ns - start_ns) - shortest[reader, sense]) / 1e6)
    return lags


def missing_ms(marks: Marks, begun_ns: int, ended_ns: int) -> float:
    """Milliseconds of sound that did not come, per session and second."""
    gone = total = 0.0
    for reader in {row[1] for row in marks["sound"]}:
        rows = [r for r in marks["sound"] if r[1] == reader and begun_ns <= r[0] < ended_ns]
        if len(rows) < 2:
            continue
        # What was pushed; holes are not.
        pushed = (rows[-1][2] - rows[0][2]) / SAMPLE_RATE
        wall = (rows[-1][0] - rows[0][0]) / 1e9
        gone += max(0.0, wall - pushed)
        total += wall
    return 1000 * gone / total if total else 0.0


def bare(pictures: list[bytes], sound: list[bytes], heard_share: float) -> dict[str, float]:
    """CPU seconds for each second of one session: decoding and models alone."""
    from omnilive.cancel import Cancel
    from omnilive.perception.moonshine import MoonshineRecogniser
    from omnilive.perception.voice_activity import BLOCK_SAMPLES, SileroVoiceActivity

    def cost(work: Any) -> float:
        begun = time.process_time()
        work()
        return (time.process_time() - begun) / SECONDS

    def see() -> None:
        decoder = av.CodecContext.create("libvpx", "r")
        at = -1
        for number, data in enumerate(pictures):
            for frame in decoder.decode(av.Packet(data)):
                if number // FPS > at:  # one a second is looked at
                    at = number // FPS
                    frame.to_ndarray(format="rgb24")

    samples: list[Samples] = []

    def listen() -> None:
        decoder = av.CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout = RATE, "mono"
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        for data in sound:
            for frame in decoder.decode(av.Packet(data)):
                for part in resampler.resample(frame):
                    samples.append(part.to_ndarray()[0].astype(np.float32) / 32768)

    def detect() -> None:
        whole = np.concatenate(samples)
        state = SileroVoiceActivity().start()
        for first in range(0, whole.size - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
            state.probability(whole[first : first + BLOCK_SAMPLES])

    recogniser = MoonshineRecogniser()
    recogniser.transcribe(np.zeros(SAMPLE_RATE, np.float32), Cancel())

    def recognise() -> None:
        whole = np.concatenate(samples)
        left = round(heard_share * whole.size)
        first, piece = 0, 3 * SAMPLE_RATE  # a usual length of what is recognised at once
        while left > 0:
            part = whole[first : first + min(piece, left)]
            recogniser.transcribe(part, Cancel())
            left -= part.size
            first = (first + part.size) % max(1, whole.size - piece)

    found = {"decode VP8": cost(see), "decode Opus": cost(listen)}
    found |= {"voice activity": cost(detect), "recognition": cost(recognise)}
    recogniser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "omnilive-bench")
    parser.add_argument("--most", type=int, default=12, help="sessions at most")
    parser.add_argument("--step-s", type=float, default=30.0, help="how long each number runs")
    parser.add_argument("--ahead", action="store_true", help="go ahead of other processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.ahead and not go_ahead():
        parser.error("--ahead needs Linux with autogroups, and root")
    if not options.json:
        print(describe_machine())
    film = talk_file(options.work, seconds=SECONDS, fps=FPS, size=SIZE, gop=FPS)
    pictures = encode_video(film, "VP8", fps=FPS, seconds=SECONDS, noise=NOISE)
    sound = encode_sound(speech_of(film)[: SECONDS * RATE])
    peers: list[Peer] = []
    steps: list[tuple[int, int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        server = ServerProcess(Path(folder) / "store", trace, "--max-sessions", "64")
        loop = Loop()
        try:
            while len(peers) < options.most:
                number = len(peers)
                turned = (5 * number) % SECONDS  # they do not all say the same at once
                peers.append(
                    Peer(
                        loop,
                        server,
                        Encoded(
                            "audio", sound[turned * 50 :] + sound[: turned * 50], Fraction(1, 50)
                        ),
                        Encoded(
                            "video",
                            pictures[turned * FPS :] + pictures[: turned * FPS],
                            Fraction(1, FPS),
                        ),
                    )
                )
                time.sleep(6.0)  # the connection comes about, the first texts are read
                server.mark(f"{len(peers)} begin")
                begun, cpu = time.monotonic_ns(), time.process_time()
                time.sleep(options.step_s)
                ended = time.monotonic_ns()
                server.mark(f"{len(peers)} end")
                used = (time.process_time() - cpu) / (ended - begun) * 1e9
                steps.append((begun, ended, used))
                worst = server.behind_ms()
                if not options.json:
                    print(f"{len(peers)} sessions: {worst:.0f} ms behind now", flush=True)
                if worst > LIMIT_MS:
                    break
        finally:
            for peer in peers:
                peer.leave()
            loop.close()
            marks = server.stop()
    report(marks, steps, pictures, sound, as_json=options.json)


def report(
    marks: Marks,
    steps: list[tuple[int, int, float]],
    pictures: list[bytes],
    sound: list[bytes],
    *,
    as_json: bool,
) -> None:
    usage = {row[1]: row for row in marks["usage"]}
    rows: list[dict[str, object]] = []
    share = 0.0
    holds = 0
    for index, (begun, ended, peers_cpu) in enumerate(steps):
        number, wall = index + 1, (ended - begun) / 1e9
        lags = lags_ms(marks, begun, ended)
        first, last = usage[f"{number} begin"], usage[f"{number} end"]
        heard = sum(
            row[3] for row in marks["model"] if row[1] == "recognition" and begun <= row[0] < ended
        )
        share = share or heard / SAMPLE_RATE / wall
        row: dict[str, object] = {"sessions": number}
        for sense in ("hearing", "seeing"):
            for name, value in zip(
                ("p50", "p99", "max"), percentiles(lags[sense], (50, 99, 100)), strict=False
            ):
                row[f"{sense} {name}"] = float(round(value))
        is_held = all(
            percentiles(lags[sense], (99,))[0] <= LIMIT_MS for sense in lags if lags[sense]
        )
        holds = number if is_held and holds == index else holds
        cpu = (last[2] - first[2]) / wall
        row |= {
            "pictures seen a s": len(lags["seeing"]) / wall / number,
            "sound missing ms/s": missing_ms(marks, begun, ended),
            "server CPU": cpu,
            "a session": cpu / number,
            "reader CPU": (last[5] - first[5]) / wall,
            "peers CPU": peers_cpu,
            "load": last[4],
        }
        rows.append(row)
    show("lag in ms by number of sessions; CPU in cores", rows, as_json=as_json)
    costs = bare(pictures, sound, share)
    total = sum(costs.values())
    table = [{"part": name, "cores a session": value} for name, value in costs.items()]
    table.append({"part": "bare, all", "cores a session": total})
    first_cpu = float(rows[0]["a session"])  # type: ignore[arg-type]
    table.append({"part": "server, 1 session", "cores a session": first_cpu})
    last_row = rows[max(0, holds - 1)]
    table.append({"part": f"server, {holds} sessions", "cores a session": last_row["a session"]})
    show(f"bare cost (recognised {share:.2f} s a second of speech)", table, as_json=as_json)
    show(
        "held with p99 <= 1 s",
        [{"sessions": holds, "times bare at 1": first_cpu / total, "2 cores / bare": 2 / total}],
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
