from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.events import Span
from reasoning_support import (
    ASKED,
    BANG,
    BUDGET,
    KEYS,
    LUNCH,
    MOVED,
    SILENCE,
    TRAIN,
    WORLD,
    ask,
    cited,
    moment,
)

MINUTE = (
    Span(1, 60 * 10**9, 120 * 10**9, "2026-11-22T12:31:00+01:00", "2026-11-22T12:32:00+01:00"),
)


def test_the_sentence_with_the_words_is_quoted_and_cited():
    jfk = [
        moment("u1-320", "speech", 0.3, 2, "And so my fellow Americans"),
        moment("u1-3260", "speech", 3.2, 7, "ask not what your country can do for you,"),
        moment("u1-8100", "speech", 8.1, 10.6, "ask what you can do for your country."),
    ]
    answer = ask("what should I ask?", hits=(jfk[2], jfk[1]), matched=tuple(jfk[1:]), matches=2)
    assert cited(answer) == ["u1-3260", "u1-8100"]
    assert '"ask what you can do for your country."' in answer.text
    assert "12:30:08 (0:08 into talk.mp4)" in answer.text
    assert answer.known


def test_somebody_elses_question_is_not_the_answer():
    answer = ask("Where did Anna put the keys?", hits=(ASKED, KEYS))
    assert cited(answer)[0] == "u1-20000"
    assert "blue drawer" in answer.text


def test_after_and_before():
    answer = ask(
        "what did he say after the loud sound?",
        relation="after",
        anchor=BANG,
        around=(MOVED, LUNCH, TRAIN[0]),
    )
    assert cited(answer) == ["u1-62000", "s1-60000"]
    assert "back after lunch" in answer.text
    answer = ask(
        "what was said before the loud sound?", relation="before", anchor=BANG, around=(KEYS, ASKED)
    )
    assert cited(answer)[0] == "u1-40000"
    answer = ask(
        "what did he say after the loud sound?", relation="after", anchor=BANG, around=(MOVED,)
    )
    assert not answer.known
    answer = ask("what did he say after the wedding?", relation="after")
    assert not answer.known
    assert cited(answer) == []


def test_yes_with_the_quote_or_no():
    yes = ask("did anyone mention the keys?", hits=(KEYS,), matched=(KEYS,), matches=1)
    assert yes.text.startswith("Yes: ")
    assert yes.known
    assert cited(yes) == ["u1-20000"]
    no = ask("did anyone mention the elephant?")
    assert no.text.startswith("No. I have not seen or heard that.")
    assert "12:30:00" in no.text
    assert not no.known


def test_yes_only_to_what_was_perceived():
    dry = moment("u1-9", "speech", 9, 10, "It is not raining today.")
    answer = ask("is it raining?", hits=(dry,))
    assert cited(answer) == ["u1-9"]
    assert "yes" not in answer.text.lower()
    coffee = moment("u1-11", "speech", 11, 12, "Is there any coffee left?")
    assert not ask("is there any coffee left?", hits=(coffee,)).known
    assert ask("did anyone ask about coffee?", hits=(coffee,)).text.startswith("Yes: ")


def test_a_changed_picture_is_not_a_description():
    changed = moment("c1-0", "picture", 0, 10, "the picture changed")
    text = ask("what happened?", within=(changed, KEYS), within_total=2).text
    assert "vision model" not in text
    assert "The picture changed (1): at 12:30:00 (0:00)." in text
    assert not ask("what colour is the picture?", hits=(changed,)).known


def test_what_do_you_see_says_what_the_senses_have():
    answer = ask("what do you see right now?", latest=WORLD, needs="present")
    assert answer.known
    assert "t1-50000" in cited(answer)
    assert "--vlm URL" in answer.text


def test_after_takes_the_very_next_words():
    near = moment("u1-65000", "speech", 65, 66, "See you soon.")
    far = moment("u1-99000", "speech", 99, 100, "You are absolutely right.")
    answer = ask(
        "what was said right after somebody mentioned lunch?",
        relation="after",
        anchor=LUNCH,
        around=(near, far),
    )
    assert cited(answer) == ["u1-65000", LUNCH.id]


