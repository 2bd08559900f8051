"""What a run of the memory benchmark came to: one JSON object and charts.

Every share stands with its 95 % bootstrap interval (`bootstrap`): streams are drawn where there
are several. Conditions are compared question by question, over those that both could answer. A
question that could not be answered because the system failed counts as wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from omnilive._version import __version__
from omnilive.errors import OmniLiveError
from omnilive.evaluation import plots
from omnilive.evaluation.bootstrap import DRAWS, LEVEL, Interval, interval, paired
from omnilive.evaluation.conditions import Condition
from omnilive.evaluation.memory_benchmark import Asked
from omnilive.evaluation.scoring_memory import AGES, OLDER, MemoryScore, age_of, score_answer

SCHEMA = "omnilive-memory-benchmark/1"
AGE_ORDER = (*(name for name, _ in AGES), OLDER, "no evidence", "present")


class Scored(NamedTuple):
    """An asked question with its verdict; no score where answering failed."""

    asked: Asked
    score: MemoryScore | None


Measure = Callable[[Scored], float | None]


def _scored(name: str) -> Measure:
    """Return a measure that is a field of the score; None where there is none."""

    def measure(one: Scored) -> float | None:
        value = None if one.score is None else getattr(one.score, name)
        return None if value is None else float(value)

    return measure


def right(one: Scored) -> float | None:
    """Whether the answer is right; a failed one is wrong if right could have been told."""
    if one.score is None:
        question = one.asked.question
        return 0.0 if question.accepted or not question.known else None
    return _scored("right")(one)


def false_seen(one: Scored) -> float | None:
    """Whether something is claimed to have been seen that was not there."""
    if one.asked.question.known:
        return None
    return float(one.score is not None and one.score.seen)


def missed(one: Scored) -> float | None:
    """Whether something that was there is said not to have been seen."""
    known = one.asked.question.known and one.asked.question.accepted != ("no",)
    return float(one.score is None or not one.score.seen) if known else None


MEASURES: dict[str, Measure] = {
    "right": right,
    "f1": _scored("f1"),
    "cited_hit": _scored("cited_hit"),
    "evidence_recall": _scored("evidence_recall"),
    "cited_precision": _scored("cited_precision"),
    "false_seen": false_seen,
    "missed": missed,
}


def scored(asked: Iterable[Asked]) -> list[Scored]:
    """Return the verdict on each question whose condition was possible."""
    return [
        Scored(one, None if one.answer is None else score_answer(one.question, one.answer))
        for one in asked
        if not one.not_possible
    ]


def report(
    asked: Sequence[Asked], conditions: Sequence[Condition], about: dict[str, Any], seed: int = 0
) -> dict[str, Any]:
    """Return the whole result as it is written to `result.json`.

    Args:
        asked: every question under every condition.
        conditions: in order.
        about: what was run (preset, duration, ...).
        seed: of the intervals.
    """
    verdicts = scored(asked)
    by_condition = {
        condition: [one for one in verdicts if one.asked.condition == condition]
        for condition in conditions
    }
    return {
        "schema": SCHEMA,
        "version": __version__,
        "about": about,
        "intervals": {"level": LEVEL, "draws": DRAWS, "seed": seed, "clusters": "streams"},
        "questions": len({(one.subject, one.question.id) for one in asked}),
        "streams": len({one.subject for one in asked}),
        "conditions": {
            condition: _condition(
                several, [one for one in asked if one.condition == condition], seed
            )
            for condition, several in by_condition.items()
        },
        "differences": _differences(by_condition, seed),
    }


def write_report(out: Path, result: dict[str, Any]) -> list[Path]:
    """Write `result.json` and the charts into a folder; returns the files.

    Raises:
        OmniLiveError: they cannot be written.
    """
    files = {
        "result.json": json.dumps(result, indent=1, ensure_ascii=False) + "\n",
        "right-by-kind.svg": _chart(
            result, "by_kind", "right", "Right answers by kind of question, %", plots.bars
        ),
        "right-by-age.svg": _chart(
            result, "by_age", "right", "Right answers by age of the evidence, %", plots.lines
        ),
        "cited-by-kind.svg": _chart(
            result, "by_kind", "cited_hit", "Answers that cite the evidence, %", plots.bars
        ),
    }
    try:
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OmniLiveError(
            f"The report cannot be written ({error.strerror}); make room and run it again."
        ) from error
    return [out / name for name in files]


def as_interval(values: dict[str, Any]) -> Interval:
    """Return an interval as `report` wrote it."""
    return Interval(values["mean"], values["low"], values["high"], values["num"], values["streams"])


# --- one condition ----------------------------------------------------------------------


def _condition(several: list[Scored], asked: list[Asked], seed: int) -> dict[str, Any]:
    took = sorted(one.asked.answer.took_ms for one in several if one.asked.answer is not None)
    seeds = sorted({one.asked.seed for one in several if one.asked.seed is not None})
    return {
        "asked": len(several),
        "failed": dict(Counter(one.error for one in asked if one.error)),
        "not_possible": dict(Counter(one.not_possible for one in asked if one.not_possible)),
        "took_ms": {
            "median": round(median(took)) if took else None,
            "p95": took[min(len(took) - 1, round(0.95 * len(took)))] if took else None,
        },
        "all": _measures(several, seed),
        "past": _measures(_needing(several, "past"), seed),
        "present": _measures(_needing(several, "present"), seed),
        "by_kind": _grouped(several, lambda one: one.asked.question.kind, seed),
        "by_age": _grouped(several, lambda one: age_of(one.asked.question), seed, AGE_ORDER),
        "by_seed": {
            str(each): {
                needs: _measures(
                    [one for one in _needing(several, needs) if one.asked.seed == each], seed
                )
                for needs in ("past", "present")
            }
            for each in seeds
        },
    }


def _needing(several: Iterable[Scored], needs: str) -> list[Scored]:
    return [one for one in several if one.asked.question.needs == needs]


def _grouped(
    several: list[Scored],
    key: Callable[[Scored], str],
    seed: int,
    order: Sequence[str] | None = None,
) -> dict[str, Any]:
    names = {key(one) for one in several}
    ordered = sorted(names) if order is None else [name for name in order if name in names]
    return {name: _measures([one for one in several if key(one) == name], seed) for name in ordered}


def _measures(several: Iterable[Scored], seed: int) -> dict[str, Any]:
    several = list(several)
    found = {}
    for name, measure in MEASURES.items():
        pairs = [(one, value) for one in several if (value := measure(one)) is not None]
        if pairs:
            values = [value for _, value in pairs]
            clusters = [one.asked.subject for one, _ in pairs]
            found[name] = _told(interval(values, clusters, seed=seed))
    return found


# --- between conditions -----------------------------------------------------------------


def _differences(by_condition: dict[Condition, list[Scored]], seed: int) -> list[dict[str, Any]]:
    if "memory" not in by_condition:
        return []
    found = []
    first = {_key(one): one for one in by_condition["memory"]}
    for condition, several in by_condition.items():
        if condition == "memory":
            continue
        for needs in ("past", "present"):
            pairs = [
                (a, b, one.asked.subject)
                for one in _needing(several, needs)
                if _key(one) in first
                and (a := right(first[_key(one)])) is not None
                and (b := right(one)) is not None
            ]
            if pairs:
                ours, theirs, clusters = (list(each) for each in zip(*pairs, strict=True))
                found.append(
                    {
                        "first": "memory",
                        "second": condition,
                        "needs": needs,
                        "measure": "right",
                        "difference": _told(paired(ours, theirs, clusters, seed=seed)),
                    }
                )
    return found


def _key(one: Scored) -> tuple[str, str]:
    return one.asked.subject, one.asked.question.id


def _told(found: Interval) -> dict[str, Any]:
    return {
        "mean": round(found.mean, 5),
        "low": round(found.low, 5),
        "high": round(found.high, 5),
        "num": found.num,
        "streams": found.num_clusters,
    }


def _chart(
    result: dict[str, Any],
    part: str,
    measure: str,
    title: str,
    draw: Callable[[str, Sequence[str], plots.Series], str],
) -> str:
    conditions: dict[str, Any] = result["conditions"]
    names = {name for each in conditions.values() for name in each[part]}
    order = [name for name in AGE_ORDER if name in names] if part == "by_age" else sorted(names)
    series = {
        condition: [_mark(each[part].get(name, {}).get(measure)) for name in order]
        for condition, each in conditions.items()
    }
    kept = {name: marks for name, marks in series.items() if any(marks)}
    return draw(title, order, kept)


def _mark(values: dict[str, Any] | None) -> plots.Mark | None:
    if values is None:
        return None
    return plots.Mark(values["mean"], values["low"], values["high"], values["num"])
