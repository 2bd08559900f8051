"""Child of the crash tests: forks itself into processes that remember until they are killed.

Forking costs milliseconds where starting costs most of a second, so hundreds of kills fit into a
test. Each line of input is a store and a wall time; the fork's lines go to the same pipe, and
"dead" follows when it has gone, so whoever reads up to there has read all that it told.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from memory_support import S, World, embedder

from omnilive.events import Forget, Pin
from omnilive.memory.stage import MemoryConfig

CONFIG = MemoryConfig(fan_out=4, segment_s=30.0)


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one write, so never half a line


def remember(directory: Path, wall_ns: int) -> None:
    world = World(directory, live=True, wall_ns=wall_ns, config=CONFIG)
    base_s = world.started.at_ns / S
    recent: list[str] = []
    for index in range(100_000):
        start_s = base_s + 10 * index
        world.say(start_s + 1, f"sentence word{int(start_s)}")
        if index % 3 == 0:
            world.show(start_s + 2, f"sign{int(start_s)}")
        for k in range(4):
            world.record(start_s + k * 2, bytes([index % 251]) * 1_500)
        world.clip(start_s)
        for clip in world.remembered:
            tell(f"remembered {clip.id}")
            recent.append(clip.id)
        world.remembered.clear()
        if index % 6 == 5:
            world.push(Pin(moment=recent.pop()))
        if index % 7 == 6:
            doomed = recent.pop(-4)
            tell(f"forgetting {doomed}")
            world.push(Forget(moment=doomed))
            tell(f"forgotten {doomed}")


def main() -> None:
    embedder().embed(["warm"])
    for line in sys.stdin:
        directory, wall_ns = line.rstrip("\n").rsplit(" ", 1)
        child = os.fork()
        if not child:
            try:
                remember(Path(directory), int(wall_ns))
            except BaseException as error:
                tell(f"failed {type(error).__name__} {error}")
            finally:
                os._exit(1)
        tell(f"pid {child}")
        os.waitpid(child, 0)
        tell("dead")


main()
