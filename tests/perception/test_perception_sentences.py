from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnilive.perception.sentences import Sentence, split_at_pauses

TALK = "The sky is clear and blue. This is a wonderful place. We can talk about it later."


def voice(*lengths):
    """Voice and pauses in turn, in blocks."""
    return [i % 2 == 0 for i, length in enumerate(lengths) for _ in range(length)]


def test_each_sentence_ends_in_the_pause_where_its_letters_end():
    assert split_at_pauses(TALK, voice(60, 8, 55, 10, 58)) == [
        Sentence("The sky is clear and blue.", 0, 60),
        Sentence("This is a wonderful place.", 68, 123),
        Sentence("We can talk about it later.", 133, 191),
    ]


def test_a_pause_inside_a_sentence_splits_nothing():
    (one,) = split_at_pauses("The sky is clear and blue today.", voice(30, 10, 30))
    assert one.text == "The sky is clear and blue today."


def test_sentences_without_a_pause_between_them_stay_together():
    assert len(split_at_pauses(TALK, voice(180))) == 1
    parts = split_at_pauses(TALK, voice(115, 10, 58))
    assert [part.text for part in parts] == [
        "The sky is clear and blue. This is a wonderful place.",
        "We can talk about it later.",
    ]


def test_the_wake_phrase_stays_with_its_question():
    text = "Hey Omni. Where did I put the keys of the car?"
    assert len(split_at_pauses(text, voice(20, 10, 70))) == 1


@given(
    st.lists(st.sampled_from(["One two three four.", "Yes.", "Is it so today?"]), max_size=6),
    st.lists(st.integers(1, 80), min_size=1, max_size=11).filter(lambda x: len(x) % 2),
)
def test_no_word_and_no_voice_is_lost(sentences, lengths):
    text, voiced = " ".join(sentences), voice(*lengths)
    parts = split_at_pauses(text, voiced)
    assert " ".join(part.text for part in parts) == text
    assert parts[0].first == 0
    assert parts[-1].end == len(voiced)
    for part in parts:
        assert part.first < part.end
        assert voiced[part.first]
        assert voiced[part.end - 1]
    for one, other in zip(parts, parts[1:], strict=False):
        assert one.end < other.first
        assert not any(voiced[one.end : other.first])