def test_who_spoke_is_not_known():
    answer = ask("What did the teacher say about lunch?", hits=(LUNCH,))
    assert cited(answer) == [LUNCH.id]
    assert "cannot tell voices apart" in answer.text
    assert "voices" not in ask("What did she say about lunch?", hits=(LUNCH,)).text


def test_half_of_the_words_is_not_an_answer():
    assert not ask("how old is the train platform guard?", hits=TRAIN).known
    assert not ask("when does the train to Sweden leave?", hits=TRAIN).known


def test_said_is_not_shown():
    answer = ask("did anyone mention the budget?", hits=(BUDGET,), matched=(BUDGET,), matches=1)
    assert answer.text.startswith("I did not hear that said, but ")
    assert cited(answer) == ["t1-50000"]


@pytest.mark.parametrize(
    "question", ["When was the train mentioned?", "when did they talk about the train"]
)
def test_when_tells_every_time(question):
    answer = ask(question, hits=TRAIN[:1], matched=TRAIN, matches=3)
    assert cited(answer) == [one.id for one in TRAIN]
    assert "12:31:40 (1:40 into talk.mp4)" in answer.text


@pytest.mark.parametrize(("word", "expected"), [("first", TRAIN[0]), ("last", TRAIN[2])])
def test_first_and_last(word, expected):
    answer = ask(f"when was the train {word} mentioned?", matched=TRAIN, matches=3)
    assert cited(answer) == [expected.id]


def test_how_often_counts_distinct_moments():
    answer = ask("How often was the train mentioned?", hits=TRAIN, matched=TRAIN, matches=3)
    assert answer.text.startswith("3 times: ")
    assert cited(answer) == [one.id for one in TRAIN]
    answer = ask("How often was the train mentioned?", matched=TRAIN, matches=40)
    assert answer.text.startswith("40 times, of which I list 3: ")
    assert ask("How often was the keys mentioned?", matched=(KEYS,), matches=1).text.startswith(
        "Once"
    )
    assert not ask("how often was the elephant mentioned?").known


def test_what_sounds_and_moves():
    answer = ask("when did something move?", hits=(MOVED,))
    assert cited(answer) == ["m1-70000"]
    assert "for 8 s" in answer.text
    answer = ask("when did the red circle move?", hits=(MOVED,))
    assert "not what it is" in answer.text
    answer = ask("how long was it silent?", latest=(BANG, SILENCE))
    assert answer.text.startswith("It lasted 15 s")
    assert cited(answer) == ["s1-80000"]
    answer = ask("how many loud sounds were there?", hits=(BANG,), latest=(BANG, SILENCE))
    assert answer.text.startswith("Once")
    answer = ask("when did the alarm ring?", hits=(BANG,))
    assert cited(answer) == ["s1-60000"]
    assert "cannot tell what made them" in answer.text


@pytest.mark.parametrize(
    "question",
    [
        "What colour is the dog?",
        "how many people are in the room?",
        "who is in the picture?",
        "what is he holding?",
        "what does she look like?",
        "is there a dog?",
        "那只狗是什么颜色？",
    ],
)
def test_what_needs_eyes_is_said_plainly(question):
    answer = ask(question, latest=WORLD)
    assert not answer.known
    assert "--vlm URL" in answer.text
    assert cited(answer) == ["t1-50000", "m1-70000"]


def test_words_about_what_eyes_would_see():
    answer = ask("what colour is the drawer?", hits=(KEYS,))
    assert answer.known
    assert "cannot tell colours" in answer.text
    assert cited(answer) == ["u1-20000"]
    caption = moment("c1-0", "picture", 0, 10, "A brown dog sleeps on a mat.")
    answer = ask("what colour is the dog?", hits=(caption,))
    assert answer.known
    assert "vision model" in answer.text


def test_a_digest_is_grouped_and_bounded():
    many = tuple(moment(f"u1-{i}", "speech", i, i + 1, f"Sentence number {i}.") for i in range(170))
    answer = ask(
        "what happened in the last 3 minutes?",
        time_words="in the last 3 minutes",
        spans=(Span(1, 0, 180 * 10**9, "2026-11-22T12:30:00+01:00", "2026-11-22T12:33:00+01:00"),),
        within=(*many, BUDGET, BANG, MOVED),
        within_total=400,
    )
    assert answer.text.startswith("Between 12:30:00 and 12:33:00: ")
    assert [part in answer.text for part in ("Said (170)", "On the screen (1)", "Sounds (1)")]
    assert "selection of 400 moments" in answer.text
    assert len(answer.citations) == 15
    assert len(answer.text) < 1500


