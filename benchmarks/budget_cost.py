"""What keeping to a budget costs a clip: with nothing to drop, and with something at every clip.

    python benchmarks/budget_cost.py DIR [--clips 12000] [--tight]

Events alone, no rendering: each clip has a sentence, a picture and 2 kB of recording. Prints CPU
time of the thread a clip, in sixths of the run, and what the store's files take; then verifies the
store. DIR is made and removed; put it on a RAM disk to leave out what syncing costs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "memory"))

from memory_support import World

from omnilive.memory.budget import BudgetConfig, LevelBudget
from omnilive.memory.stage import MemoryConfig

TIGHT = {
    "recordings": LevelBudget(gb=0.002),
    "thumbnails": LevelBudget(gb=0.0005),
    "moments": LevelBudget(gb=0.002),
    "blocks": LevelBudget(gb=0.0003),
    "overviews": LevelBudget(gb=0.00005),
}


def main() -> int:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--clips", type=int, default=12_000)
    parser.add_argument("--tight", action="store_true", help="limits of a few MB")
    options = parser.parse_args()
    if options.directory.exists():
        parser.error(f"{options.directory} exists already; name a directory to be made")
    budget = BudgetConfig(**TIGHT if options.tight else {})
    world = World(options.directory, live=True, config=MemoryConfig(budget=budget))
    keeper, spent = world.memory._keeper, [0.0]
    keep = keeper.after_clip

    def metered() -> None:
        started = time.thread_time()
        keep()
        spent[0] += time.thread_time() - started

    keeper.after_clip = metered  # type: ignore[method-assign]
    share = options.clips // 6
    for sixth in range(6):
        started, before = time.thread_time(), spent[0]
        for number in range(sixth * share, (sixth + 1) * share):
            world.say(number * 10 + 1, f"sentence number {number} is about apples")
            world.record(number * 10 + 1, bytes(2_000))
            world.clip(number * 10.0)
        files = sum(p.stat().st_size for p in options.directory.rglob("*") if p.is_file())
        print(
            f"{(sixth + 1) * share:8} clips: {(time.thread_time() - started) / share * 1e3:.2f} ms "
            f"a clip, {(spent[0] - before) / share * 1e3:.2f} of it the budget; "
            f"{files / 1e6:.1f} MB on disk"
        )
    findings = world.store.verify().findings
    print(f"verify: {len(findings)} findings")
    world.close()
    shutil.rmtree(options.directory)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
