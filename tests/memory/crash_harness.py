"""Kills a process that remembers at random instants and holds its store against what it told."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from memory_support import WALL_NS, S

import omnilive
from omnilive.memory.store import Store

HERE = Path(__file__).parent


@dataclass
class Log:
    """What the killed processes told before they died."""

    remembered: list[str] = field(default_factory=list)
    forgetting: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    kills: int = 0
    early: int = 0
    """Kills before anything was remembered: in the opening, or in recovery."""


class Crasher:
    """Starts the process that forks, and kills its forks one after the other."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.log = Log()
        self._random = random.Random(seed)
        paths = os.pathsep.join([str(Path(omnilive.__file__).parents[1]), str(HERE)])
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "crash_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        )

    def kill_once(self, longest_s: float = 0.15) -> None:
        """Let a process open the store, go on, and kill it at a random instant.

        Half of the time the instant counts from its beginning (so that opening and recovery are
        hit), else from the first clip that it remembers.
        """
        assert self._server.stdin is not None
        # Half an hour later each time: too little for the budget of days to take anything.
        wall_ns = WALL_NS + self.log.kills * 1_800 * S
        self._server.stdin.write(f"{self.directory} {wall_ns}\n")
        self._server.stdin.flush()
        pid = int(self._line().split()[1])
        # A timer, not a wait: what the process tells meanwhile must be read.
        instant_s = self._random.uniform(0.0, longest_s)
        killer = threading.Timer(instant_s, os.kill, (pid, signal.SIGKILL))
        is_early = self._random.random() < 0.5
        if is_early:
            killer.start()
        before = len(self.log.remembered)
        while (line := self._line()) != "dead":
            what, _, rest = line.partition(" ")
            if what == "remembered":
                self.log.remembered.append(rest)
                if not is_early and len(self.log.remembered) == before + 1:
                    killer.start()
            elif what == "forgetting":
                self.log.forgetting.add(rest)
            elif what == "forgotten":
                self.log.forgotten.add(rest)
            else:
                killer.cancel()
                raise AssertionError(line)
        killer.join()
        self.log.kills += 1
        self.log.early += len(self.log.remembered) == before

    def check(self) -> list[str]:
        """Open the store as the next process would; return what is wrong, and nothing if all is."""
        wrong: list[str] = []
        with Store.open(self.directory, write=True) as store:
            wrong += [f"{each.kind}: {each.what}" for each in store.verify().findings]
            present = [
                f"c1-{row[0] // 1_000_000}"
                for row in store.database.rows("SELECT start_ns FROM node WHERE level = 0")
            ]
        told = set(self.log.remembered)
        if len(present) != len(set(present)):
            wrong.append("a clip is there twice")
        if len(told) != len(self.log.remembered):
            wrong.append("a clip was acknowledged twice")
        lost = told - set(present) - self.log.forgetting
        if lost:
            wrong.append(f"acknowledged but lost: {sorted(lost)[:5]} of {len(lost)}")
        if self.log.forgotten & set(present):
            wrong.append("a forgotten clip is still there")
        # At most the one clip a kill that was committed and not yet told.
        if len(set(present) - told) > self.log.kills:
            wrong.append("clips are there that nobody remembered")
        return wrong

    def close(self) -> None:
        """End the process that forks."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def _line(self) -> str:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that forks has died"
        return line.rstrip("\n")