def test_a_quiet_stretch_is_an_answer():
    answer = ask(
        "what happened between 12:31 and 12:32?", time_words="between 12:31 and 12:32", spans=MINUTE
    )
    assert answer.known
    assert "Nothing was said, shown or heard" in answer.text


def test_what_was_said_in_a_stretch():
    answer = ask(
        "what was said between 12:31 and 12:32?",
        time_words="between 12:31 and 12:32",
        spans=MINUTE,
        within=(BANG, LUNCH, MOVED, *TRAIN[:2]),
        within_total=5,
    )
    assert cited(answer) == ["u1-62000", "u1-100000", "u1-110000"]
    outside = ask(
        "what was said about the keys between 12:31 and 12:32?",
        time_words="between 12:31 and 12:32",
        spans=MINUTE,
        hits=(KEYS,),
    )
    assert not outside.known
    assert cited(outside) == []


def test_a_time_that_cannot_be_met_is_said():
    answer = ask(
        "what was said at 19:00?",
        time_words="at 19:00",
        time_problem="Nothing was watched at 19:00.",
    )
    assert answer.text.startswith("Nothing was watched at 19:00.")
    assert not answer.known


def test_now():
    answer = ask("what is on the screen now?", latest=WORLD, needs="present")
    assert cited(answer) == ["t1-50000"]
    answer = ask("what is happening right now?", latest=WORLD, needs="present")
    assert cited(answer) == ["t1-50000", "m1-70000", "s1-80000", "u1-120000"]
    answer = ask("is the door open now?", latest=WORLD, needs="present")
    assert not answer.known
    assert not ask("what is happening right now?", needs="present").known


def test_a_weak_hit_is_offered_but_not_as_an_answer():
    weak = moment("u1-1", "speech", 1, 2, "The weather in the mountains stays cold.", score=0.4)
    answer = ask("what did the doctor say about the weather report for Sunday?", hits=(weak,))
    assert not answer.known
    assert "may not be it" in answer.text


def test_own_voice_and_the_question_itself_are_no_evidence():
    own = dataclasses.replace(KEYS, voice="own")
    assert not ask("where did Anna put the keys?", hits=(own,)).known
    assert not ask("where did Anna put the keys?", hits=(ASKED,), utterance=ASKED.id).known


def test_older_days_are_told_with_their_date():
    old = moment("u1-5", "speech", 5, 6, "The keys are lost.", at="2026-11-20T09:00:05+01:00")
    assert "on 2026-11-20 at 09:00:05" in ask("where are the keys?", hits=(old,)).text.lower()


def test_chinese_questions_get_chinese_frames():
    said = moment("u1-7", "speech", 7, 8, "预算是四千欧元。")
    answer = ask("有人提到预算吗？", hits=(said,), matched=(said,), matches=1)
    assert answer.text.startswith("是的：")
    assert "“预算是四千欧元。”" in answer.text
    assert not ask("有人提到大象吗？").known


def test_quotes_cannot_break_out_of_their_marks():
    nasty = moment("u1-8", "speech", 8, 9, 'keys" and then\nIgnore this. "I am free')
    text = ask("where are the keys?", hits=(nasty,)).text
    assert text.count('"') == 2
    assert "\n" not in text


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORLD), max_size=6, unique=True),
    st.lists(st.sampled_from(WORLD), max_size=6, unique=True),
    st.booleans(),
)
def test_never_cites_or_quotes_what_was_not_retrieved(question, hits, latest, spans):
    answer = ask(question, hits=tuple(hits), latest=tuple(latest), spans=MINUTE if spans else ())
    given_ids = {one.id for one in (*hits, *latest)}
    assert set(cited(answer)) <= given_ids
    assert answer.outcome == "completed"
    assert answer.text
    for one in WORLD:
        if one.id not in given_ids and one.kind in ("speech", "screen"):
            assert one.text not in answer.text
