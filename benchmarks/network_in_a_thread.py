"""Does a network that answers in a thread hold up the session's other threads, or they it?

    python benchmarks/network_in_a_thread.py [--seconds 8] [--json]

One thread wants to wake every 10 ms, as what paces sound does; how late it wakes is measured alone,
while a random decoder generates in another thread, and while a third thread computes in Python
(worse than any stage: those wait most of the time). `--interval` is the interpreter's switch
interval; live conversations set 0.5 ms.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

import numpy as np
import torch
from machine import describe_machine, go_ahead, show

from omnilive.nn.clip_tower import ClipConfig
from omnilive.nn.generation import GenerationSettings, generate
from omnilive.nn.internlm2 import InternLM2Config
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork

WIDTHS = {"no network": 0, "256 wide, 8 layers": 256, "1024 wide, 8 layers": 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--interval", type=float, default=0.0005)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.setswitchinterval(options.interval)
    if not options.json:
        ahead = ", ahead of other work" if go_ahead() else ""
        print(f"{describe_machine()}{ahead}; switch interval {options.interval * 1000:g} ms")
    rows: list[dict[str, object]] = []
    for name, width in WIDTHS.items():
        network = made(width) if width else None
        for busy in (False, True):
            late, tokens = measured(network, options.seconds, busy=busy)
            rows.append(
                {
                    "network": name,
                    "Python busy": "yes" if busy else "no",
                    "late ms, median": float(np.median(late)),
                    "99 %": float(np.percentile(late, 99)),
                    "most": float(late.max()),
                    "tokens a second": tokens,
                }
            )
    show("A thread that wakes every 10 ms", rows, as_json=options.json)


def made(width: int) -> ReasoningNetwork:
    network = ReasoningNetwork(
        ReasoningConfig(
            InternLM2Config(2000, width, 4 * width, 8, 8, 2, 24_576, 1e-5, 1e6, 2.0, 16, 16.0),
            ClipConfig(width=8, ffn_width=8, num_layers=1, num_heads=1, image_size=560),
        )
    )
    for parameter in network.parameters():
        parameter.data.normal_(std=0.02)
    return network.eval().requires_grad_(False)


def measured(
    network: ReasoningNetwork | None, seconds: float, *, busy: bool
) -> tuple[np.ndarray, float]:
    """How late the thread woke, ms, and how many tokens came a second."""
    stop = threading.Event()
    late: list[float] = []
    threads = [threading.Thread(target=wake, args=(stop, late))]
    if busy:
        threads.append(threading.Thread(target=compute, args=(stop,)))
    for each in threads:
        each.start()
    started, count = time.perf_counter(), 0
    if network is None:
        time.sleep(seconds)
    else:
        prompt = torch.randn(1, 256, network.config.decoder.hidden_size) * 0.02
        mask = torch.zeros(1, 256, dtype=torch.bool)
        chosen = GenerationSettings(max_new_tokens=100_000, stop=frozenset())
        for _ in generate(network, EmbeddedPrompt(prompt, mask), chosen):
            count += 1
            if time.perf_counter() - started > seconds:
                break
    took = time.perf_counter() - started
    stop.set()
    for each in threads:
        each.join()
    return np.array(late) * 1000, count / took


def wake(stop: threading.Event, late: list[float]) -> None:
    while not stop.is_set():
        before = time.perf_counter()
        time.sleep(0.01)
        late.append(time.perf_counter() - before - 0.01)


def compute(stop: threading.Event) -> None:
    total = 0
    while not stop.is_set():
        for number in range(1000):
            total += number * number


if __name__ == "__main__":
    main()
