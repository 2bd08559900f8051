"""Who has the floor: every cell of the table, and dialogues on virtual time."""

from __future__ import annotations

import pytest

from omnilive.events import (
    Dismissed,
    Event,
    PartialUtterance,
    Question,
    SpeechEnded,
    SpeechStarted,
    Utterance,
    Voice,
)
from omnilive.serving.floor import TABLE, Act, Action, Floor, FloorRules, Input, State

MS = 1_000_000
HOLD, RESUME, CUT = Action.HOLD, Action.RESUME, Action.INTERRUPT
SPEAKING = (State.THINKING, State.SPOKEN_ON, State.ANSWERING, State.HELD)


class Room:
    """A floor, and a clock that only moves when told to; times are milliseconds."""

    def __init__(self, rules: FloorRules | None = None) -> None:
        self.floor = Floor(rules)
        self.now_ms = 0
        self.begun_ms = 0
        self.acts: list[Act] = []

    @property
    def state(self) -> State:
        return self.floor.state

    def wait(self, ms: int) -> None:
        for _ in range(ms // 10):
            self.now_ms += 10
            self.acts += self.floor.passed(self.now_ms * MS)

    def take(self, event: Event) -> list[Action]:
        acts = self.floor.take(event, self.now_ms * MS)
        self.acts += acts
        return [act.action for act in acts]

    def voice(self, voice: Voice = "user") -> list[Action]:
        self.begun_ms = self.now_ms
        return self.take(SpeechStarted(stream=1, at_ns=self.now_ms * MS, voice=voice))

    def partial(
        self, text: str = "", voice: Voice = "user", *, settled: bool = False
    ) -> list[Action]:
        return self.take(
            PartialUtterance(
                id=f"u1-{self.begun_ms}",
                stream=1,
                start_ns=self.begun_ms * MS,
                end_ns=self.now_ms * MS,
                text=text,
                voice=voice,
                settled=settled,
            )
        )

    def silence(self, text: str = "", voice: Voice = "user") -> list[Action]:
        """The voice ends; what it said is settled."""
        done = self.take(
            SpeechEnded(stream=1, start_ns=self.begun_ms * MS, at_ns=self.now_ms * MS, voice=voice)
        )
        return done + self.partial(text, voice, settled=True)

    def utterance(self, text: str, voice: Voice = "user") -> list[Action]:
        return self.take(
            Utterance(
                id=f"u1-{self.begun_ms}",
                stream=1,
                start_ns=self.begun_ms * MS,
                end_ns=self.now_ms * MS,
                text=text,
                voice=voice,
            )
        )

    def question(self, turn: str) -> list[Action]:
        return self.take(Question(turn_id=turn, text="Where is it?", needs="past", stream=1))

    def dismissed(self) -> list[Action]:
        return self.take(Dismissed(utterance=f"u1-{self.begun_ms}", stream=1, reason="talk"))

    def sound(self, turn: str) -> list[Action]:
        acts = self.floor.sounding(turn, self.now_ms * MS)
        self.acts += acts
        return [act.action for act in acts]

    def over(self, turn: str) -> list[Action]:
        acts = self.floor.over(turn, self.now_ms * MS)
        self.acts += acts
        return [act.action for act in acts]

    def ask_aloud(self, turn: str) -> None:
        self.voice()
        self.wait(400)
        self.partial("where is it")
        self.wait(600)
        self.silence("Where is it?")
        self.utterance("Where is it?")
        self.question(turn)

    def answering(self, turn: str = "q1") -> None:
        self.ask_aloud(turn)
        self.wait(200)
        self.sound(turn)
        assert self.state is State.ANSWERING
        self.wait(500)


# --- the table --------------------------------------------------------------------------


def test_every_state_has_an_answer_to_every_input() -> None:
    assert set(TABLE) == {(state, given) for state in State for given in Input}


@pytest.mark.parametrize(("cell", "outcome"), TABLE.items(), ids=lambda each: str(each))
def test_rules_that_every_cell_keeps(
    cell: tuple[State, Input], outcome: tuple[State, tuple[Action, ...]]
) -> None:
    (state, given), (after, actions) = cell, outcome
    quiet = state in (State.SPOKEN_ON, State.HELD)
    # Sound is held exactly while the state says so.
    if HOLD in actions:
        assert not quiet
        assert after in (State.SPOKEN_ON, State.HELD)
    if RESUME in actions:
        assert quiet
    if quiet and after not in (State.SPOKEN_ON, State.HELD):
        assert RESUME in actions or CUT in actions
    # Only who has an answer loses it, and nobody loses it to a murmur or to time.
    if CUT in actions:
        assert state in SPEAKING or given is Input.SOUND
        assert given not in (Input.NOTHING, Input.WAITED, Input.VOICE, Input.DISMISSED, Input.OVER)
    # The stop button and a question, spoken or typed, always count.
    if state in SPEAKING and given in (Input.STOP, Input.TYPED, Input.QUESTION, Input.WORDS):
        assert CUT in actions
    if given in (Input.TYPED, Input.QUESTION):
        assert after is State.THINKING
    if given is Input.STOP:
        assert after not in SPEAKING


def test_what_is_shown_of_speaking_on_is_that_the_user_has_the_floor() -> None:
    assert {state.shown for state in State} == {
        "listening",
        "user",
        "thinking",
        "answering",
        "held",
    }
    assert State.SPOKEN_ON.shown == "user"


# --- dialogues --------------------------------------------------------------------------


def test_a_question_aloud_and_its_answer_to_the_end() -> None:
    room = Room()
    room.ask_aloud("q1")
    assert (room.state, room.floor.turn) == (State.THINKING, "q1")
    room.sound("q1")
    room.wait(3000)
    assert room.state is State.ANSWERING
    room.over("q1")
    assert (room.state, room.floor.turn) == (State.LISTENING, "")
    assert room.acts == []


def test_something_said_that_is_not_for_us() -> None:
    room = Room()
    room.voice()
    room.wait(900)
    room.silence("The weather is nice.")
    assert room.state is State.USER
    room.utterance("The weather is nice.")
    room.dismissed()
    assert room.state is State.LISTENING


def test_a_cough_holds_and_the_answer_goes_on() -> None:
    room = Room()
    room.answering()
    assert room.voice() == [HOLD]
    room.wait(250)
    assert room.silence("") == [RESUME]
    assert room.state is State.ANSWERING
    assert room.floor.num_resumes == 1
    assert room.floor.num_interruptions == 0


@pytest.mark.parametrize("murmur", ["mm-hm", "Yeah.", "okay", "Right, right.", "嗯嗯", "um"])
def test_a_murmur_holds_and_the_answer_goes_on(murmur: str) -> None:
    room = Room()
    room.answering()
    room.voice()
    room.wait(300)
    assert room.partial(murmur) == []
    room.wait(200)
    assert room.silence(murmur) == [RESUME]
    assert room.utterance(murmur) == []
    assert room.dismissed() == []
    assert room.state is State.ANSWERING


def test_a_long_drawn_murmur_is_still_one() -> None:
    room = Room()
    room.answering()
    room.voice()
    room.wait(900)
    assert room.partial("mm-hm") == []
    assert room.silence("mm-hm") == [RESUME]


def test_a_word_cuts_the_answer() -> None:
    room = Room()
    room.answering()
    assert room.voice() == [HOLD]
    room.wait(320)
    assert room.partial("wait") == [CUT]
    assert (room.state, room.floor.turn) == (State.USER, "")
    room.wait(600)
    room.silence("Wait, where was it before?")
    room.utterance("Wait, where was it before?")
    room.question("q2")
    assert (room.state, room.floor.turn) == (State.THINKING, "q2")
    assert room.floor.num_interruptions == 1


def test_a_voice_that_lasts_cuts_the_answer_without_a_word() -> None:
    room = Room()
    room.answering()
    room.voice()
    room.wait(690)
    assert room.partial("") == []
    room.wait(10)
    assert room.partial("") == [CUT]


def test_only_the_voice_that_is_on_counts_not_the_turn_it_belongs_to() -> None:
    room = Room()
    room.answering()
    room.voice()
    first_ms = room.begun_ms
    room.wait(200)
    room.silence("mm-hm")
    room.wait(900)
    assert room.voice() == [HOLD]
    room.begun_ms = first_ms  # the same turn goes on
    room.wait(300)
    assert room.partial("mm-hm") == []


def test_our_own_voice_never_cuts_and_holds_only_until_it_is_known() -> None:
    room = Room()
    room.answering()
    assert room.voice("own") == []
    assert room.state is State.ANSWERING
    assert room.voice("user") == [HOLD]
    room.wait(200)
    assert room.partial("at three the bell", "own") == [RESUME]
    room.wait(2000)
    assert room.partial("at three the bell rang and", "own") == []
    assert room.silence("at three the bell rang and", "own") == []
    assert room.utterance("at three the bell rang and", "own") == []
    assert room.state is State.ANSWERING
    assert room.floor.num_interruptions == 0


def test_after_an_answer_the_echo_that_still_sounds_does_not_have_the_floor() -> None:
    room = Room()
    room.answering()
    room.voice("user")
    room.wait(200)
    room.partial("at three the bell", "own")
    room.wait(200)
    room.over("q1")
    assert room.state is State.LISTENING


def test_strangers_neither_hold_nor_cut_but_their_question_counts() -> None:
    room = Room()
    room.answering()
    assert room.voice("ambient") == []
    room.wait(1500)
    assert room.utterance("and then he said", "ambient") == []
    assert room.state is State.ANSWERING
    assert room.question("q2") == [CUT]
    assert (room.state, room.floor.turn) == (State.THINKING, "q2")
    assert room.acts == [Act(CUT, "q1")]


def test_the_stop_button_in_every_state() -> None:
    room = Room()
    for prepare in (
        lambda: room.ask_aloud("q1"),
        lambda: room.answering("q2"),
        lambda: (room.answering("q3"), room.voice()),
    ):
        prepare()
        acts = room.floor.stop(room.now_ms * MS)
        assert [act.action for act in acts] == [CUT]
        assert room.floor.turn == ""
        room.silence("")
        assert room.state is State.LISTENING
    assert room.floor.num_interruptions == 0  # those are voices


def test_two_interruptions_one_after_the_other() -> None:
    room = Room()
    room.answering("q1")
    room.voice()
    room.wait(400)
    assert room.partial("no I meant") == [CUT]
    room.silence("No, I meant the other one.")
    room.utterance("Where is the other one?")
    room.question("q2")
    room.sound("q2")
    room.wait(300)
    assert room.voice() == [HOLD]
    room.wait(400)
    assert room.partial("no the third") == [CUT]
    assert [act.turn for act in room.acts] == ["q1", "q1", "q2", "q2"]
    assert room.floor.num_interruptions == 2


def test_speaking_on_while_it_thinks_cuts_the_answer_that_was_not_spoken() -> None:
    room = Room()
    room.ask_aloud("q1")
    assert room.voice() == [HOLD]
    assert room.state is State.SPOKEN_ON
    assert room.sound("q1") == []  # nothing begins to sound meanwhile
    room.wait(300)
    assert room.partial("and when") == [CUT]
    room.silence("And when was it?")
    room.utterance("And when was it?")
    room.question("q2")
    assert (room.state, room.floor.turn) == (State.THINKING, "q2")


def test_a_cough_while_it_thinks_only_delays() -> None:
    room = Room()
    room.ask_aloud("q1")
    room.voice()
    room.wait(200)
    assert room.silence("") == [RESUME]
    assert (room.state, room.floor.turn) == (State.THINKING, "q1")
    room.sound("q1")
    assert room.state is State.ANSWERING


def test_a_voice_that_began_before_the_question_was_known_has_the_floor() -> None:
    room = Room()
    room.voice()
    room.wait(800)
    room.silence("Where is it?")
    room.utterance("Where is it?")
    room.voice()  # the user speaks on before the gate has decided
    assert room.question("q1") == [HOLD]
    assert room.state is State.SPOKEN_ON
    room.wait(300)
    assert room.partial("I mean the hotel") == [CUT]


def test_the_answer_ends_while_it_is_held() -> None:
    room = Room()
    room.answering()
    room.voice()
    assert room.over("q1") == [RESUME]
    assert room.state is State.USER
    room.silence("")
    assert room.state is State.LISTENING


def test_a_recogniser_that_never_answers_is_not_waited_for() -> None:
    room = Room()
    room.answering()
    room.voice()
    room.wait(300)
    room.take(
        SpeechEnded(stream=1, start_ns=room.begun_ms * MS, at_ns=room.now_ms * MS, voice="user")
    )
    room.wait(1990)
    assert room.state is State.HELD
    room.wait(20)
    assert room.state is State.ANSWERING
    assert room.acts[-1] == Act(RESUME, "q1")
    # Words that come late still count.
    assert room.utterance("Stop talking.") == [CUT]


def test_a_turn_that_is_never_decided_ends_by_time() -> None:
    room = Room()
    room.voice()
    room.wait(500)
    room.silence("Where is")
    room.wait(10_010)
    assert room.state is State.LISTENING


def test_a_long_speech_keeps_the_floor() -> None:
    room = Room()
    room.voice()
    for _ in range(60):
        room.wait(500)
        room.partial("and so on and so on")
    assert room.state is State.USER


def test_typed_cuts_what_is_said_and_is_answered_whoever_speaks() -> None:
    room = Room()
    room.answering("q1")
    room.voice()
    acts = room.floor.typed("t1", room.now_ms * MS)
    assert acts == [Act(CUT, "q1")]
    assert (room.state, room.floor.turn) == (State.THINKING, "t1")
    room.wait(900)
    assert room.partial("they say that") == []
    assert room.question("t1") == []  # the gate passed it
    assert room.sound("t1") == []
    assert room.state is State.ANSWERING
    room.wait(500)
    assert room.partial("they say that it was") == []  # the same talk still goes on
    assert room.silence("They say that it was.") == []
    room.wait(500)
    assert room.voice() == [HOLD]  # but who speaks up now is heard
    room.wait(300)
    assert room.partial("stop it") == [CUT]


def test_a_voice_while_a_typed_question_is_thought_about_does_not_touch_it() -> None:
    room = Room()
    room.floor.typed("t1", 0)
    assert room.voice() == []
    room.wait(800)
    assert room.partial("blah blah blah") == []
    assert room.silence("Blah blah blah.") == []
    assert room.utterance("Blah blah blah.") == []
    assert room.state is State.THINKING


def test_a_typed_text_that_is_no_question_frees_the_floor() -> None:
    room = Room()
    room.floor.typed("t1", 0)
    room.take(Dismissed(utterance="t1", stream=0, reason="empty"))
    assert room.state is State.LISTENING


def test_after_several_false_holds_only_words_stop_an_answer() -> None:
    room = Room(FloorRules(max_holds=2))
    room.answering()
    for _ in range(2):
        assert room.voice() == [HOLD]
        room.wait(100)
        assert room.silence("") == [RESUME]
        room.wait(300)
    assert room.voice() == []
    room.wait(300)
    assert room.partial("enough") == [CUT]
    # The next answer is held again.
    room.silence("Enough.")
    room.dismissed()
    room.answering("q2")
    assert room.voice() == [HOLD]


def test_a_follow_up_of_the_same_turn_changes_nothing() -> None:
    room = Room()
    room.ask_aloud("q1")
    room.sound("q1")
    assert room.question("q1") == []
    assert room.state is State.ANSWERING


def test_who_is_gone_holds_nothing() -> None:
    room = Room()
    room.answering()
    room.voice()
    acts = room.floor.gone(room.now_ms * MS)
    assert [act.action for act in acts] == [RESUME]
    assert room.state is State.ANSWERING
