"""Cases of right, wrong, honest and cited, each decided by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.plots import Mark, bars, lines
from omnilive.evaluation.scoring_memory import (
    Cited,
    MemoryAnswer,
    age_of,
    chosen,
    holds,
    says_not_seen,
    score_answer,
)


def asked(**changes: Any) -> MemoryQuestion:
    values: dict[str, Any] = {
        "id": "q",
        "video": "v.mp4",
        "text": "What colour was the umbrella?",
        "ask_time_s": 100.0,
        "accepted": ("red",),
        "evidence": ((10.0, 20.0), (40.0, 50.0)),
    }
    return MemoryQuestion(**(values | changes))


def said(text: str, *cited: tuple[float, float], known: bool = True, **more: Any) -> MemoryAnswer:
    spans = tuple(Cited(*each) for each in cited)
    return MemoryAnswer(text=text, known=known, cited=spans, **({"num_cited": len(spans)} | more))


@pytest.mark.parametrize(
    ("answer", "wanted", "held"),
    [
        ("It was Red.", "red", True),
        ("It was a reddish one.", "red", False),
        ("In the blue kitchen", "in the kitchen", True),
        ("the kitchen", "in the kitchen", False),
        ("There were three cups", "3", True),
        ("There were 3 cups", "three cups", True),
        ("one cup", "one one", False),
        ("Yes, there was. No sign though.", "yes", True),
        ("Yes, there was. No sign though.", "no", False),
        ("It is known", "no", False),
        ("the girl's hat", "girl hat", True),
        ("ÉTÉ in Paris", "été", True),
        ("anything", "the", False),
    ],
)
def test_words(answer: str, wanted: str, held: bool) -> None:
    assert holds(answer, wanted) is held


@pytest.mark.parametrize(
    ("text", "not_seen"),
    [
        ("I have not seen that.", True),
        ("I haven't seen or heard that.", True),
        ("That was not seen in what I watched.", True),
        ("I don't know.", True),
        ("I cannot tell.", True),
        ("The not-seen sign was red.", False),
        ("It was red. I have not seen another one.", False),
        ("At 10:00 somebody said: nothing new.", False),
        ("", False),
    ],
)
def test_not_seen_is_what_the_first_sentence_says(text: str, not_seen: bool) -> None:
    assert says_not_seen(text) is not_seen


def test_an_open_answer_with_citations() -> None:
    score = score_answer(asked(), said("It was red", (19.0, 25.0), (60.0, 70.0)))
    assert score.right is True
    assert score.cited_hit is True
    assert score.evidence_recall == 0.5
    assert score.cited_precision == 0.5
    assert score.seen is True
    assert score.f1 == pytest.approx(2 / 4)  # one of three words said, the one word wanted


def test_a_citation_that_only_meets_the_end_of_the_evidence_does_not_touch_it() -> None:
    assert score_answer(asked(), said("red", (20.0, 25.0))).cited_hit is False
    assert score_answer(asked(), said("red", (20.0, 40.0))).cited_hit is False
    assert score_answer(asked(), said("red", (15.0, 15.0))).cited_hit is True  # an instant


def test_citations_of_another_video_count_against_precision_only() -> None:
    score = score_answer(asked(), said("red", num_cited=4))
    assert (score.cited_hit, score.evidence_recall, score.cited_precision) == (False, 0.0, 0.0)
    assert score_answer(asked(), said("red")).cited_precision is None


def test_who_says_not_seen_is_wrong_about_what_was_seen() -> None:
    assert score_answer(asked(), said("Perhaps red.", known=False)).right is False
    assert score_answer(asked(), said("I have not seen that.")).right is False
    # ... but it is what "no" says.
    assert score_answer(asked(accepted=("no",)), said("I have not seen that.")).right is True
    assert score_answer(asked(accepted=("yes",)), said("I have not seen that.")).right is False


def test_what_was_not_seen() -> None:
    question = asked(known=False, accepted=(), evidence=())
    honest = score_answer(question, said("I have not seen that.", known=False))
    assert (honest.right, honest.seen) == (True, False)
    in_words = score_answer(question, said("I have not seen that."))
    assert (in_words.right, in_words.seen) == (True, False)
    false = score_answer(question, said("It was dotted."))
    assert (false.right, false.seen) == (False, True)
    assert false.cited_hit is None


def test_only_evidence_is_known() -> None:
    score = score_answer(asked(accepted=()), said("red", (10.0, 11.0)))
    assert (score.right, score.f1, score.cited_hit) == (None, None, True)


CHOICES = ("red", "dark red", "A blue one", "none of these")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A", 0),
        ("(b)", 1),
        ("The answer is C.", 2),
        ("D: none of these", 3),
        ("It was dark red.", 1),
        ("It was red.", 0),
        ("A blue one", 2),
        ("red or none of these", None),
        ("E", None),
        ("I think so", None),
        ("", None),
    ],
)
def test_choices(text: str, place: int | None) -> None:
    assert chosen(text, CHOICES) == place


def test_a_choice_question() -> None:
    question = asked(choices=CHOICES, accepted=("dark red",))
    assert score_answer(question, said("B")).right is True
    assert score_answer(question, said("A")).right is False
    unseen = asked(choices=CHOICES, accepted=("none of these",), evidence=(), known=False)
    assert score_answer(unseen, said("D")).seen is False
    assert score_answer(unseen, said("A")).seen is True


@pytest.mark.parametrize(
    ("text", "began_s", "right"),
    [
        ("at 12 seconds", None, True),
        ("At 0:45", None, True),
        ("at 30 seconds", None, False),
        ("at 30 seconds, or at 12 seconds", None, False),  # the first one counts
        ("At 14:00:12.", 14 * 3600.0, True),
        ("At 14:00:12.", 13 * 3600.0, False),
        ("It was there.", None, False),
    ],
)
def test_a_time_may_be_told_as_a_position_or_by_the_clock(
    text: str, began_s: float | None, right: bool
) -> None:
    question = asked(kind="when", accepted=("at 10 seconds",))
    assert score_answer(question, said(text, began_s=began_s)).right is right


@pytest.mark.parametrize(
    ("ask_s", "age"),
    [(50.0, "1 min"), (110.0, "1 min"), (110.1, "10 min"), (4000.0, "6 h"), (2e5, "over 24 h")],
)
def test_age_counts_from_the_newest_evidence(ask_s: float, age: str) -> None:
    assert age_of(asked(ask_time_s=ask_s)) == age


def test_questions_without_age() -> None:
    assert age_of(asked(evidence=())) == "no evidence"
    assert age_of(asked(needs="present")) == "present"


@pytest.mark.parametrize("draw", [bars, lines])
def test_charts_are_well_formed_and_say_their_figures(draw: Any) -> None:
    text = draw(
        "Right <answers>",
        ["1 min", "a & b"],
        {
            "memory": [Mark(0.75, 0.6, 0.9, 40), None],
            "<blind>": [Mark(0.1, 0.0, 0.2), Mark(1, 1, 1)],
        },
    )
    root = ElementTree.fromstring(text)
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "memory, 1 min: 75.0 % (60.0 to 90.0, 40 questions)" in titles
    assert len(titles) == 4  # the chart's own, and one for each of three marks
    width = float(root.attrib["width"])
    for each in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(each.get("x", 0)) + float(each.attrib["width"]) <= width


def test_charts_of_differences_reach_below_zero_and_lengths_must_fit() -> None:
    text = bars("Difference", ["all"], {"memory": [Mark(-0.2, -0.3, -0.1)]})
    assert ">-100<" in text
    with pytest.raises(ValueError, match="mark"):
        bars("x", ["a", "b"], {"memory": [None]})
