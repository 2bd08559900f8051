"""`/metrics`: figures for Prometheus, in its own units, under names that stay.

What other parts count is read when it is asked for; only requests and latencies are counted here.
Nothing in a label comes from what was seen or said.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from omnilive.serving.wire import Json

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES_S = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FRAME_STATES = ("ingested", "dropped", "skipped")


class Metrics:
    """The figures of one server.

    Args:
        live: returns `Conversations.stats()`, or {} while there are none.
        remembered: returns (rows, bytes) of what the store holds, by part.
        store: directory of the store.
    """

    def __init__(
        self,
        live: Callable[[], Json],
        remembered: Callable[[], Mapping[str, tuple[int, int]]],
        store: Path,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Read(live, remembered, store))
        self._latency = Histogram(
            "omnilive_turn_latency_seconds",
            "From the end of speech to the first sound of the answer, by stage.",
            ["stage"],
            buckets=_LATENCIES_S,
            registry=self._registry,
        )
        self._requests = Counter(
            "omnilive_http_requests",
            "Requests answered, by route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._took = Histogram(
            "omnilive_http_request_seconds",
            "From a request to the end of its answer, by route.",
            ["method", "route"],
            buckets=_LATENCIES_S,
            registry=self._registry,
        )

    def observe(self, message: Json) -> None:
        """Take note of a message of a conversation; any thread, cheap."""
        if message.get("event") != "latency":
            return
        took_ms = dict(_table(message, "stages")) | {"total": message.get("total_ms")}
        for stage, value in took_ms.items():
            if isinstance(value, int | float):
                self._latency.labels(str(stage).removesuffix("_ms")).observe(value / 1000)

    def note_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request; `route` is its pattern, never an address with an id in it."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._took.labels(method, route).observe(took_s)

    def render(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)


class _Read(Collector):
    """Figures that are looked up when they are asked for."""

    def __init__(
        self,
        live: Callable[[], Json],
        remembered: Callable[[], Mapping[str, tuple[int, int]]],
        store: Path,
    ) -> None:
        self._live, self._remembered, self._store = live, remembered, store

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._of_live(self._live())
        try:
            remembered = self._remembered()
        except Exception:  # a store that cannot be read now must not hide the other figures
            remembered = {}
        items = GaugeMetricFamily(
            "omnilive_memory_items", "Rows that the memory holds, by part.", labels=["part"]
        )
        sizes = GaugeMetricFamily(
            "omnilive_store_bytes", "Payload that the store holds, by part.", labels=["part"]
        )
        for part, (rows, num_bytes) in remembered.items():
            items.add_metric([part], rows)
            sizes.add_metric([part], num_bytes)
        yield items
        yield sizes
        try:
            free = shutil.disk_usage(self._store).free
        except OSError:
            return
        yield GaugeMetricFamily(
            "omnilive_disk_free_bytes", "Free on the disk that holds the store.", value=free
        )

    def _of_live(self, stats: Json) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "omnilive_sessions", "Conversations that are open.", value=_number(stats, "sessions")
        )
        yield CounterMetricFamily(
            "omnilive_sessions_opened",
            "Conversations that were opened.",
            value=_number(stats, "opened_total"),
        )
        yield _family(
            GaugeMetricFamily(
                "omnilive_source_up",
                "Whether media come from the source of a stream.",
                labels=["stream"],
            ),
            _table(stats, "sources"),
        )
        stopped = _table(stats, "interruptions")
        yield _family(
            CounterMetricFamily(
                "omnilive_interruptions",
                "Answers that a voice stopped: true were cut, false were taken up again.",
                labels=["kind"],
            ),
            {kind: stopped.get(kind, 0) for kind in ("true", "false")},
        )
        frames = _table(stats, "frames")
        yield _family(
            CounterMetricFamily("omnilive_frames", "Pictures, by what became.", labels=["state"]),
            {state: frames.get(state, 0) for state in _FRAME_STATES},
        )
        yield _family(
            CounterMetricFamily(
                "omnilive_dropped", "What was dropped, by what it was.", labels=["what"]
            ),
            _table(stats, "dropped"),
        )
        yield _family(
            GaugeMetricFamily("omnilive_queue_depth", "What waits, by queue.", labels=["queue"]),
            _table(stats, "queues"),
        )
        yield _family(
            CounterMetricFamily("omnilive_errors", "Failures, by stage.", labels=["stage"]),
            _table(stats, "errors"),
        )


def _family(family: Any, values: Mapping[str, object]) -> Metric:
    for name, value in values.items():
        if isinstance(value, int | float):
            family.add_metric([name], float(value))
    made: Metric = family
    return made


def _table(stats: Json, name: str) -> Mapping[str, Any]:
    value = stats.get(name)
    return value if isinstance(value, Mapping) else {}


def _number(stats: Json, name: str) -> float:
    value = stats.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0
