"""Start-up and time to the first word of `ask` on a store of 24 hours, a fresh process a question.

    python benchmarks/ask_latency.py --work DIR [--hours 24] [--json]

The store (kept in DIR) holds a day of the synthetic world as perfect senses would report it,
remembered through the Memory stage, ending when it is built. Every question of that world and a
list of awkward ones (common words, spans of time, nothing at all) is asked once, each in a Python
process of its own, so nothing is warm but the disk's cache:

    start-up    from the first line of Python to a memory that is open for questions
    first word  from the question to the first AnswerText, what is loaded lazily included
    process     the whole `omnilive ask --json`, the interpreter's own start and end included
"""

from __future__ import annotations

import time

_BORN = time.perf_counter()  # before anything heavy is imported

import argparse  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

AWKWARD = (
    "what was said?",
    "the",
    "what was said about the window and the door and the room?",
    "who said that it is on the second floor?",
    "what happened in the last 10 minutes?",
    "what happened today?",
    "what happened yesterday?",
    "what was on the screen an hour ago?",
    "how often was the meeting mentioned?",
    "how often did the alarm sound?",
    "when did something move?",
    "what was said between 10:00 and 11:00?",
    "what was the last thing on the screen?",
    "what is there now?",
    "what colour is the dog?",
    "did anybody mention a zeppelin?",
)
SEED = 5


def build(store_path: Path, hours: float) -> None:
    """Remember a day of the synthetic world."""
    from omnilive.cancel import Cancel
    from omnilive.events import NS_PER_S, StreamStarted
    from omnilive.media.synthetic import World, perceived_events
    from omnilive.memory.embedding import WordLlamaEmbedder
    from omnilive.memory.stage import Memory, MemoryConfig
    from omnilive.memory.store import Store

    world = World(SEED, 3600 * hours)
    wall_ns = time.time_ns() - round(3600 * hours) * NS_PER_S
    with Store.open(store_path, write=True) as store:
        memory = Memory(store, MemoryConfig(), WordLlamaEmbedder())
        started = store.begin_epoch(
            "day",
            wall_ns=wall_ns,
            zone="UTC",
            origin="live",
            voice="ambient",
            has_video=True,
            has_audio=True,
            live=True,
            source="benchmark",
        )
        for event in perceived_events(world, stream=started.stream, wall_ns=wall_ns):
            for _ in memory.push(started if isinstance(event, StreamStarted) else event, Cancel()):
                pass
        memory.close()


def questions(hours: float) -> list[str]:
    """Return what is asked."""
    from omnilive.media.synthetic import World

    return [one.text for one in World(SEED, 3600 * hours).questions] + list(AWKWARD)


def inside(store_path: str, question: str) -> None:
    """Ask one question in this process and print what it took."""
    from omnilive import api
    from omnilive.events import AnswerText

    with api.open_store(store_path) as memory:
        ready = time.perf_counter()
        first = 0.0
        for event in memory.ask_events(question):
            if isinstance(event, AnswerText) and not first:
                first = time.perf_counter()
        done = time.perf_counter()
    print(
        json.dumps(
            {
                "start-up": 1000 * (ready - _BORN),
                "first word": 1000 * (first - ready),
                "whole answer": 1000 * (done - ready),
                "answered": bool(first),
            }
        )
    )


def measure(store_path: Path, question: str) -> dict[str, float]:
    """Ask one question in two fresh processes; return milliseconds."""
    from machine import run_json

    me = [sys.executable, __file__, "--inside", str(store_path), question]
    found = run_json(me)[0]
    if not found.pop("answered"):
        raise RuntimeError(f"no word came in answer to {question!r}")
    started = time.perf_counter()
    command = [sys.executable, "-m", "omnilive", "ask", question, "--store", str(store_path)]
    run_json([*command, "--json"])
    took = {name: float(str(value)) for name, value in found.items()}
    return took | {"process": 1000 * (time.perf_counter() - started)}


def row(name: str, values: Sequence[float]) -> dict[str, object]:
    """Return the line of a table."""
    ordered = sorted(values)
    return {
        "ms": name,
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))],
        "highest": ordered[-1],
    }


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3])
        return
    from machine import describe_machine, show

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps the store")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    store_path = options.work / f"day-{options.hours:g}h"
    if not store_path.is_dir():
        print(f"remembering {options.hours:g} h ...", file=sys.stderr, flush=True)
        build(store_path, options.hours)
    if not options.json:
        print(describe_machine())
    runs = {text: measure(store_path, text) for text in questions(options.hours)}
    names = next(iter(runs.values()))
    rows = [row(name, [run[name] for run in runs.values()]) for name in names]
    show(f"ask on {options.hours:g} h, {len(runs)} questions", rows, as_json=options.json)
    slowest = sorted(runs.items(), key=lambda item: item[1]["first word"], reverse=True)[:5]
    show(
        "Slowest first words",
        [{"ms": run["first word"], "question": text} for text, run in slowest],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
