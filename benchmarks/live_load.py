"""How many people two cores can talk with: sessions are added until perception is 1 s behind.

    python benchmarks/live_load.py --ahead --work DIR [--most 12] [--step-s 30] [--json]

Every session is an aiortc peer with a camera of 1280x720 at 30 pictures a second (VP8, 1.5 Mbit/s)
and a user who talks without end (--speech: for a share of every 10 s; Opus): a synthetic talk with
a sensor's noise. Both are encoded beforehand, so that the peers cost little; they live in this
process, the server in another, both on the same cores. Lag counts from the time of a sample or
picture by its sender's clock, less the shortest way it took, until hearing or seeing has worked it
off: decoding, queues and models are in it.

`bare` decodes the same packets, listens with the same detector and recognises as many seconds of
sound as the server's recogniser was given, in one thread, and nothing else.
"""

from __future__ import annotations

import argparse
import logging
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
    lags: dict[str, list[float]] = {}
    for sense, came, pushed in (
        ("hearing", "sound came", "sound"),
        ("seeing", "picture came", "frame"),
    ):
        lags[sense] = []
        for stream, (reader, start_ns) in epochs.items():
            # The way until it is here, decoded, less the shortest that it ever was.
            here = np.array([(r[0], r[0] - r[2]) for r in marks.get(came, []) if r[1] == reader])
            rows = [row for row in marks.get(pushed, []) if row[1] == reader]
            if not len(here) or not rows:
                continue
            unit_ns = 1_000_000_000 / SAMPLE_RATE if sense == "hearing" else 1
            ends = np.array([row[2] * unit_ns for row in rows])
            times = np.array([row[0] for row in rows])
            shortest = here[:, 1].min()
            for done, number, which, at_ns, _ in marks["worked"]:
                if number != stream or which != sense or not begun_ns <= done < ended_ns:
                    continue
                last = min(int(np.searchsorted(ends, at_ns - start_ns - 1000)), len(rows) - 1)
                way = here[max(0, int(np.searchsorted(here[:, 0], times[last], "right")) - 1), 1]
                lags[sense].append((done - times[last] + way - shortest) / 1e6)
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


def bare(pictures: list[bytes], sound: list[bytes], sizes: list[float]) -> dict[str, float]:
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
        whole = np.concatenate([*samples, *samples])
        first = 0
        for size in sizes:
            recogniser.transcribe(whole[first : first + int(size)], Cancel())
            first = (first + int(size)) % (whole.size // 2)

    # `sizes` are of as many seconds as the server ran; all else is of SECONDS.
    found = {"decode VP8": cost(see), "decode Opus": cost(listen)}
    found |= {"voice activity": cost(detect), "recognition": cost(recognise)}
    recogniser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "omnilive-bench")
    parser.add_argument("--most", type=int, default=12, help="sessions at most")
    parser.add_argument("--speech", type=float, default=1.0, help="share of the time (default 1)")
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
    speech = speech_of(film)[: SECONDS * RATE]
    for first in range(0, speech.size, 10 * RATE):  # turns of so many seconds, then silence
        speech[first + round(10 * options.speech * RATE) : first + 10 * RATE] = 0.0
    speech = speech + 0.0008 * np.random.default_rng(1).standard_normal(speech.size)
    sound = encode_sound(speech.astype(np.float32))
    peers: list[Peer] = []
    steps: list[tuple[int, int, float]] = []
    ended_by = ""
    # aiortc tells at length of messages that came too late for a closed connection.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
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
                lost = [peer.lost for peer in peers if peer.lost]
                if not options.json:
                    print(f"{len(peers)} sessions: {worst:.0f} ms behind now", *lost, flush=True)
                if lost:
                    ended_by = f"{len(lost)} lost: {lost[0]}"
                    break
                if worst > LIMIT_MS:
                    break
        finally:
            for peer in peers:
                peer.leave()
            loop.close()
            marks = server.stop()
    report(marks, steps, pictures, sound, as_json=options.json)
    if not options.json:
        first_ends = [row[1:] for row in marks.get("ended", []) if row[0] < steps[-1][1]]
        print(ended_by, *first_ends)


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
    share, holds = 0.0, 0
    sizes: list[float] = []
    for index, (begun, ended, peers_cpu) in enumerate(steps):
        number, wall = index + 1, (ended - begun) / 1e9
        lags = lags_ms(marks, begun, ended)
        first, last = usage[f"{number} begin"], usage[f"{number} end"]
        heard = sum(
            row[3] for row in marks["model"] if row[1] == "recognition" and begun <= row[0] < ended
        )
        if not index:
            share = heard / SAMPLE_RATE / wall
            sizes = [
                row[3]
                for row in marks["model"]
                if row[1] == "recognition" and begun <= row[0] < ended
            ]
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
            "others' CPU": (last[6] - first[6]) / wall
            - cpu
            - (last[5] - first[5]) / wall
            - peers_cpu,
            "taken by the host": (last[7] - first[7]) / wall,
        }
        rows.append(row)
    show("lag in ms by number of sessions; CPU in cores", rows, as_json=as_json)
    threads = {row[1]: row[2] for row in marks["threads"]}
    for number in sorted({1, max(1, holds)}):
        first, last = threads[f"{number} begin"], threads[f"{number} end"]
        wall = (steps[number - 1][1] - steps[number - 1][0]) / 1e9
        used = {name: (value - first.get(name, 0.0)) / wall for name, value in last.items()}
        used["native threads of models"] = float(rows[number - 1]["server CPU"]) - sum(  # type: ignore
            used.values()
        )
        table = [
            {"thread": name, "cores": value}
            for name, value in sorted(used.items(), key=lambda item: -item[1])
            if value >= 0.002
        ]
        show(f"where {number} sessions' time goes", table, as_json=as_json)
    costs = bare(pictures, sound, sizes)
    costs["recognition"] *= SECONDS / ((steps[0][1] - steps[0][0]) / 1e9)
    total = sum(costs.values())
    table = [{"part": name, "cores a session": value} for name, value in costs.items()]
    table.append({"part": "bare, all", "cores a session": total})
    first_cpu = float(rows[0]["a session"])  # type: ignore[arg-type]
    table.append({"part": "server, 1 session", "cores a session": first_cpu})
    last_row = rows[max(0, holds - 1)]
    table.append({"part": f"server, {holds} sessions", "cores a session": last_row["a session"]})
    show(f"bare cost (recognised {share:.2f} s a second)", table, as_json=as_json)
    show(
        "held with p99 <= 1 s",
        [{"sessions": holds, "times bare at 1": first_cpu / total, "2 cores / bare": 2 / total}],
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
