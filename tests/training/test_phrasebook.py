"""The phrasebook: splits, facts, and that its words are all that is said and asked."""

from __future__ import annotations

import random
import re
from typing import get_args

import pytest

from omnilive.media.synthetic.daily.catalogue import SIGNS, SPLITS, Split
from omnilive.media.synthetic.daily.phrasebook import (
    FIXED,
    all_words,
    instructions,
    line,
    not_instructions,
    split_of_text,
    texts,
    words_of,
)
from omnilive.media.synthetic.daily.planning import plan_stretch
from omnilive.media.synthetic.daily.questions import Asking
from omnilive.media.synthetic.daily.records import DailyQuestionKind


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_belong_to_one_split(split: Split) -> None:
    rng = random.Random(3)
    said = [line(rng, split).text for _ in range(200)]
    said += [one for one in texts(400, split) if one not in FIXED]
    assert {split_of_text(text) for text in said} == {split}
    assert len(set(said)) > 300


def test_a_line_answers_its_question() -> None:
    rng = random.Random(1)
    for _ in range(300):
        told = line(rng)
        assert words_of(told.answer)
        assert set(words_of(told.answer)) <= set(words_of(told.text))
        assert not set(words_of(told.answer)) <= set(words_of(told.question))
        assert told.question.endswith("?")


def test_equal_chance_gives_equal_sentences() -> None:
    assert texts(100, "test", 4) == texts(100, "test", 4) != texts(100, "test", 5)


def test_nothing_is_both_for_the_system_and_not() -> None:
    rng = random.Random(2)
    asked = {instructions(rng) for _ in range(3000)}
    talked = {not_instructions(rng) for _ in range(3000)}
    assert not asked & talked
    assert any(text.endswith("?") for text in talked)


def test_all_words_are_known_beforehand() -> None:
    known = {word.lower() for word in all_words()}
    assert len(known) < 320
    assert {word for text in texts(4000) for word in words_of(text)} <= known


def test_questions_about_the_world_use_these_words() -> None:
    known = {word.lower() for word in all_words()} | {word.lower() for word in SIGNS}
    rng = random.Random(5)
    for number in range(20):
        asking = Asking(list(plan_stretch(f"words {number}", "train", 0, 60_000_000_000)))
        for kind in get_args(DailyQuestionKind):
            asked = asking.draw(rng, kind)
            if asked is not None:
                assert set(re.findall(r"[a-z']+", asked.text.lower())) <= known, asked.text
