"""Questions about a world, with the words and the times that a right answer holds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Protocol

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.records import (
    QuestionKind,
    Said,
    Scene,
    Segment,
    Span,
    TruthSpan,
    WorldQuestion,
)
from omnilive.media.synthetic.script import Script, Slot
from omnilive.media.synthetic.vocabulary import ABSENT, COUNTS, UNKNOWABLE, Shown, Words

_LONGEST_SWEEP_S = 3600  # in a longer world, listing all motion would mean planning all of it


class Planned(Protocol):
    """What questions are made from: a `World`, which imports this file."""

    seed: int
    script: Script
    duration_ns: int
    num_segments: int
    num_places: int

    def segment(self, index: int) -> Segment:
        """Return a segment."""
        ...


def make_questions(world: Planned) -> tuple[WorldQuestion, ...]:
    """Return the questions of a life, to be asked at its end."""
    asked = (
        *_spoken(world),
        *_repeated(world),
        *_shown(world),
        *_happened(world),
        *_not_known(world.seed),
    )
    return tuple(
        WorldQuestion(
            id=f"q{number:02d}",
            kind=kind,
            text=text,
            must_contain=words,
            truth=tuple(TruthSpan(span.start_s, span.end_s) for span in truth),
            known=kind not in ("not_seen", "unknowable"),
        )
        for number, (kind, text, words, truth) in enumerate(asked, start=1)
    )


_Asked = Iterator[tuple[QuestionKind, str, Words, Iterable[Span]]]


def _spoken(world: Planned) -> _Asked:
    placed = [one for one in world.script.facts if _said(world, one.slot) is not None]
    num = len(placed)
    num_about, num_when = max(1, (num - 1) // 2), num // 5
    order = random.Random(f"questions {world.seed}").sample(placed, num)
    for one in order[:num_about]:
        yield "said_about", one.fact.question, one.fact.line.answer, _heard(world, one.slot)
    for one in order[num_about : num_about + num_when]:
        text = f"When did somebody mention {one.fact.topic}?"
        yield "when_said", text, (), _heard(world, one.slot)
    for one in order[num_about + num_when :]:
        following = _next_slot(world, one.slot)
        if following is not None:
            text = f"What was said right after somebody mentioned {one.fact.topic}?"
            answer = world.script.line(following).answer
            yield "after_before", text, answer, _heard(world, following)
            return


def _repeated(world: Planned) -> _Asked:
    refrain = world.script.refrain
    spans = [
        said for slot in world.script.refrain_slots if (said := _said(world, slot)) is not None
    ]
    if refrain is not None and len(spans) in COUNTS:
        text = f"How often did somebody mention {refrain.topic}?"
        yield "how_often", text, (COUNTS[len(spans)],), spans


def _shown(world: Planned) -> _Asked:
    for index, shown in world.script.shown.items():
        if index < world.num_segments - 1:
            truth = [scene for scene in world.segment(index).scenes if _shows(scene, shown)]
            yield "screen_text", shown.question, shown.answer, truth


def _shows(scene: Scene, shown: Shown) -> bool:
    return scene.text is not None and scene.text.title == shown.title


def _happened(world: Planned) -> _Asked:
    if world.duration_ns <= _LONGEST_SWEEP_S * NS_PER_S:
        segments = [world.segment(index) for index in range(world.num_segments)]
        moved = [
            Span(start_ns=thing.moving[0], end_ns=thing.moving[1])
            for segment in segments
            for scene in segment.scenes
            for thing in scene.things
            if thing.moving is not None
        ]
        if moved:
            yield "when_moved", "When did something move?", (), moved
        sounds = [sound for segment in segments for sound in segment.sounds]
        if sounds:
            yield "when_heard", "When was there a loud sound?", (), sounds
    # Whatever was said then will do: a digest need not tell everything.
    since_ns = max(0, world.duration_ns - 60 * NS_PER_S)
    told = [
        (placed, said)
        for placed in world.script.facts
        if (said := _said(world, placed.slot)) is not None and said.start_ns >= since_ns
    ]
    if told:
        words = tuple(
            word for placed, _ in told for group in placed.fact.line.answer for word in group
        )
        text = "What happened in the last minute?"
        yield "what_happened", text, (words,), [said for _, said in told]
    last = world.segment(world.num_segments - 1).scenes[-1]
    if last.text is not None:
        lines = tuple(line.lower() for line in last.text.all_lines)
        yield "what_now", "What is on the screen now?", (lines,), [last]


def _not_known(seed: int) -> _Asked:
    rng = random.Random(f"not known {seed}")
    for text in rng.sample(ABSENT, 2):
        yield "not_seen", text, (), ()
    for text in rng.sample(UNKNOWABLE, 2):
        yield "unknowable", text, (), ()


def _said(world: Planned, slot: Slot) -> Said | None:
    """Return the utterance of a slot; None if a very short segment had no room for it."""
    sentence = world.script.line(slot).sentence
    said = world.segment(slot.segment).said
    dropped = world.num_places - len(said)
    place = slot.place - dropped
    return said[place] if place >= 0 and said[place].text == sentence else None


def _heard(world: Planned, slot: Slot) -> list[Said]:
    said = _said(world, slot)
    return [said] if said is not None else []


def _next_slot(world: Planned, slot: Slot) -> Slot | None:
    place, segment = slot.place + 1, slot.segment
    if place == world.num_places:
        place, segment = 0, segment + 1
    return Slot(segment, place) if segment < world.num_segments else None
