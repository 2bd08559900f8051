"""`omnilive watch` with a meter on every model; started by `watch_speed.py`, not by hand.

    python benchmarks/instrumented_watch.py METERS.json watch --fast --json FILE --store DIR

Runs the real command line in this process and writes what each part cost (CPU seconds) to
METERS.json. CPU, not wall time: parts of two threads overlap, and another program on the machine
must not count. A model's own threads (Moonshine's) are those that Python did not start; they are
told from the total.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_spent: defaultdict[str, float] = defaultdict(float)
_calls: Counter[str] = Counter()
_threads: defaultdict[str, float] = defaultdict(float)


def metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with the CPU time of its thread added up under `name`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            _spent[name] += time.thread_time() - started
            _calls[name] += 1

    return wrapper


def metered_iterator(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a generator function that adds up only the time inside the generator."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
        step = metered(name, function(*args, **kwargs).__next__)
        while True:
            try:
                yield step()
            except StopIteration:
                return

    return wrapper


def metered_thread(run: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """Return `Thread.run` that notes what the whole thread spent, under its name."""

    def wrapper(thread: threading.Thread) -> None:
        try:
            run(thread)
        finally:
            _threads[thread.name.removeprefix("omnilive ")] += time.thread_time()

    return wrapper


def install() -> None:
    """Put a meter on the reader, each model and each thread."""
    from omnilive.media.container_reader import ContainerReader
    from omnilive.media.pictures import to_jpeg
    from omnilive.memory import pending
    from omnilive.memory.embedding import WordLlamaEmbedder
    from omnilive.perception.moonshine import MoonshineRecogniser
    from omnilive.perception.reading import RapidOcrReader
    from omnilive.perception.voice_activity import SileroState, SileroVoiceActivity

    def put(owner: Any, method: str, name: str) -> None:
        setattr(owner, method, metered(name, getattr(owner, method)))

    ContainerReader.events = metered_iterator("reading", ContainerReader.events)  # type: ignore[method-assign]
    put(SileroVoiceActivity, "start", "voice activity")
    put(SileroState, "probability", "voice activity")
    put(MoonshineRecogniser, "transcribe", "recogniser")
    put(RapidOcrReader, "read", "asking the text reader")
    put(WordLlamaEmbedder, "__init__", "embedder")
    put(WordLlamaEmbedder, "embed", "embedder")
    vars(pending)["to_jpeg"] = metered("thumbnails", to_jpeg)
    threading.Thread.run = metered_thread(threading.Thread.run)  # type: ignore


def main() -> None:
    report = Path(sys.argv[1])
    sys.argv = ["omnilive", *sys.argv[2:]]
    from omnilive.cli.app import main as run

    install()
    imported = time.process_time()
    code: object = 0
    try:
        run()
    except SystemExit as stopped:
        code = stopped.code
    _threads["main"] += time.thread_time()
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    self_s = own.ru_utime + own.ru_stime
    meters = {
        "exit": code,
        "self_s": self_s,
        "children_s": children.ru_utime + children.ru_stime,
        "imports_s": imported,
        "native_threads_s": self_s - sum(_threads.values()),
        "spent_s": dict(_spent),
        "calls": dict(_calls),
        "threads_s": dict(_threads),
    }
    report.write_text(json.dumps(meters), encoding="utf-8")
    sys.exit(0 if code in (0, None) else 1)


if __name__ == "__main__":
    main()
