"""Answers of one language model under every condition: what is the memory worth (law 6)?

    memory     what is live: the clips that the question finds, and the frontier
    live       the same with the newest picture, which the answerer always shows
    newest     the newest picture alone
    blind      the question alone
    shuffled   another stream's memory: its frontier, and what the question finds there
    context    H of all clips
    oracle     H of the clips that show the answer, and the frontier

Questions about the past are those that the newest clip does not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from torch import Tensor

from omnilive.evaluation.network_answers import NOTHING, Answers, Given, memory_of
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_subject import Subject, Watched, present_questions, watched
from omnilive.media.synthetic.daily.records import DailyQuestion
from omnilive.training.clip_pool import ClipPool

_NEWEST_OF_EVIDENCE = 2
CONDITIONS = ("memory", "live", "newest", "blind", "shuffled", "context", "oracle")


def condition_rows(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
) -> Iterator[Row]:
    """Yield rows of the tables `answers` and `answers_present`."""
    answers = Answers(subject.reasoning, subject.tokenizer)
    streams = list(watched(subject, pool, "answers", seeds, num_streams, num_clips, num_questions))
    for place, one in enumerate(streams):
        other = streams[place - 1] if len(streams) > 1 else None
        yield from _past(subject, answers, pool, one, other)
        yield from _present(subject, answers, pool, one)


def recalled(
    one: Watched, found_QK: Tensor, subject: Subject, pictures: tuple[Tensor, ...] = ()
) -> list[Given]:
    """Return what each question is given of a stream; equal selections are one object."""
    made: dict[tuple[int, ...], Given] = {}
    given = []
    for found_K in found_QK:
        selected = subject.selected(found_K)
        if selected not in made:
            made[selected] = of_clips(one, selected, pictures)
        given.append(made[selected])
    return given


def of_clips(one: Watched, places: Sequence[int], pictures: tuple[Tensor, ...] = ()) -> Given:
    """Return H of some clips with the frontier."""
    related = memory_of([one.clips[place].short_term for place in places])
    return Given(related, one.frontier, pictures)


def true_clips(one: Watched, asked: DailyQuestion, most: int = _NEWEST_OF_EVIDENCE) -> Given:
    """Return H of the newest clips that show the answer, with the frontier."""
    return of_clips(one, one.shown(asked)[-most:])


def _past(
    subject: Subject, answers: Answers, pool: ClipPool, one: Watched, other: Watched | None
) -> Iterator[Row]:
    last = len(one.clips) - 1
    questions = [asked for asked in one.stream.questions if last not in one.shown(asked)]
    if not questions:
        return
    texts = [asked.text for asked in questions]
    found = one.found(subject, texts)
    picture = (pool.picture(one.stream.numbers[last]),)
    newest, all_clips = Given(pictures=picture), of_clips(one, range(len(one.clips)))
    given: dict[str, list[Given]] = {
        "memory": recalled(one, found, subject),
        "live": recalled(one, found, subject, picture),
        "newest": [newest] * len(texts),
        "blind": [NOTHING] * len(texts),
        "context": [all_clips] * len(texts),
        "oracle": [true_clips(one, asked) for asked in questions],
    }
    if other is not None:
        given["shuffled"] = recalled(other, other.found(subject, texts), subject)
    right = answered(answers, given, questions)
    for number, asked in enumerate(questions):
        values = {condition: right[condition][number] for condition in given}
        shown = bool(one.shown(asked))
        yield Row("answers", one.name, number, f"{last + 1} clips", asked.kind, shown, values)


def answered(
    answers: Answers, given: dict[str, list[Given]], questions: Sequence[DailyQuestion]
) -> dict[str, list[float]]:
    """Return 0 or 1 of each question under each condition."""
    right = {}
    for condition, own in given.items():
        asked = [(g, q.text, q.answer) for g, q in zip(own, questions, strict=True)]
        right[condition] = [float(hit) for hit in answers.right(asked)]
    return right


def _present(subject: Subject, answers: Answers, pool: ClipPool, one: Watched) -> Iterator[Row]:
    last = len(one.clips) - 1
    rng = Random(f"present {one.name}")
    questions = present_questions(rng, pool, one.stream.numbers[last])
    if not questions:
        return
    found = one.found(subject, [asked.text for asked in questions])
    picture = (pool.picture(one.stream.numbers[last]),)
    newest = Given(pictures=picture)
    given = {
        "live": recalled(one, found, subject, picture),
        "newest": [newest] * len(questions),
        "memory": recalled(one, found, subject),
        "blind": [NOTHING] * len(questions),
    }
    right = answered(answers, given, questions)
    for number, asked in enumerate(questions):
        values = {condition: right[condition][number] for condition in given}
        yield Row(
            "answers_present", one.name, number, f"{last + 1} clips", _pointed(asked), True, values
        )


def _pointed(asked: DailyQuestion) -> str:
    """Return the question itself: those about the present are few."""
    return asked.text.rstrip("?").lower()
