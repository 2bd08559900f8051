from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.cancel import Cancel
from omnilive.events import Dismissed, Question, StreamStarted, UpTo, Utterance, Voice
from omnilive.reasoning.gate import Gate, GateConfig
from omnilive.reasoning.instruction import needs_of
from omnilive.reasoning.wake import find_wake

S = 10**9


def spoken(text: str, voice: Voice = "user", at_s: float = 10.0) -> Utterance:
    start = round(at_s * S)
    return Utterance(
        id=f"u3-{start // 10**6}",
        stream=3,
        start_ns=start,
        end_ns=start + 2 * S,
        text=text,
        voice=voice,
    )


def judge(utterance: Utterance, gate: Gate | None = None) -> Question | Dismissed:
    (event,) = (gate or Gate()).push(utterance, Cancel())
    assert isinstance(event, Question | Dismissed)
    return event


FOR_US = [
    "What did she say about the budget",
    "what's on the screen",
    "so, um, when did it start",
    "Did Anna call",
    "did anyone mention lunch",
    "is there a problem",
    "Have you seen the keys",
    "could you find the slide with the costs",
    "tell me what happened",
    "Please show me the slide",
    "list all slides",
    "summarize the last ten minutes",
    "remind me of the appointment",
    "describe the picture",
    "find the red one",
    "I want to know where the keys are",
    "I wonder what he said",
    "what about the keys",
    "how often did it ring",
    "how many people came",
    "and after that",
    "The keys are gone?",
    "It is cold here. What did he say about the train",
    "Omni, the keys",
    "where did I put my keys",
    "他说了什么",
    "有人提到预算吗",
    "请总结一下",
]
NOT_FOR_US = [
    ("um", "filler"),
    ("uh, well, hmm", "filler"),
    ("Yes.", "backchannel"),
    ("okay, right", "backchannel"),
    ("thank you", "backchannel"),
    ("right?", "backchannel"),
    ("you know?", "backchannel"),
    ("嗯嗯", "backchannel"),
    ("... !", "no words"),
    ("12 30", "no words"),
    ("Let me think.", "self-talk"),
    ("let me see", "self-talk"),
    ("what was I going to say", "self-talk"),
    ("what a day", "self-talk"),
    ("who knows", "self-talk"),
    ("I told him already", "talk"),
    ("when I was young we had a dog", "talk"),
    ("what I mean is that it works", "talk"),
    ("which is why we left", "talk"),
    ("have a nice day", "talk"),
    ("do it", "talk"),
    ("show them the door", "talk"),
    ("the meeting is at noon", "talk"),
    ("he asked what time it is", "talk"),
    ("今天天气很好", "talk"),
]


@pytest.mark.parametrize("text", FOR_US)
def test_questions_and_orders_pass(text):
    question = judge(spoken(text))
    assert isinstance(question, Question)
    assert question.text == text


@pytest.mark.parametrize(("text", "reason"), NOT_FOR_US)
def test_talk_is_dismissed(text, reason):
    assert judge(spoken(text)) == Dismissed(utterance="u3-10000", stream=3, reason=reason)


def test_a_spoken_question_knows_where_and_up_to_when():
    question = judge(spoken("What did she say?"))
    assert question == Question(
        turn_id="q-u3-10000",
        text="What did she say?",
        needs="past",
        up_to=(UpTo(3, 10 * S),),
        stream=3,
        utterance="u3-10000",
    )


def test_what_is_typed_is_always_a_question():
    typed = Utterance(
        id="turn-7",
        stream=0,
        start_ns=0,
        end_ns=0,
        text=" the keys ",
        voice="user",
        typed=True,
        up_to=(UpTo(1, 5), UpTo(2, 6)),
        scope="door",
    )
    question = judge(typed)
    assert isinstance(question, Question)
    assert (question.turn_id, question.text, question.scope) == ("turn-7", "the keys", "door")
    assert question.up_to == (UpTo(1, 5), UpTo(2, 6))
    assert question.stream == 0


def test_what_we_say_ourselves_never_passes():
    assert judge(spoken("Hey Omni, what is it?", "own")) == Dismissed(
        utterance="u3-10000", stream=3, reason="own voice"
    )


@pytest.mark.parametrize("phrase", ["Hey Omni,", "hey omny", "Hey, Omni.", "hey on me", "Hay omni"])
def test_the_wake_phrase_opens_an_ambient_question(phrase):
    question = judge(spoken(f"{phrase} what did she say?", "ambient"))
    assert isinstance(question, Question)
    assert question.text == "what did she say?"


