"""Child of test_memory_crash: remembers clips with recordings until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from memory_support import World


def main() -> None:
    world = World(Path(sys.argv[1]), live=True, wall_ns=int(sys.argv[2]))
    base_s = world.started.at_ns / 1e9
    for index in range(100_000):
        start_s = base_s + 10 * index
        world.say(start_s + 1, f"sentence word{int(start_s)}")
        for k in range(20):
            world.record(start_s + k * 0.4, bytes([index % 251]) * 3_000)
        world.clip(start_s)
        for clip in world.remembered:
            sys.stdout.write(f"{clip.id}\n")
        sys.stdout.flush()
        world.remembered.clear()


main()
