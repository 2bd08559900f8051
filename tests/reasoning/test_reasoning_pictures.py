"""Answers about how it looked, and about what would need eyes."""

from __future__ import annotations

import pytest

from omnilive.events import Span
from reasoning_support import KEYS, WATCHED, WORLD, ask, cited, moment

ALIKE = tuple(
    moment(f"c1-{s * 1000}", "picture", s, s + 10, "the picture changed", score=0.98)
    for s in (10, 60, 120)
)
PICTURE = {"picture": (1.0, 0.0), "picture_model": "grid-v1"}


def test_the_newest_look_alike_is_told_first_and_cited() -> None:
    answer = ask("when did it last look like this?", look_alikes=ALIKE, **PICTURE)
    assert answer.text.startswith("It last looked like this at 12:32:00 (2:00 into talk.mp4).")
    assert "Before that it did at 12:31:00 (1:00 into talk.mp4); at 12:30:10" in answer.text
    assert cited(answer) == ["c1-120000", "c1-60000", "c1-10000"]
    assert answer.known


def test_what_is_the_newest_picture_looks_like_that_now() -> None:
    answer = ask("when?", look_alikes=ALIKE[:1], latest=ALIKE[:1], **PICTURE)
    assert answer.text == "It looks like this now, since at 12:30:10 (0:10 into talk.mp4)."


def test_never_seen_is_said() -> None:
    answer = ask("when did it last look like this?", hits=(KEYS,), **PICTURE)
    assert answer.text.startswith("I have not seen it look like this. I have watched from 12:30:00")
    assert (answer.known, answer.citations) == (False, ())
    outside = ask("did it look like this in the first minute?", spans=WATCHED, **PICTURE)
    assert "I have nothing like that between 12:30:00 and 12:33:00" in outside.text
    problem = ask("yesterday?", time_problem='Nothing was watched "yesterday".', **PICTURE)
    assert problem.text.startswith('Nothing was watched "yesterday".')


def test_it_is_told_in_chinese() -> None:
    answer = ask("上次什么时候是这样？", look_alikes=ALIKE[:1], **PICTURE)
    assert answer.text.startswith("上一次看起来是这样：12:30:10")


@pytest.mark.parametrize(
    "question",
    [
        "Does the woman look happy?",
        "Did she look happy?",
        "Is the woman happy?",
        "Was the man asleep?",
        "Are the children laughing?",
        "那个女人看起来高兴吗？",
        "他在站着吗？",
    ],
)
@pytest.mark.parametrize("found", [{}, {"hits": (KEYS,)}, {"within": WORLD, "spans": WATCHED}])
def test_how_somebody_looks_needs_eyes(question: str, found: dict[str, object]) -> None:
    answer = ask(question, **found)
    assert not answer.known
    assert "eyes" in answer.text or "看不懂" in answer.text
    assert not answer.text.startswith("No")


def test_what_somebody_said_of_feelings_needs_none() -> None:
    said = moment("u1-30000", "speech", 30, 32, "She said that she was angry.")
    answer = ask("Did the woman say she was angry?", hits=(said,), matched=(said,), matches=1)
    assert answer.text.startswith("Yes: ")


def test_a_picture_that_nobody_described_is_not_told_as_described() -> None:
    bare = [
        moment("c1-10000", "picture", 10, 20, "the picture changed"),
        moment("c1-20000", "picture", 20, 30, "nothing new was seen"),
        moment("c1-30000", "picture", 30, 40, ""),
    ]
    answer = ask("what happened?", within=tuple(bare), within_total=3)
    assert "vision model" not in answer.text
    assert "The picture changed (3)" in answer.text


def test_a_digest_keeps_every_sentence_of_a_minute() -> None:
    said = tuple(moment(f"u1-{s}", "speech", s, s + 3, f"Sentence number {s}.") for s in range(12))
    first = "in the first minute"
    answer = ask(f"what happened {first}?", within=said, time_words=first, spans=WATCHED)
    assert len(answer.citations) == 12
    assert "selection" not in answer.text
    more = (*said, moment("u1-50", "speech", 50, 53, "One more."))
    answer = ask("what happened?", within=more, within_total=13)
    assert len(answer.citations) == 12
    assert "That is a selection of 13 moments." in answer.text


def test_how_ambiguous_time_words_were_taken_is_said() -> None:
    span = Span(1, 0, 60 * 10**9, "2026-11-22T12:30:00+01:00", "2026-11-22T12:31:00+01:00")
    note = 'I took "between 3 and 4" as 2026-11-22 15:00:00 to 16:00:00.'
    answer = ask("what was said between 3 and 4?", spans=(span,), within=(KEYS,), time_note=note)
    assert answer.text.endswith(note)