def test_without_the_wake_phrase_strangers_are_not_answered():
    dismissed = judge(spoken("What did she say?", "ambient"))
    assert dismissed == Dismissed(utterance="u3-10000", stream=3, reason="no wake phrase")


@pytest.mark.parametrize(
    "text",
    [
        "hey honey what is it",
        "hey Tony",
        "hey Amy, look",
        "hey, on my way home",
        "he on me",
        "omni",
    ],
)
def test_what_only_resembles_the_wake_phrase(text):
    assert find_wake(text, ("hey omni",)) is None


def test_other_wake_phrases():
    assert find_wake("okay computer, what now", ("hey omni", "okay computer")) == (0, 13)
    assert find_wake("你好小欧，几点了", ("你好小欧",)) == (0, 4)
    assert find_wake("hey omni", ()) is None


@pytest.mark.parametrize(("gap_s", "passes"), [(1.0, True), (8.0, True), (8.5, False)])
def test_a_wake_phrase_alone_opens_the_next_words(gap_s, passes):
    gate = Gate()
    alone = judge(spoken("Hey Omni.", "ambient", at_s=10), gate)
    assert alone == Dismissed(utterance="u3-10000", stream=3, reason="wake phrase alone")
    # Stream time counts from where the wake phrase ended, at 12 s.
    follow = judge(spoken("the keys", "ambient", at_s=12 + gap_s), gate)
    assert isinstance(follow, Question) is passes
    again = judge(spoken("and the door", "ambient", at_s=13 + gap_s), gate)
    assert isinstance(again, Dismissed)


def test_a_murmur_does_not_use_up_the_wake_phrase():
    gate = Gate()
    judge(spoken("hey omni", "ambient", at_s=10), gate)
    assert isinstance(judge(spoken("um", "ambient", at_s=13), gate), Dismissed)
    assert isinstance(judge(spoken("the keys", "ambient", at_s=15), gate), Question)


def test_a_wake_phrase_is_for_its_own_stream_and_epoch():
    gate = Gate()
    judge(spoken("hey omni", "ambient", at_s=10), gate)
    other = Utterance(
        id="u4-13000", stream=4, start_ns=13 * S, end_ns=14 * S, text="the keys", voice="ambient"
    )
    assert isinstance(judge(other, gate), Dismissed)
    started = StreamStarted(
        stream=3,
        name="door",
        epoch=2,
        at_ns=12 * S,
        wall_ns=0,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=False,
        has_audio=True,
        live=True,
        source="x",
    )
    assert list(gate.push(started, Cancel())) == []
    assert isinstance(judge(spoken("the keys", "ambient", at_s=13), gate), Dismissed)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("what did she say", "past"),
        ("what is on the screen", "past"),
        ("what is on the screen now?", "present"),
        ("what do you see", "present"),
        ("what is happening", "present"),
        ("who is currently there", "present"),
        ("what was on the screen and what is on it now", "both"),
        ("now, what did she say", "past"),
        ("what has been said up to now", "past"),
        ("现在屏幕上是什么", "present"),
        ("What is this?", "present"),
        ("what's this", "present"),
        ("What colour is this?", "present"),
        ("what kind of tree is this?", "present"),
        ("Where is this?", "present"),
        ("How many are there?", "present"),
        ("How many cups are there?", "present"),
        ("这是什么？", "present"),
        ("what is this about?", "past"),
        ("what is this thing that she showed?", "past"),
        ("how many cups were there?", "past"),
        ("how many are there in the film?", "past"),
    ],
)
def test_needs(text, needs):
    assert needs_of(text) == needs


@given(st.text(max_size=60), st.sampled_from(["user", "ambient", "own"]), st.booleans())
def test_exactly_one_verdict_for_anything(text, voice, typed):
    utterance = Utterance(
        id="u1-0", stream=1, start_ns=0, end_ns=1, text=text, voice=voice, typed=typed
    )
    gate = Gate(GateConfig())
    first, second = judge(utterance, gate), judge(utterance, Gate())
    assert first == second
    if isinstance(first, Question):
        assert first.text.strip()
        assert first.turn_id
    else:
        assert len(first.reason.split()) <= 3


def test_another_wake_phrase_holds_from_the_next_utterance_on():
    gate = Gate(GateConfig())
    said = spoken("Hey robot, what did she say?", "ambient")
    assert isinstance(next(gate.push(said, Cancel())), Dismissed)
    gate.configure(GateConfig(wake_phrases=("hey robot",)))
    assert isinstance(next(gate.push(said, Cancel())), Question)
