"""How late a thread that paces sound is while others compute in Python, by switch interval.

    python benchmarks/switch_interval.py [--seconds 5] [--rounds 3] [--busy 2]

The intervals take turns, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

PIECE_S = 0.02
INTERVALS_S = (0.005, 0.002, 0.001, 0.0005)


def burn(stop: threading.Event, rounds: list[int]) -> None:
    while not stop.is_set():
        total = 0
        for number in range(100_000):
            total += number * number
        rounds[0] += 1


def measure(interval_s: float, busy: int, seconds: float) -> tuple[list[float], float]:
    """Return the lateness of each piece in milliseconds, and rounds a second of the others."""
    sys.setswitchinterval(interval_s)
    stop = threading.Event()
    counts = [[0] for _ in range(busy)]
    threads = [threading.Thread(target=burn, args=(stop, count)) for count in counts]
    for thread in threads:
        thread.start()
    late: list[float] = []
    start = time.monotonic()
    while len(late) * PIECE_S < seconds:
        due = start + (len(late) + 1) * PIECE_S
        time.sleep(max(0.0, due - time.monotonic()))
        late.append((time.monotonic() - due) * 1000)
    took = time.monotonic() - start
    stop.set()
    for thread in threads:
        thread.join()
    return late, sum(count[0] for count in counts) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=2)
    args = parser.parse_args()
    late: dict[float, list[float]] = {interval: [] for interval in INTERVALS_S}
    work: dict[float, list[float]] = {interval: [] for interval in INTERVALS_S}
    for _ in range(args.rounds):
        for interval in INTERVALS_S:
            pieces, rounds = measure(interval, args.busy, args.seconds)
            late[interval] += pieces
            work[interval].append(rounds)
    print(f"{args.busy} threads compute; lateness of a piece of 20 ms")
    print("interval ms   p50 ms   p95 ms   p99 ms   over 20 ms   rounds/s")
    for interval in INTERVALS_S:
        pieces = sorted(late[interval])
        p50, p95, p99 = (pieces[int(len(pieces) * share)] for share in (0.5, 0.95, 0.99))
        over = sum(each > PIECE_S * 1000 for each in pieces) / len(pieces)
        rounds = sum(work[interval]) / len(work[interval])
        print(
            f"{interval * 1000:11.1f} {p50:8.1f} {p95:8.1f} {p99:8.1f} {over:12.1%} {rounds:10.0f}"
        )


if __name__ == "__main__":
    main()
