"""One memory for several sessions: one store, one writer, one stage, many entrances.

Every session has its own worker and mailbox for memory; behind them stands the same stage, one
event at a time. What it commits of a stream belongs to the session that the stream runs in, also
when another session's event set the commit off. Streams and epochs are numbered under the same
lock. A thread of its own carries out what other processes ask for (pin, forget) while no stream
is live.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator

from omnilive.cancel import Cancel
from omnilive.clock import Clock
from omnilive.errors import OmniLiveError
from omnilive.events import Event, Notice, StreamStarted, Voice
from omnilive.media.contract import SourceInfo
from omnilive.memory.stage import Memory
from omnilive.serving.feeder import Epochs
from omnilive.serving.worker import places

_log = logging.getLogger(__name__)

_UPKEEP_EVERY_S = 0.2


class CommonMemory:
    """Owns the one memory stage; `port` makes the entrances.

    Args:
        memory: the stage; closed by who made it.
        epochs: who numbers streams and epochs.
        clock: for the upkeep of a store that no stream ticks.
    """

    def __init__(self, memory: Memory, epochs: Epochs, clock: Clock) -> None:
        self._memory = memory
        self._epochs = epochs
        self._clock = clock
        self._lock = threading.Lock()
        self._ports: list[MemoryPort] = []
        self._owners: dict[int, MemoryPort] = {}
        self._stop = threading.Event()
        self._upkeep = threading.Thread(
            target=self._keep_up, name="omnilive memory upkeep", daemon=True
        )
        self._upkeep.start()

    def port(self, hand_over: Callable[[Event], None]) -> MemoryPort:
        """Return an entrance for a session.

        `hand_over` is given what memory remembers of the session's streams while another session
        works; from any thread.
        """
        port = MemoryPort(self, hand_over)
        with self._lock:
            self._ports.append(port)
        return port

    def close(self) -> None:
        """End the upkeep. The memory is closed by who made it."""
        self._stop.set()
        self._upkeep.join()

    # --- numbering, as the feeder wants it -----------------------------------------------

    def begin_epoch(
        self,
        *,
        name: str,
        source: str,
        voice: Voice,
        zone: str,
        info: SourceInfo,
        now_ns: int,
        started_at_ns: int | None,
        again: bool,
        paced: bool,
    ) -> tuple[StreamStarted, int] | None:
        """Open an epoch; see `omnilive.system.System.begin_epoch`."""
        with self._lock:
            return self._epochs.begin_epoch(
                name=name,
                source=source,
                voice=voice,
                zone=zone,
                info=info,
                now_ns=now_ns,
                started_at_ns=started_at_ns,
                again=again,
                paced=paced,
            )

    def continue_epoch(self, started: StreamStarted, *, at_ns: int, wall_ns: int) -> StreamStarted:
        """Open an epoch right behind `started`."""
        with self._lock:
            return self._epochs.continue_epoch(started, at_ns=at_ns, wall_ns=wall_ns)

    # --- for the ports -------------------------------------------------------------------

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types memory wants."""
        return self._memory.accepts

    def work(
        self, port: MemoryPort, event: Event, cancel: Cancel
    ) -> tuple[list[Event], Exception | None]:
        """Push one event; return what is the port's own, and the error if there was one.

        What was committed before an error is returned with it: it is remembered.
        """
        with self._lock:
            if isinstance(event, StreamStarted):
                self._owners[event.stream] = port
            products, error = self._push(self._memory.push(event, cancel))
            own = port.take_waiting()
            others = self._sort(products, port, own)
        for other in others:
            other.pass_on()
        return own, error

    def ready(self, event: Event) -> bool:
        """Whether a question may be answered yet."""
        with self._lock:
            return self._memory.ready(event)

    def num_unremembered(self) -> int:
        """Return how many perceived clips wait to be committed."""
        with self._lock:
            return self._memory.num_pending

    def leave(self, port: MemoryPort) -> None:
        """Forget a session's entrance."""
        with self._lock:
            if port in self._ports:
                self._ports.remove(port)
            self._owners = {
                stream: owner for stream, owner in self._owners.items() if owner is not port
            }

    # --- behind the scenes ---------------------------------------------------------------

    def _push(self, outcome: Iterator[Event]) -> tuple[list[Event], Exception | None]:
        products: list[Event] = []
        try:
            for product in outcome:
                products.append(product)
        except Exception as error:  # told by whoever set it off; what was committed is told first
            return products, error
        return products, None

    def _sort(
        self, products: list[Event], port: MemoryPort | None, own: list[Event]
    ) -> list[MemoryPort]:
        """Lay what belongs to other ports before them; return those. Under the lock."""
        others: dict[MemoryPort, None] = {}
        for product in products:
            stream = getattr(product, "stream", None)
            if isinstance(product, Notice):  # about the store: it concerns everybody
                takers = list(self._ports)
            elif stream is None:
                takers = [port] if port is not None else []
            else:
                owner = self._owners.get(stream, port)
                takers = [owner] if owner is not None else []
            for taker in takers:
                if taker is port:
                    own.append(product)
                else:
                    taker.lay(product)
                    others[taker] = None
        return list(others)

    def _keep_up(self) -> None:
        """Do what ticks of a live stream set off, for a store that has none now."""
        told = ""
        while not self._stop.wait(_UPKEEP_EVERY_S):
            with self._lock:
                products, error = self._push(self._memory.idle(self._clock.wall_ns()))
                others = self._sort(products, None, [])
            for other in others:
                other.pass_on()
            if error is None:
                told = ""
            elif not isinstance(error, OmniLiveError):
                _log.error("memory's upkeep failed: %s", type(error).__name__)
                _log.debug("at\n%s", places(error))
            elif str(error) != told:
                told = str(error)
                _log.warning("memory's upkeep failed: %s", told)


class MemoryPort:
    """One session's entrance to the common memory: a stage like any other."""

    def __init__(self, common: CommonMemory, hand_over: Callable[[Event], None]) -> None:
        self._common = common
        self._hand_over = hand_over
        self._waiting: deque[Event] = deque()

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types memory wants."""
        return self._common.accepts

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield what was remembered of this session, or what a question finds."""
        own, error = self._common.work(self, event, cancel)
        yield from own
        if error is not None:
            raise error

    def ready(self, event: Event) -> bool:
        """Whether a question may be answered yet."""
        return self._common.ready(event)

    def close(self) -> None:
        """Leave; the memory goes on."""
        self._common.leave(self)

    # --- for the common memory -----------------------------------------------------------

    def lay(self, event: Event) -> None:
        """Take what another session's event brought about."""
        self._waiting.append(event)

    def take_waiting(self) -> list[Event]:
        """Return what others brought about, oldest first."""
        taken: list[Event] = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def pass_on(self) -> None:
        """Hand over what others brought about."""
        while self._waiting:
            try:
                event = self._waiting.popleft()
            except IndexError:  # the session took it itself meanwhile
                return
            self._hand_over(event)
