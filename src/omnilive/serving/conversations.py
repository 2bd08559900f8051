"""All live conversations of a process: opened, found, ended; they share models and one memory."""

from __future__ import annotations

import logging
import os
import re
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from omnilive.clock import Clock, RealClock
from omnilive.errors import SessionLimit, UnknownSession, UsageError
from omnilive.serving.common_memory import CommonMemory
from omnilive.serving.conversation import ConversationStats, LiveConversation
from omnilive.serving.wire import Json
from omnilive.serving.worker import places
from omnilive.stage import Stage
from omnilive.system import LiveConfig, System

_log = logging.getLogger(__name__)

_REAP_EVERY_S = 1.0
_NAME = re.compile(r"[^\x00-\x1f/\\]{1,100}")
_DEFAULT_NAME = "conversation"
# How long a thread keeps the interpreter. With the usual 5 ms, a piece of sound of 20 ms is late as
# soon as two threads compute in Python (benchmarks/switch_interval.py).
_SWITCH_INTERVAL_S = 0.0005


class Conversations:
    """Opens, finds and ends conversations.

    Args:
        system: opened for writing; closed by who made it, after `close_all`.
        config: how many there may be, how long they wait.
        clock: monotonic and wall time.
        shared: makes stages to use instead of the system's own; for tests and programs.

    While they run, threads of this process take turns more often, so that sound is in time.

    `observer`, if set, is given every message of any conversation that figures are made from
    (latency, interruption, resume, failure); from any thread.
    """

    def __init__(
        self,
        system: System,
        config: LiveConfig,
        clock: Clock | None = None,
        *,
        shared: Callable[[], Mapping[str, Stage]] | None = None,
    ) -> None:
        self.observer: Callable[[Json], None] | None = None
        self._system = system
        self._config = config
        self._clock = clock or RealClock()
        self._shared = shared or (lambda: {})
        # One model in each conversation's way would make the others wait for its sentence.
        system.num_recognisers = config.recognisers or min(2, max(1, (os.cpu_count() or 1) // 2))
        self._usual_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(min(_SWITCH_INTERVAL_S, self._usual_interval_s))
        self._memory = CommonMemory(system.memory, system, self._clock)
        self._lock = threading.Lock()
        self._open: dict[str, LiveConversation] = {}
        self._closing: set[str] = set()
        self._num_opened = 0
        self._past = _Totals()
        self._closed = False
        self._stop = threading.Event()
        self._reaper = threading.Thread(target=self._reap_on, name="omnilive reaper", daemon=True)
        self._reaper.start()

    def warm(self) -> None:
        """Load the models before the first conversation needs them. May be called again.

        Raises:
            BackendError: one cannot be loaded.
        """
        self._system.warm()

    def open(self, name: str = "") -> LiveConversation:
        """Open a conversation whose stream is called `name`.

        Raises:
            SessionLimit: as many are open as may be.
            UsageError: the name cannot be one, or an open conversation has it.
        """
        if name and not _NAME.fullmatch(name):
            raise UsageError("A stream's name is 1 to 100 characters without slashes.")
        with self._lock:
            if self._closed:
                raise UsageError("The server is going down.")
            if len(self._open) >= self._config.max_sessions:
                raise SessionLimit(
                    f"{len(self._open)} conversations are open already; end one, or wait until "
                    "one ends."
                )
            taken = {each.stream_name for each in self._open.values()}
            if name in taken:
                raise UsageError(f"A conversation called {name!r} is open; give another name.")
            id_ = secrets.token_hex(8)
            conversation = LiveConversation(
                id_,
                name or _free(taken),
                self._system,
                self._memory,
                self._clock,
                observe=self._observe,
                shared=self._shared(),
            )
            self._open[id_] = conversation
            self._num_opened += 1
            return conversation

    def get(self, id_: str) -> LiveConversation:
        """Return an open conversation.

        Raises:
            UnknownSession: there is none with this id.
        """
        with self._lock:
            conversation = self._open.get(id_)
        if conversation is None:
            raise UnknownSession("There is no such conversation; it may have ended.")
        return conversation

    def list(self) -> list[LiveConversation]:
        """Return the open conversations, oldest first."""
        with self._lock:
            return [*self._open.values()]

    def close(self, id_: str, reason: str = "closed") -> None:
        """End a conversation; returns when what it perceived is remembered.

        Raises:
            UnknownSession: there is none with this id.
        """
        conversation = self.get(id_)
        conversation.close(reason)
        with self._lock:
            if self._open.pop(id_, None) is not None:
                self._past.add(conversation.stats())

    def reap(self) -> None:
        """End the conversations whose client is gone for longer than the grace."""
        now_s = self._clock.monotonic_ns() / 1e9
        for conversation in self.list():
            gone_s = conversation.gone_since
            if gone_s is not None and now_s - gone_s >= self._config.grace_s:
                self._close_one(conversation.id, "grace")

    def close_all(self) -> None:
        """End everything; what was perceived is remembered. Safe to call twice."""
        with self._lock:
            first, self._closed = not self._closed, True
            ids = [*self._open]
        self._stop.set()
        if threading.current_thread() is not self._reaper:
            self._reaper.join()
        enders = [
            threading.Thread(target=self._close_one, args=(id_, "going down"), daemon=True)
            for id_ in ids
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        self._memory.close()
        if first:
            sys.setswitchinterval(self._usual_interval_s)

    def broadcast(self, message: Json) -> None:
        """Send a message to every client."""
        for conversation in self.list():
            conversation.send(message)

    def stats(self) -> Json:
        """Return figures; counts never fall while the process lives.

        Keys: "sessions", "opened_total", "frames", "dropped", "queues" (the longest of each
        stage), "errors", "interruptions", "latencies" (newest turns: stages and total in ms),
        "sources", "num_unremembered".
        """
        total = _Totals()
        queues: Counter[str] = Counter()
        sources: dict[str, bool] = {}
        latencies: list[Json] = []
        with self._lock:
            total.join(self._past)
            open_ones, num_opened = [*self._open.values()], self._num_opened
        for conversation in open_ones:
            figures = conversation.stats()
            total.add(figures)
            sources[conversation.stream_name] = figures.is_up
            for name, depth in figures.queues.items():
                role = name.split()[0]
                queues[role] = max(queues[role], depth)
            latencies += [{"stages": each[0], "total_ms": each[1]} for each in figures.latencies]
        return {
            "sessions": len(open_ones),
            "opened_total": num_opened,
            "frames": dict(total.frames),
            "dropped": dict(total.dropped),
            "queues": dict(queues),
            "errors": dict(total.failures),
            "interruptions": {"true": total.interruptions, "false": total.resumes},
            "latencies": latencies,
            "sources": sources,
            "num_unremembered": self._memory.num_unremembered(),
        }

    # --- behind the scenes ---------------------------------------------------------------

    def _observe(self, message: Json) -> None:
        observer = self.observer
        if observer is not None:
            observer(message)

    def _close_one(self, id_: str, reason: str) -> None:
        try:
            self.close(id_, reason)
        except UnknownSession:
            pass  # it was ended meanwhile
        except Exception as error:  # the others are to be ended, too
            _log.error("ending a conversation failed: %s", type(error).__name__)
            _log.debug("at\n%s", places(error))

    def _reap_on(self) -> None:
        while not self._stop.wait(_REAP_EVERY_S):
            self.reap()


class _Totals:
    """Counts of conversations, added up."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter(ingested=0, dropped=0)
        self.dropped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.interruptions = 0
        self.resumes = 0

    def add(self, figures: ConversationStats) -> None:
        """Add one conversation."""
        self.frames.update(figures.frames)
        self.frames["dropped"] += figures.dropped["frames"]
        self.dropped.update(figures.dropped)
        self.failures.update(figures.failures)
        self.interruptions += figures.interruptions
        self.resumes += figures.resumes

    def join(self, other: _Totals) -> None:
        """Add what was added up before."""
        self.frames.update(other.frames)
        self.dropped.update(other.dropped)
        self.failures.update(other.failures)
        self.interruptions += other.interruptions
        self.resumes += other.resumes


def _free(taken: set[str]) -> str:
    name, number = _DEFAULT_NAME, 2
    while name in taken:
        name, number = f"{_DEFAULT_NAME}-{number}", number + 1
    return name
