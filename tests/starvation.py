"""Whether the machine had time for a test in real time, and another try where it had none.

What is played live has gaps where a machine gives no time to who plays it, and no program can help
that. A test marked `real_time` that fails is therefore tried again once, because the machine below
a virtual one may have had no time either, which nothing in it can see; and twice where this
machine was proven starved. Everywhere else, and the last time, it fails. Every try is told.

The proof comes from a process of its own, which the code under test cannot hold up by itself: a
metronome that does the same small work at each beat. Where that takes more than twice as long as
at the quickest beat, or where one beat was kept waiting long enough for a gap to be heard, the
machine had no time to give.
"""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType

import pytest
from _pytest.runner import runtestprotocol

MOST_TRIES = 3
TIMEOUT_S = 300.0  # of each try
STARVED_SLOWDOWN = 2.0  # two cores: 1.4 with our server and Chromium alone, 3 with two burners more
STARVED_WAIT_S = 0.2  # buffers of sound hold less
_METRONOME = """
import sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
took = []
while not over.is_set():
    due = time.monotonic() + 0.05
    time.sleep(0.05)
    sum(range(100_000))
    took.append(time.monotonic() - due)
took = took or [1.0]
print(sum(took) / len(took) / min(took), max(took) - min(took))
"""


class Metronome:
    """Beats beside a test; use it in a `with` block and ask it afterwards."""

    def __init__(self) -> None:
        self.slowdown, self.longest_wait_s = 1.0, 0.0

    def __enter__(self) -> Metronome:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _METRONOME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        told, _ = self._process.communicate()
        if told:
            self.slowdown, self.longest_wait_s = map(float, told.split())

    @property
    def is_starved(self) -> bool:
        """Whether the machine was short of time; never where nothing was measured."""
        return self.slowdown > STARVED_SLOWDOWN or self.longest_wait_s > STARVED_WAIT_S

    def __str__(self) -> str:
        return f"{self.slowdown:.1f} times slower, {self.longest_wait_s:.2f} s without any time"


class RealTime:
    """The plugin that gives tests marked `real_time` their other tries."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.get_closest_marker("real_time"):
                item.add_marker(pytest.mark.timeout(MOST_TRIES * TIMEOUT_S))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        if not item.get_closest_marker("real_time"):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for left in reversed(range(MOST_TRIES)):
            with Metronome() as machine:
                reports = runtestprotocol(item, log=False, nextitem=nextitem)
            failed = [each.longreprtext for each in reports if each.failed]
            is_first = left == MOST_TRIES - 1
            if not left or not failed or not (machine.is_starved or is_first):
                break
            why = [line for line in failed[0].splitlines() if line.startswith("E ")] or [""]
            starved = "the machine was starved" if machine.is_starved else "the first try"
            self._told.append(f"{item.nodeid}: {starved}, {machine}. {why[0]}")
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._told:
            terminalreporter.section("tried again")
            for line in self._told:
                terminalreporter.write_line(line)
