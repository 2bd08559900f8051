from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.memory.text_index import quoted
from omnilive.memory.tokens import content_words, index_terms, query_words, settled, stem


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("move", "moved"),
        ("moving", "moves"),
        ("running", "run"),
        ("cities", "city"),
        ("boxes", "box"),
        ("said", "says"),
        ("closed", "closes"),
        ("key", "keys"),
        ("children", "child"),
        ("carried", "carries"),
        ("three", "3"),
        ("glasses", "glass"),
    ],
)
def test_forms_of_a_word_share_a_stem(first: str, second: str) -> None:
    assert stem(first) == stem(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("king", "kin"), ("bus", "bu"), ("speed", "spe"), ("thing", "th"), ("this", "thi")],
)
def test_short_words_keep_their_endings(first: str, second: str) -> None:
    assert stem(first) != second


@pytest.mark.parametrize("asked", ["预算", "预", "算", "明天", "讨论", "项目"])
def test_chinese_words_of_one_and_two_characters_are_found(asked: str) -> None:
    terms = set(index_terms("我们明天讨论预算和项目"))
    (word,) = query_words(asked)
    assert set(word.terms) <= terms


def test_chinese_question_words_are_left_out() -> None:
    words = query_words("什么时候讨论预算？")
    assert [word.surface for word in words] == ["讨论", "预算"]
    assert [word.surface for word in content_words(words)] == ["预算"]


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("预算是多少？", ["预算"]),
        ("有没有人提到大象？", ["大象"]),
        ("屏幕上什么时候出现了标题？", ["上"]),
        ("谁把钥匙放在桌子上了？", ["钥匙放", "桌子上"]),
        ("会议改到什么时候？", ["会议改到"]),
        ("请告诉我桥什么时候开放", ["桥", "开放"]),
        ("他们说了什么关于Netflix的事情？", ["netflix"]),
        ("狗", ["狗"]),
    ],
)
def test_what_a_chinese_question_asks_for(question: str, content: list[str]) -> None:
    assert [word.surface for word in content_words(query_words(question))] == content


def test_pairs_that_straddle_two_words_are_left_out_once_the_store_is_known() -> None:
    words = query_words("维修预算")
    assert words[0].terms == ("维修", "修预", "预算")
    (known,) = settled(words, {"维修": 2, "预算": 3})
    assert known.terms == ("维修", "预算")
    # Half of it was never heard: nothing is left out, so the floor is not reached.
    (half,) = settled(words, {"预算": 3})
    assert half.terms == ("维修", "修预", "预算")


def test_mixed_scripts_are_cut_apart() -> None:
    terms = index_terms("看Netflix吧 5G")
    assert {"看", "netflix", "5g"} <= set(terms)


def test_full_width_and_case_do_not_matter() -> None:
    assert index_terms("ＨＥＬＬＯ") == index_terms("hello")


def test_content_words_leave_out_what_frames_the_question() -> None:
    words = query_words("What did she say about the bridge?")
    assert [word.surface for word in content_words(words)] == ["bridge"]


def test_a_question_of_framing_words_alone_keeps_them() -> None:
    words = content_words(query_words("what should I ask?"))
    assert [word.surface for word in words] == ["ask"]


def test_a_framing_noun_is_content_where_there_is_no_other() -> None:
    words = content_words(query_words("when did somebody mention the camera?"))
    assert [word.surface for word in words] == ["camera"]


@given(st.text(max_size=300))
def test_every_text_finds_itself(text: str) -> None:
    terms = set(index_terms(text))
    for word in query_words(text):
        assert set(word.terms) <= terms


@given(st.text(max_size=200))
def test_terms_hold_nothing_that_the_index_would_cut(text: str) -> None:
    for term in index_terms(text):
        assert term
        assert all(not c.isspace() and (ord(c) > 127 or c.isalnum()) for c in term)


def test_a_huge_question_has_few_terms() -> None:
    question = " ".join(f"word{number}" for number in range(20_000))
    assert sum(len(word.terms) for word in query_words(question)) <= 40


def test_quoting_leaves_no_syntax() -> None:
    assert quoted(['a"b', "NEAR"], "OR") == '"a""b" OR "NEAR"'
