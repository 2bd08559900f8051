"""The report of a memory network benchmark: `result.json`, `tables.md` and charts.

A share stands with its 95 % interval over streams; a margin is the mean of differences question
by question, and counts only where its whole interval lies on one side of zero (then it is bold).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omnilive.errors import OmniLiveError
from omnilive.evaluation import plots
from omnilive.evaluation.bootstrap import DRAWS, LEVEL, Interval
from omnilive.evaluation.memory_network_benchmark import PartResult
from omnilive.evaluation.network_rows import Row, margin_of, mean_of, merged, parted
from omnilive.evaluation.network_tables import TABLES, Table, promises

SCHEMA = "omnilive-memory-networks/1"


def report(results: Sequence[PartResult], about: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured as `result.json` holds it."""
    rows = merged(row for result in results for row in result.rows)
    by_table = parted(rows, lambda row: row.table)
    tables = {
        table.name: _told_table(table, by_table[table.name])
        for table in TABLES
        if table.name in by_table
    }
    return {
        "schema": SCHEMA,
        "about": about,
        "intervals": {"level": LEVEL, "draws": DRAWS, "clusters": "streams"},
        "cpu_s": {result.name: result.took_s for result in results},
        "promises": promises(tables),
        "tables": tables,
    }


def write_report(folder: Path, result: dict[str, Any]) -> list[Path]:
    """Write JSON, tables and charts into a folder; returns the files.

    Raises:
        OmniLiveError: they cannot be written.
    """
    files = {
        "result.json": json.dumps(result, indent=1) + "\n",
        "tables.md": markdown(result),
        **_charts(result),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OmniLiveError(
            f"The report cannot be written ({error.strerror}); make room and run it again."
        ) from error
    return [folder / name for name in files]


# --- figures ----------------------------------------------------------------------------


def _told_table(table: Table, rows: list[Row]) -> dict[str, Any]:
    measures = list(dict.fromkeys([*table.first, *(name for row in rows for name in row.values)]))
    measures = [name for name in measures if any(name in row.values for row in rows)]
    groups = parted(rows, lambda row: row.group)
    parts = _parts(table, rows, groups)
    sizes = [
        (name.removesuffix("_bytes"), value)
        for row in rows
        for name, value in row.more.items()
        if name.endswith("_bytes")
    ]
    return {
        "title": table.title,
        "groups": list(groups) if table.by_group else [],
        "ordered": table.ordered,
        "measures": measures,
        "rows": {
            label: {name: _told(mean_of(own, name)) for name in measures}
            for label, own in parts.items()
        },
        "margins": {
            f"{first} - {second}": {
                label: _told(margin_of(own, first, second)) for label, own in parts.items()
            }
            for first, second in table.margins
            if first in measures and second in measures
        },
        "mean_bytes": {
            form: round(sum(values) / len(values))
            for form in measures
            if (values := [value for name, value in sizes if name == form])
        },
    }


def _parts(table: Table, rows: list[Row], groups: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the rows of each line of a table."""
    parts = dict(groups) if table.by_group else {}
    if not table.by_group or (len(groups) > 1 and not table.ordered and not table.apart):
        parts["all"] = rows
    if not table.by_kind:
        return parts
    for group, own in groups.items() if table.apart else (("", rows),):
        lead = f"{group}, " if group else ""
        seen = [row for row in own if row.shown]
        if len(seen) < len(own) and not table.apart:
            parts["with evidence"] = seen
        kinds = sorted(parted(own, lambda row: row.kind).items())
        parts.update({f"{lead}{kind}": several for kind, several in kinds})
    return parts


def _told(found: Interval | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {
        "mean": round(found.mean, 5),
        "low": round(found.low, 5),
        "high": round(found.high, 5),
        "num": found.num,
        "streams": found.num_clusters,
    }


# --- words and pictures -----------------------------------------------------------------


def markdown(result: dict[str, Any]) -> str:
    """Return all tables in percent, with margins in points."""
    parts = ["### What is promised\n"]
    parts.append(_grid(["", "limit", "measured", "kept"], [
        [one["promise"], f"{100 * one['limit']:+.0f}", _share(one), "yes" if one["kept"] else "no"]
        for one in result["promises"]
    ]))  # fmt: skip
    for table in result["tables"].values():
        parts.append(f"### {table['title']}\n")
        labels = list(table["rows"])
        parts.append(_grid(["", "n", *table["measures"]], [
            [label, _most(table["rows"][label]), *(_share(table["rows"][label][name])
                                                  for name in table["measures"])]
            for label in labels
        ]))  # fmt: skip
        if table["margins"]:
            parts.append("Margins in points:\n")
            parts.append(_grid(["", *labels], [
                [name, *(_margin(own[label]) for label in labels)]
                for name, own in table["margins"].items()
            ]))  # fmt: skip
        if table["mean_bytes"]:
            sizes = ", ".join(f"{name} {size}" for name, size in table["mean_bytes"].items())
            parts.append(f"Mean bytes a clip: {sizes}.\n")
    costs = ", ".join(f"{name} {took:.0f}" for name, took in result["cpu_s"].items())
    parts.append(f"CPU seconds: {costs}.\n")
    return "\n".join(parts)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _most(own: dict[str, Any]) -> str:
    return str(max((each["num"] for each in own.values() if each), default=0))


def _share(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    mean, low, high = (100 * found[name] for name in ("mean", "low", "high"))
    return f"{mean:.1f} ({low:.1f}, {high:.1f})"


def _margin(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    mean, low, high = (100 * found[name] for name in ("mean", "low", "high"))
    text = f"{mean:+.1f} ({low:+.1f}, {high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def _charts(result: dict[str, Any]) -> dict[str, str]:
    charts = {}
    for name, table in result["tables"].items():
        labels = table["groups"] if table["ordered"] else list(table["rows"])
        draw = plots.lines if table["ordered"] and len(labels) > 1 else plots.bars
        series = {
            measure: [_mark(table["rows"][label][measure]) for label in labels]
            for measure in table["measures"]
        }
        charts[f"{name.replace('_', '-')}.svg"] = draw(f"{table['title']}, %", labels, series)
    return charts


def _mark(found: dict[str, float] | None) -> plots.Mark | None:
    if found is None:
        return None
    return plots.Mark(found["mean"], found["low"], found["high"], int(found["num"]))
