"""What one more clip costs the memory network, by how many came before it.

    python benchmarks/memory_network_growth.py [--threads 1] [--skip-retrieval] [--json]

A random decoder of 4 layers, 256 wide, and clips of 16 frames (64 vectors and 4 slots a frame):

    (a) the release's way: at every frame the clip is encoded again and everything is integrated
        again. One frame is measured, with a clip of 8 frames (half of them came), times 16.
    (b) `exact`: the clip is encoded once, keys and values of earlier clips are kept.
    (c) `blocks`: the same within blocks of 32, blocks within blocks.

(b) and (c) compute H-bar when it is asked for (a question, a closing block); "+ H-bar" asks after
every clip, as the release does after every frame. The vision tower is left out of all three (the
release runs it again too, so this favours (a)), and (a) runs on our decoder.

Times are CPU seconds of the process, which other work on the machine hardly changes. (c) is the
mean over 32 clips in a row: from the second of a block to the first of the next, so that the
closing of one block and of all that fill above it is in; ages are measured in turns, `--rounds`
times. MiB is what is held between clips.

Retrieval: 100,000 vectors of width 1536 around 2,000 centres, quantised with a second, exact look;
recall@10 against float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from machine import describe_machine, show

from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_integration import FAN_OUT, BlockState, ExactState
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_retrieval import GlobalIndex
from omnilive.nn.memory_rows import ClipInput
from omnilive.nn.pool_projector import FrameFeatures
from omnilive.nn.qwen2 import Qwen2Config

FRAMES = 16
AT = (1, 32, 128, 504)
FAR = 2048
CONFIG = MemoryConfig(
    decoder=Qwen2Config(
        vocab_size=1000, width=256, ffn_width=1024, num_layers=4, num_heads=4, num_key_value_heads=2
    ),
    tower=ClipConfig(width=16, ffn_width=16, num_layers=2, num_heads=1),
)
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-retrieval", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if not options.json:
        print(describe_machine())
    network = MemoryNetwork(CONFIG).eval()
    growth = Growth(network)
    rows = growth.measured(options.rounds)
    show("One more clip (CPU seconds; MiB held between clips)", rows, as_json=options.json)
    if not options.skip_retrieval:
        show("Retrieval", [retrieval()], as_json=options.json)


class Growth:
    """Measures the three ways over the same random clips."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.encoded = [self._encoded() for _ in range(FAR + 4 * FAN_OUT)]

    def measured(self, rounds: int) -> list[dict[str, object]]:
        blocks = self._blocks(rounds)
        rows: list[dict[str, object]] = []
        for count in (*AT, FAR):
            mean, asked_blocks, held_blocks = blocks[count]
            row: dict[str, object] = {"clips": count}
            if count in AT:
                again, held = self._again(count)
                exact, asked, held_exact = self._exact(count, rounds)
                row |= {"a": again, "a MiB": held}
                row |= {"b": exact, "b + H-bar": exact + asked, "b MiB": held_exact}
            row |= {"c": mean, "c + H-bar": mean + asked_blocks, "c MiB": held_blocks}
            if count in AT:
                row |= {"a / b": again / exact, "a / (b + H-bar)": again / (exact + asked)}
                row |= {"a / c": again / mean, "a / (c + H-bar)": again / (mean + asked_blocks)}
                row |= {"(b + H-bar) / (c + H-bar)": (exact + asked) / (mean + asked_blocks)}
            row["c to c at 32"] = mean / blocks[FAN_OUT][0]
            row["c + H-bar to it at 32"] = (mean + asked_blocks) / sum(blocks[FAN_OUT][:2])
            rows.append(row)
        heads = list(rows[0])
        return [{head: row.get(head, "-") for head in heads} for row in rows]

    def _again(self, count: int) -> tuple[float, float]:
        """Return the seconds of 16 frames of the newest clip, and MiB kept between them."""
        before, clip = self.encoded[: count - 1], self._clip(FRAMES // 2)

        def one_frame() -> None:
            self.network.integrate([[*before, self.network.compress_clip(clip)]])

        one_frame() if count < max(AT) else None  # warm
        repeats = max(1, 64 // count)
        seconds, _ = timed(lambda: [one_frame() for _ in range(repeats)])
        held = sum(c.short_term.nbytes + c.global_memory.nbytes for c in self.encoded[:count])
        # The release keeps the long-term memory of every clip, and uses the last.
        width = CONFIG.decoder.width * 4
        return seconds / repeats * FRAMES, (held + width * count * (count + 1) // 2) / MIB

    def _exact(self, count: int, rounds: int) -> tuple[float, float, float]:
        """Return the seconds of one more clip, those of H-bar behind it, and MiB held."""
        clip, seconds, asked, held = self._clip(FRAMES), 0.0, 0.0, 0
        num_before = min(count - 1, max(AT) - 1 - rounds)
        state = ExactState().with_clips(self.network, self.encoded[:num_before])
        state = state.with_clip(self.network, self.encoded[num_before])  # has room from now on
        if count == 1:
            state = ExactState()
        for encoded in self.encoded[num_before + 1 :][:rounds]:
            took, _ = timed(lambda: self.network.compress_clip(clip))
            seconds += took
            took, newer = timed(partial(state.with_clip, self.network, encoded))
            seconds += took
            took, _ = timed(partial(newer.long_term, self.network))
            asked += took
            held, state = newer.num_bytes, ExactState() if count == 1 else newer
        return seconds / rounds, asked / rounds, held / MIB

    def _blocks(self, rounds: int) -> dict[int, tuple[float, float, float]]:
        """Return for each age the mean of a clip over whole blocks, that of H-bar, MiB held."""
        clip = self._clip(FRAMES)
        states: dict[int, BlockState] = {}
        for age in (*AT, FAR):
            # From the second clip of a block: the window ends with the first of the next one.
            first = (age - 1) // FAN_OUT * FAN_OUT + 1
            states[age] = BlockState().with_clips(self.network, self.encoded[:first])
        sums = {age: [0.0, 0.0, 0.0] for age in states}
        for _ in range(rounds):
            for age, state in states.items():
                for encoded in self.encoded[state.num_clips :][:FAN_OUT]:
                    took, _ = timed(lambda: self.network.compress_clip(clip))
                    sums[age][0] += took
                    took, state = timed(partial(state.with_clip, self.network, encoded))
                    sums[age][0] += took
                    took, _ = timed(partial(state.long_term, self.network))
                    sums[age][1] += took
                    sums[age][2] = max(sums[age][2], state.num_bytes / MIB)
        each = rounds * FAN_OUT
        return {
            age: (clip_s / each, ask_s / each, mib) for age, (clip_s, ask_s, mib) in sums.items()
        }

    def _clip(self, frames: int) -> ClipInput:
        width, merged = CONFIG.decoder.width, 4 * CONFIG.tower.width
        features = FrameFeatures(
            torch.randn(frames, CONFIG.num_merged, width),
            torch.randn(frames, CONFIG.num_slots, width),
            torch.randn(frames, merged),
        )
        return ClipInput(tuple(range(13)), features)

    def _encoded(self) -> EncodedClip:
        width = CONFIG.decoder.width
        return EncodedClip(torch.randn(FRAMES * CONFIG.num_slots, width), torch.randn(width))


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds that a call took, and what it gave."""
    started = time.process_time()
    result = do()
    return time.process_time() - started, result


def retrieval(num_vectors: int = 100_000, width: int = 1536) -> dict[str, object]:
    """Return how long the nearest 10 of very many take, and how many of them are the true ones."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((2000, width), dtype=np.float32)
    index = GlobalIndex(width)
    exact = []
    questions = centres[chance.integers(0, 2000, 200)]
    questions = questions + chance.standard_normal(questions.shape, dtype=np.float32)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    for _ in range(0, num_vectors, 5000):
        some = centres[chance.integers(0, 2000, 5000)]
        some = some + chance.standard_normal(some.shape, dtype=np.float32)
        index.add(some)
        exact.append(some / np.linalg.norm(some, axis=1, keepdims=True) @ questions.T)
    true = np.argsort(-np.concatenate(exact), axis=0)[:10]
    found, took = 0, []
    for number, question in enumerate(questions):
        started = time.perf_counter()
        rows, _ = index.nearest(question, 10)
        took.append((time.perf_counter() - started) * 1000)
        found += len(set(rows.tolist()) & set(true[:, number].tolist()))
    return {
        "vectors": num_vectors,
        "width": width,
        "recall@10": found / (10 * len(questions)),
        "median ms": float(np.median(took)),
        "p95 ms": float(np.percentile(took, 95)),
        "MiB": index.num_bytes / MIB,
    }


if __name__ == "__main__":
    main()
