from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.speech.phrases import PhraseSplitter


def split(text: str, *cuts: int) -> list[str]:
    splitter = PhraseSplitter()
    phrases: list[str] = []
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in zip(bounds, bounds[1:], strict=False):
        phrases += splitter.push(text[start:end])
    return phrases + splitter.flush()


def test_sentences_become_phrases():
    assert split("It is here. Is it? Yes! Good; now: go") == [
        "It is here.",
        "Is it?",
        "Yes!",
        "Good;",
        "now:",
        "go",
    ]


def test_a_phrase_comes_as_soon_as_it_is_sure():
    splitter = PhraseSplitter()
    assert splitter.push("The keys are here.") == []
    assert splitter.push(" They") == ["The keys are here."]
    assert splitter.push(" were in\n") == ["They were in"]
    assert splitter.flush() == []


def test_a_mark_inside_a_number_a_time_or_an_abbreviation_ends_nothing():
    text = "Mr. Smith paid 3.14 dollars at 12:30, e.g. for J. Doe, see u1-12480. Then he left."
    assert split(text) == [
        "Mr. Smith paid 3.14 dollars at 12:30, e.g. for J. Doe, see u1-12480.",
        "Then he left.",
    ]


def test_a_time_of_day_ends_a_phrase_only_before_a_capital():
    assert split("At 4 p.m. it rained. At 5 p.m. The sun shone.") == [
        "At 4 p.m. it rained.",
        "At 5 p.m.",
        "The sun shone.",
    ]


def test_numbered_lines_stay_whole():
    assert split("1. Soup\n2. Cake") == ["1. Soup", "2. Cake"]


def test_chinese_sentences():
    text = "\u4f60\u597d\u3002\u4eca\u5929\u662f\u6674\u5929\uff01\u597d\u5417\uff1f"
    assert split(text) == [
        "\u4f60\u597d\u3002",
        "\u4eca\u5929\u662f\u6674\u5929\uff01",
        "\u597d\u5417\uff1f",
    ]


def test_a_long_clause_ends_at_its_comma_and_a_short_one_does_not():
    long = "The train that leaves from the seventh platform is late because of the snow,"
    assert split(f"{long} I think, and full.") == [long, "I think, and full."]


def test_closing_quotes_and_repeated_marks_belong_to_the_phrase():
    assert split('He said "stop." Really?! Yes...  Then (so.) Done') == [
        'He said "stop."',
        "Really?!",
        "Yes...",
        "Then (so.)",
        "Done",
    ]


def test_citations_in_brackets_are_not_cut():
    text = "It was said. [u1-12480: noon. u1-5, c1-7] And more."
    assert split(text) == ["It was said.", "[u1-12480: noon. u1-5, c1-7] And more."]


def test_text_without_marks_is_cut_before_it_is_too_long():
    phrases = split("word " * 200)
    assert all(len(phrase) <= 200 for phrase in phrases)
    assert " ".join(phrases).split() == ["word"] * 200


def test_an_unclosed_bracket_does_not_swallow_the_answer():
    text = "Open [ " + "and on it goes. " * 12
    assert len(split(text)) > 5


def test_nothing_to_say_gives_nothing():
    assert split("") == []
    assert split(" ... \n -- \n") == []


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet='ab1.:,;?! "\n)[]Mr\u4f60\u3002\uff0c', max_size=300),
    st.lists(st.integers(0, 300), max_size=12),
)
def test_any_way_of_cutting_the_text_gives_the_same_phrases(text: str, cuts: list[int]):
    assert split(text, *cuts) == split(text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab .,!?\n", max_size=500))
def test_no_letter_is_lost(text: str):
    def letters(of: str) -> str:
        return "".join(letter for letter in of if letter.isalnum())

    assert letters("".join(split(text))) == letters(text)
