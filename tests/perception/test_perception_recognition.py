from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.perception.recognition import is_made_up, place_words
from omnilive.perception.voice_activity import BLOCK_NS

SAID = (
    "Ask not what your country can do for you, ask what you can do for your country.",
    "No, no, no.",
    "Yes.",
    "Row, row, row your boat, gently down the stream.",
    "One two three four five six seven eight nine ten.",
)


@pytest.mark.parametrize("text", SAID)
def test_what_people_say_is_believed(text):
    assert not is_made_up(text, 0.35 * len(text.split()) + 0.3)


MADE_UP = (
    "In the 19th century, the 19th century was born in the 19th century.",
    "la la la la la la la la la la",
    "I don't know what to do, I don't know what to do, I don't know what to do.",
    "...",
    "",
)


@pytest.mark.parametrize("text", MADE_UP)
def test_loops_and_nothing_are_not(text):
    assert is_made_up(text, 6.0)


def test_more_words_than_a_mouth_can_say_were_not_said():
    text = "thank you all very much for watching this video and see you next time"
    assert is_made_up(text, 0.6)
    assert not is_made_up(text, 4.0)


def test_words_lie_in_the_voiced_part_and_skip_the_pause():
    voiced = [True] * 10 + [False] * 20 + [True] * 10
    words = place_words("hello world", 1000, BLOCK_NS, voiced)
    assert [word.text for word in words] == ["hello", "world"]
    assert words[0].start_ns == 1000
    assert words[0].end_ns == 1000 + 10 * BLOCK_NS
    assert words[1].start_ns == 1000 + 30 * BLOCK_NS
    assert words[1].end_ns == 1000 + 40 * BLOCK_NS


@given(
    st.lists(st.text("abcdef", min_size=1, max_size=12), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=1, max_size=200),
)
def test_words_are_in_order_and_inside_their_segment(texts, voiced):
    words = place_words(" ".join(texts), 0, BLOCK_NS, voiced)
    assert [word.text for word in words] == texts
    times = [time for word in words for time in (word.start_ns, word.end_ns)]
    assert all(one <= other + 1 for one, other in zip(times, times[1:], strict=False))
    assert times[0] >= 0
    assert times[-1] <= len(voiced) * BLOCK_NS
