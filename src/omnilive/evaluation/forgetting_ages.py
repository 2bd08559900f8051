"""What is left of a clip after a minute, ten minutes, an hour, six hours and a day.

A clip is seen once, a loop of others follows (`forgetting_loop.py`), and the question comes when
the time is over. It is the same question at every age, and what it names is the clip of interest
alone among all clips of the loop. Among clips that were shown more than once each counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import torch

from omnilive.evaluation.forgetting_loop import Interest, Loop, frontier, num_later, seen_slots
from omnilive.evaluation.network_answers import NOTHING, Answers, Given, memory_of
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_subject import Subject
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.questions import SEEN_KINDS, Asking
from omnilive.media.synthetic.daily.records import DailyQuestion
from omnilive.nn.memory_integration import FAN_OUT
from omnilive.nn.memory_retrieval import cosines
from omnilive.training.clip_pool import ClipPool, moved

AGES = (("1 min", 60), ("10 min", 600), ("1 h", 3600), ("6 h", 21_600), ("24 h", 86_400))
_DRAWS = 120  # tries to ask about one clip


def age_rows(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_targets: int,
    num_questions: int,
    distinct: int,
) -> Iterator[Row]:
    """Yield rows of the table `ages`; `more` says which clips were selected."""
    answers = Answers(subject.reasoning, subject.tokenizer)
    for seed in seeds:
        rng = Random(f"ages {seed}")
        loop = Loop.make(subject, pool, rng, distinct)
        interests = _interests(subject, pool, loop, rng, num_targets, num_questions)
        for name, age_s in AGES:
            for place, one in enumerate(interests):
                stream = f"ages-{seed}-{place}"
                other = interests[place - 1] if len(interests) > 1 else None
                yield from _asked(subject, answers, pool, loop, one, other, stream, (name, age_s))


def _interests(
    subject: Subject,
    pool: ClipPool,
    loop: Loop,
    rng: Random,
    num_targets: int,
    num_questions: int,
) -> list[Interest]:
    free = sorted(set(range(len(pool))) - set(loop.numbers))
    rng.shuffle(free)
    found: list[Interest] = []
    for number in free:
        if len(found) == num_targets:
            break
        scene = pool.scene(number)
        length = scene.end_ns - scene.start_ns
        slots = [
            slot for slot, own in enumerate(loop.scenes) if own.end_ns - own.start_ns == length
        ]
        if not slots:
            continue
        slot = rng.choice(slots)
        scene = moved(scene, loop.scenes[slot].start_ns)
        scenes = [*loop.scenes[:slot], scene, *loop.scenes[slot + 1 :]]
        asking = Asking(scenes)
        questions: dict[str, DailyQuestion] = {}
        for _ in range(_DRAWS):
            asked = asking.draw(rng, rng.choice(SEEN_KINDS), scene)
            if asked is not None and [e.start_ns for e in asked.evidence] == [scene.start_ns]:
                questions.setdefault(asked.text, asked)
            if len(questions) == num_questions:
                break
        if questions:
            (clip,) = subject.encoded(pool, [number], [scene])
            found.append(Interest(slot, number, scene, clip, tuple(questions.values())))
    return found


def _asked(
    subject: Subject,
    answers: Answers,
    pool: ClipPool,
    loop: Loop,
    one: Interest,
    other: Interest | None,
    stream: str,
    age: tuple[str, int],
) -> Iterator[Row]:
    name, age_s = age
    later = num_later(loop, one.slot, age_s)
    texts = [asked.text for asked in one.questions]
    own, places = _given(subject, loop, one, later, texts)
    last = loop.numbers[(one.slot + later) % len(loop)]
    newest = Given(pictures=(pool.picture(last),))
    long_term = own[0].overview
    oracle = Given(one.clip.short_term, long_term)
    given = {
        "memory": own,
        "newest": [newest] * len(texts),
        "blind": [NOTHING] * len(texts),
        "oracle": [oracle] * len(texts),
    }
    if other is not None:
        theirs, _ = _given(subject, loop, other, later, texts)
        given["shuffled"] = theirs
    seen = seen_slots(loop, one, later)
    if len(seen) < FAN_OUT:
        clips = [*(loop.clips[slot].short_term for slot in seen), one.clip.short_term]
        given["context"] = [Given(memory_of(clips), long_term)] * len(texts)
    right: dict[str, list[bool]] = {}
    for condition, each in given.items():
        asked = [(g, q.text, q.answer) for g, q in zip(each, one.questions, strict=True)]
        right[condition] = answers.right(asked)
    for number, question in enumerate(one.questions):
        selected, best = places[number]
        values = {condition: float(hit[number]) for condition, hit in right.items()}
        values["recall"] = float(best == -1)
        values["cited"] = float(-1 in selected)
        more = {
            "text": question.text,
            "answer": question.answer,
            "selected": [_clip_of(loop, one, place) for place in selected],
        }
        yield Row("ages", stream, number, name, question.kind, True, values, more)


def _given(
    subject: Subject, loop: Loop, one: Interest, later: int, texts: list[str]
) -> tuple[list[Given], list[tuple[tuple[int, ...], int]]]:
    """Return what is recalled of a stream, which places (-1: its clip of interest), the nearest."""
    long_term = frontier(subject, loop, one, later)
    slots = seen_slots(loop, one, later)
    clips = [*(loop.clips[slot] for slot in slots), one.clip]
    places = [*slots, -1]
    order = sorted(range(len(clips)), key=lambda at: one.slot if places[at] < 0 else places[at])
    clips, places = [clips[at] for at in order], [places[at] for at in order]
    vectors = subject.question_vectors([long_term] * len(texts), texts)
    found = cosines(vectors, torch.stack([clip.global_memory for clip in clips]))
    given, chosen = [], []
    made: dict[tuple[int, ...], Given] = {}
    for found_K in found:
        selected = subject.selected(found_K)
        if selected not in made:
            made[selected] = Given(memory_of([clips[at].short_term for at in selected]), long_term)
        given.append(made[selected])
        chosen.append((tuple(places[at] for at in selected), places[int(found_K.argmax())]))
    return given, chosen


def _clip_of(loop: Loop, one: Interest, place: int) -> list[int]:
    """Return a clip as (number in the pool, second at which it starts)."""
    number, scene = (
        (one.number, one.scene) if place < 0 else (loop.numbers[place], loop.scenes[place])
    )
    return [number, scene.start_ns // NS_PER_S]
