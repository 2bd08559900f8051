"""Retrieval: does a question find its clip, among few and among many, and nothing where nothing is.

    recall       the nearest clip is one that shows the answer
    cited        one of the selected clips (the best few above the threshold) shows it
    missed       no clip is above the threshold, though one shows it
    false_seen   a clip is above the threshold, though nothing shows what is asked

Questions stand behind the frontier of `BlockState`, as live. Of questions that only point ("What is
this?") the clip that is meant is the newest one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from torch import Tensor

from omnilive.evaluation.network_rows import Row, mean_of
from omnilive.evaluation.network_subject import Subject, Watched, present_questions, watched
from omnilive.training.clip_pool import ClipPool

THRESHOLDS = tuple(step / 20 for step in range(2, 17))


def retrieval_rows(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
) -> Iterator[Row]:
    """Yield rows of the tables `retrieval` and `retrieval_present`."""
    group = f"{num_clips} clips"
    for one in watched(
        subject, pool, f"retrieval{num_clips}", seeds, num_streams, num_clips, num_questions
    ):
        questions = one.stream.questions
        if questions:
            found = one.found(subject, [asked.text for asked in questions])
            for number, asked in enumerate(questions):
                shown = one.shown(asked)
                values = verdict(subject, found[number], shown)
                is_seen = bool(shown)
                yield Row("retrieval", one.name, number, group, asked.kind, is_seen, values)
        yield from _pointing(subject, pool, one, group)


def verdict(subject: Subject, found_K: Tensor, shown: Sequence[int]) -> dict[str, float]:
    """Return what the cosines of one question come to."""
    selected = subject.selected(found_K)
    if not shown:
        return {"false_seen": float(bool(selected))}
    return {
        "recall": float(int(found_K.argmax()) in shown),
        "cited": float(bool(set(selected) & set(shown))),
        "missed": float(not selected),
    }


def threshold_table(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
) -> str:
    """Return what other thresholds would come to; for a split that nothing is reported of.

    A question that nothing shows is told by its kind: "Was there ...?" may be answered by no.
    """
    rows: dict[float, list[Row]] = {threshold: [] for threshold in THRESHOLDS}
    for one in watched(subject, pool, "thresholds", seeds, num_streams, num_clips, num_questions):
        questions = one.stream.questions
        found = one.found(subject, [asked.text for asked in questions]) if questions else ()
        for number, (asked, found_K) in enumerate(zip(questions, found, strict=True)):
            shown = one.shown(asked)
            if not shown and asked.kind != "not_seen":
                continue
            for threshold, own in rows.items():
                values = verdict(replace(subject, min_cosine=threshold), found_K, shown)
                own.append(Row("", one.name, number, "", asked.kind, bool(shown), values))
    names = ("recall", "cited", "missed", "false_seen")
    lines: list[tuple[str, ...]] = [("min_cosine", *names), ("---",) * 5]
    for threshold, own in rows.items():
        means = [mean_of(own, name) for name in names]
        shares = [f"{100 * mean.mean:.1f}" if mean is not None else "" for mean in means]
        lines.append((f"{threshold:.2f}", *shares))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pointing(subject: Subject, pool: ClipPool, one: Watched, group: str) -> Iterator[Row]:
    newest = len(one.clips) - 1
    rng = Random(f"pointing {one.name}")
    questions = present_questions(rng, pool, one.stream.numbers[newest])
    if not questions:
        return
    found = one.found(subject, [asked.text for asked in questions])
    for number, asked in enumerate(questions):
        values = verdict(subject, found[number], [newest])
        yield Row("retrieval_present", one.name, number, group, asked.kind, True, values)
