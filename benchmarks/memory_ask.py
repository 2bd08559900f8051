"""How long a question takes on a store of 24 hours (8,640 clips, about 14,400 utterances).

    python benchmarks/memory_ask.py build DIR     writes the store, prints the cost of a clip
    python benchmarks/memory_ask.py ask DIR       prints start-up and the time of each question

Start `ask` anew for every measurement: the first question of a process loads the vectors.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    Clip,
    Event,
    Question,
    StreamEnded,
    Tick,
    Utterance,
    Watermark,
    moment_id,
)
from omnilive.memory.embedding import WordLlamaEmbedder
from omnilive.memory.floors import BACKGROUND
from omnilive.memory.recall import Recall
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store

NUM_CLIPS = 8_640
CLIP_NS = 10 * NS_PER_S
WALL_NS = 1_700_000_000 * NS_PER_S
QUESTIONS = (
    "what was said about the red budget bicycle?",
    "the train and the window",
    "what was said this morning?",
    "in the last 5 minutes",
    "after the concert what was said about music?",
    "how often was honey mentioned?",
    "at 12:30",
)


def build(directory: Path) -> None:
    rng = random.Random(1)
    words = sorted({word.strip(".,?:") for text in BACKGROUND for word in text.split()})
    words += [f"w{number}" for number in range(4_000)]
    times = []
    with Store.open(directory, write=True) as store:
        memory = Memory(store, MemoryConfig(), WordLlamaEmbedder())

        def push(event: Event) -> None:
            for _ in memory.push(event, Cancel()):
                pass

        push(
            store.begin_epoch(
                "door",
                wall_ns=WALL_NS,
                zone="Europe/Berlin",
                origin="live",
                voice="ambient",
                has_video=True,
                has_audio=True,
                live=True,
                source="benchmark",
            )
        )
        for index in range(NUM_CLIPS):
            started = time.perf_counter()
            for event in _clip(rng, words, index):
                push(event)
            times.append(time.perf_counter() - started)
        push(StreamEnded(stream=1, at_ns=NUM_CLIPS * CLIP_NS))
    for name, part in (("first", times[:1024]), ("last", times[-1024:])):
        print(f"{name} 1024 clips: {1000 * sum(part) / len(part):.2f} ms a clip")


def _clip(rng: random.Random, words: list[str], index: int) -> list[Event]:
    start_ns, end_ns = index * CLIP_NS, (index + 1) * CLIP_NS
    events: list[Event] = []
    for place in range(rng.choice((1, 2, 2))):
        at_ns = start_ns + (1 + 4 * place) * NS_PER_S
        text = " ".join(rng.choices(words, k=12))
        if index == NUM_CLIPS // 2:
            text += " the red budget bicycle"
        events.append(
            Utterance(
                id=moment_id("u", 1, at_ns),
                stream=1,
                start_ns=at_ns,
                end_ns=at_ns + 3 * NS_PER_S,
                text=text,
                voice="ambient",
            )
        )
    return [
        *events,
        Tick(stream=1, at_ns=end_ns, wall_ns=WALL_NS + end_ns),
        Clip(
            id=moment_id("c", 1, start_ns),
            stream=1,
            start_ns=start_ns,
            end_ns=end_ns,
            num_frames=10,
            changed=True,
            motion=0.0,
            moving=(),
            descriptor=None,
            descriptor_model="",
            pictures=(),
        ),
        Watermark(stream=1, sense="seeing", at_ns=end_ns),
        Watermark(stream=1, sense="hearing", at_ns=end_ns),
    ]


def ask(directory: Path) -> None:
    started = time.perf_counter()
    with Store.open(directory, write=False) as store:
        recall = Recall(store, WordLlamaEmbedder())
        print(f"open, with text vectors: {1000 * (time.perf_counter() - started):.0f} ms")
        for text in QUESTIONS:
            started = time.perf_counter()
            found = recall.retrieve(Question(turn_id="q", text=text, needs="past"))
            took_ms = 1000 * (time.perf_counter() - started)
            print(f"{took_ms:7.1f} ms  {len(found.hits)} hits  {found.within_total:5} in  {text}")


if __name__ == "__main__":
    {"build": build, "ask": ask}[sys.argv[1]](Path(sys.argv[2]))
