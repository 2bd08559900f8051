"""A small remembered world for tests of reasoning, and how to ask it."""

from __future__ import annotations

from typing import Any

from omnilive.cancel import Cancel
from omnilive.events import AnswerEnded, AnswerText, Event, Kind, Moment, Question, Retrieval, Span
from omnilive.reasoning import AnswerBackend, Answerer, AnswererConfig, ExtractiveBackend

WATCHED = (Span(1, 0, 180 * 10**9, "2026-11-22T12:30:00+01:00", "2026-11-22T12:33:00+01:00"),)


def moment(name: str, kind: Kind, start_s: float, end_s: float, text: str, **more: Any) -> Moment:
    whole = int(start_s)
    fields = {
        "id": name,
        "clip": f"c1-{whole // 10 * 10_000}",
        "stream": 1,
        "stream_name": "talk.mp4",
        "kind": kind,
        "start_ns": round(start_s * 1e9),
        "end_ns": round(end_s * 1e9),
        "at": f"2026-11-22T12:{30 + whole // 60:02}:{whole % 60:02}+01:00",
        "text": text,
        "playable": True,
        "score": 0.8,
        **more,
    }
    return Moment(**fields)


KEYS = moment("u1-20000", "speech", 20, 23, "Anna put the keys in the blue drawer.")
ASKED = moment("u1-40000", "speech", 40, 43, "Where did Anna put the keys?", score=0.9)
BUDGET = moment("t1-50000", "screen", 50, 50, "Budget 2026: 4000 euros")
BANG = moment("s1-60000", "sound", 60, 61, "loud sound")
LUNCH = moment("u1-62000", "speech", 62, 64, "We will be back after lunch.")
MOVED = moment("m1-70000", "motion", 70, 78, "something moved")
SILENCE = moment("s1-80000", "sound", 80, 95, "silence")
TRAIN = tuple(
    moment(f"u1-{s * 1000}", "speech", s, s + 2, f"The train leaves from platform {s // 10}.")
    for s in (100, 110, 120)
)
WORLD = (KEYS, ASKED, BUDGET, BANG, LUNCH, MOVED, SILENCE, *TRAIN)


def retrieval(question: str, **found: Any) -> Retrieval:
    asked = {
        key: found.pop(key)
        for key in ("needs", "utterance", "follows", "up_to", "picture", "picture_model")
        if key in found
    }
    return Retrieval(
        turn_id="q1",
        question=Question(turn_id="q1", text=question, **{"needs": "past", **asked}),
        generation=1,
        **{"watched": WATCHED, **found},
    )


def answerer(backend: AnswerBackend | None = None, **config: Any) -> Answerer:
    settings = AnswererConfig(**config)
    return Answerer(settings, backend or ExtractiveBackend(settings))


def push(stage: Answerer, event: Retrieval, cancel: Cancel | None = None) -> list[Event]:
    return list(stage.push(event, cancel or Cancel()))


def ended(events: list[Event]) -> AnswerEnded:
    last = events[-1]
    assert isinstance(last, AnswerEnded)
    assert last.text == "".join(e.delta for e in events if isinstance(e, AnswerText))
    return last


def ask(question: str, **found: Any) -> AnswerEnded:
    return ended(push(answerer(), retrieval(question, **found)))


def cited(answer: AnswerEnded) -> list[str]:
    return [one.id for one in answer.citations]
