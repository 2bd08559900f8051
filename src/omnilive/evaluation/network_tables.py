"""Which tables a memory network benchmark has, and what the project promises of their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """How rows of one name are told.

    Attributes:
        name: of the rows.
        title: over the table.
        margins: pairs of measures whose difference is told.
        by_group: whether groups (lengths, ages) are told one by one, and drawn.
        by_kind: whether kinds of questions are.
        apart: whether kinds are told in each group by itself, and groups never together.
        first: measures that come first, in this order.
        ordered: whether the groups are steps of one thing (a chart of lines).
    """

    name: str
    title: str
    margins: tuple[tuple[str, str], ...] = ()
    by_group: bool = True
    by_kind: bool = True
    apart: bool = False
    first: tuple[str, ...] = ()
    ordered: bool = False


_RIVALS = ("mean_grid", "mean_frames", "kmeans", "frames", "text")
_FORM_MARGINS = tuple(("compressor", rival) for rival in _RIVALS)
TABLES = (
    Table(
        "retrieval",
        "Retrieval",
        apart=True,
        first=("recall", "cited", "missed", "false_seen"),
    ),
    Table(
        "retrieval_present",
        "Retrieval, questions that only point (the newest clip is meant)",
        by_kind=False,
        apart=True,
        first=("recall", "cited", "missed"),
    ),
    Table(
        "answers",
        "Answers about the past (law 6)",
        (
            ("memory", "newest"),
            ("live", "newest"),
            ("memory", "blind"),
            ("memory", "shuffled"),
            ("memory", "context"),
            ("oracle", "memory"),
        ),
        by_group=False,
        first=("memory", "live", "newest", "blind", "shuffled", "context", "oracle"),
    ),
    Table(
        "answers_present",
        "Answers about the present (law 6)",
        (("live", "newest"),),
        by_group=False,
        first=("live", "newest", "memory", "blind"),
    ),
    Table(
        "ages",
        "By age of what is asked about",
        (("memory", "newest"), ("memory", "blind"), ("oracle", "memory")),
        first=("recall", "cited", "memory", "oracle", "newest", "blind", "shuffled", "context"),
        ordered=True,
    ),
    Table(
        "blocks",
        "Blocks of 32 with levels above, and exact integration",
        (("blocks_right", "exact_right"), ("blocks_recall", "exact_recall")),
        by_kind=False,
        first=("blocks_recall", "exact_recall", "blocks_right", "exact_right", "oracle"),
        ordered=True,
    ),
    Table(
        "forms",
        "Equal bytes a clip, the right clips given",
        _FORM_MARGINS,
        first=("compressor", *_RIVALS),
    ),
    Table(
        "forms_by_age",
        "Equal bytes a clip, from the clips that the question found, by age",
        _FORM_MARGINS,
        by_kind=False,
        first=("compressor", *_RIVALS),
        ordered=True,
    ),
    Table(
        "tokens",
        "Short-term tokens a frame, the right clips given",
        (("4 a frame", "1 a frame"), ("16 a frame", "4 a frame")),
        first=("1 a frame", "4 a frame", "16 a frame"),
    ),
    Table(
        "parts",
        "Without global memory, without integration",
        (
            ("full_recall", "no_global_recall"),
            ("full_right", "no_global_right"),
            ("full_recall", "no_integration_recall"),
            ("full_right", "no_integration_right"),
        ),
        by_kind=False,
        first=("full_recall", "no_global_recall", "no_integration_recall", "full_right"),
    ),
    Table(
        "cuts",
        "Clips that are scenes, and clips of 8 s",
        (
            ("adaptive_recall", "fixed_recall"),
            ("adaptive_right", "fixed_right"),
            ("adaptive_oracle", "fixed_oracle"),
        ),
        by_group=False,
        first=("adaptive_recall", "fixed_recall", "adaptive_right", "fixed_right"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Bar:
    """What the project promises of one figure.

    Attributes:
        text: the promise.
        table, line: where the figure stands.
        measure: a measure, or the margin "first - second".
        least: the figure has to be at least this; None: it has a most.
        most: at most this.
    """

    text: str
    table: str
    line: str
    measure: str
    least: float | None = None
    most: float | None = None


def _bars(tables: Mapping[str, Any]) -> list[_Bar]:
    bars = [
        _Bar("Past: memory above newest frames", "answers", "all", "memory - newest", 0.25),
        _Bar("Past: as live above newest frames", "answers", "all", "live - newest", 0.25),
        _Bar("Present: with and without", "answers_present", "all", "live - newest", -0.01),
    ]
    for group in tables.get("retrieval", {}).get("groups", ()):
        least = 0.8 if int(group.split()[0]) <= 32 else 0.6
        bars.append(_Bar(f"Recall@1, {group}", "retrieval", group, "recall", least))
        line = f"{group}, not_seen"
        bars.append(_Bar(f"False seen, {group}", "retrieval", line, "false_seen", None, 0.1))
    for group in tables.get("blocks", {}).get("groups", ()):
        for what in ("recall", "right"):
            margin = f"blocks_{what} - exact_{what}"
            bars.append(
                _Bar(f"Blocks against exact, {what}, {group}", "blocks", group, margin, -0.02)
            )
    lines = list(tables.get("forms", {}).get("rows", ()))
    lines = ["all"] if "all" in lines else lines[:1]  # of one adaptation, or of all of them
    bars += [
        _Bar(f"Compressor above {rival}", "forms", line, f"compressor - {rival}", 0.0)
        for line in lines
        for rival in _RIVALS
    ]
    return bars


def promises(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is promised beside what was measured."""
    found = []
    for bar in _bars(tables):
        table = tables.get(bar.table, {})
        own = table.get("margins", {}).get(bar.measure, {}).get(bar.line)
        own = own or table.get("rows", {}).get(bar.line, {}).get(bar.measure)
        if own:
            limit = bar.least if bar.least is not None else bar.most
            is_kept = own["mean"] >= bar.least if bar.least is not None else own["mean"] <= limit
            if bar.text.startswith("Compressor"):
                is_kept = own["low"] > 0  # a margin counts only outside its interval
            found.append({"promise": bar.text, "limit": limit, **own, "kept": bool(is_kept)})
    return found
