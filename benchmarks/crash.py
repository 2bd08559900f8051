"""1,000 kills (SIGKILL) at random instants of a process that remembers; what survives, in numbers.

    python benchmarks/crash.py --kills 1000 --seed 1

Every fork of tests/memory/crash_child.py opens the store and goes on remembering clips with
recordings (and pins and forgets some) until it is killed: half of the time counted from its start,
so that opening and recovery are hit, else from its first clip. After every 50 kills and at the end
the store is opened as the next process would, checked by `verify` in full, and held against what
was told.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "memory"))


def main() -> None:
    from crash_harness import Crasher

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=50, help="kills between two checks")
    given = parser.parse_args()
    started = time.monotonic()
    checks, wrong = 0, []
    with tempfile.TemporaryDirectory(prefix="omnilive-crash-") as directory:
        crasher = Crasher(Path(directory) / "memory", given.seed)
        try:
            for kill in range(1, given.kills + 1):
                crasher.kill_once()
                if kill % given.every == 0 or kill == given.kills:
                    checks += 1
                    found = crasher.check()
                    wrong += found
                    print(
                        f"{kill} kills, {len(crasher.log.remembered)} clips, {found or 'clean'}",
                        flush=True,
                    )
        finally:
            crasher.close()
    log = crasher.log
    figures = {
        "kills": log.kills,
        "before_the_first_clip": log.early,
        "clips_acknowledged": len(log.remembered),
        "clips_forgotten": len(log.forgotten),
        "cut_off_while_forgetting": len(log.forgetting - log.forgotten),
        "checks": checks,
        "wrong": wrong,
        "seconds": round(time.monotonic() - started),
    }
    print(json.dumps(figures))
    sys.exit(bool(wrong))


main()
