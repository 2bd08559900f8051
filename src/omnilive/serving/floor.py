"""Who has the floor: one table, and the functions that turn what happens into its inputs.

Barge-in has two steps. A confirmed voice holds the answer: the sound stops, nothing is thrown
away. Only a word that is no murmur, or a voice that lasts, cuts it; if it was nothing (a cough,
an "mm-hm", our own echo, or no word in time), the answer goes on from the start of its phrase.
Voices of strangers and our own voice never hold; a question that passed the gate always counts,
and so do the stop button and what is typed.

Pure: time comes with every call, so dialogues of a minute are tested in a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from omnilive.events import (
    Dismissed,
    Event,
    PartialUtterance,
    Question,
    SpeechEnded,
    SpeechStarted,
    Utterance,
)
from omnilive.reasoning.instruction import is_murmur

_NS_PER_MS = 1_000_000


class State(StrEnum):
    """Who may speak."""

    LISTENING = "listening"  # nobody speaks
    USER = "user"  # the user speaks, or it is not decided yet what it was
    THINKING = "thinking"  # a question is being answered, nothing has sounded
    SPOKEN_ON = "spoken on"  # as THINKING, but there is a voice: no sound may begin
    ANSWERING = "answering"  # the answer sounds
    HELD = "held"  # the answer is held: there is a voice

    @property
    def shown(self) -> str:
        """The state's name in messages: who speaks on has the floor."""
        return "user" if self is State.SPOKEN_ON else self.value


class Input(StrEnum):
    """What can happen."""

    VOICE = "voice"  # a user's voice began
    NOTHING = "nothing"  # it brought no words, a murmur, or was our own
    WORDS = "words"  # it brought a word
    LASTS = "lasts"  # it goes on
    QUESTION = "question"  # something said was for us
    TYPED = "typed"  # a question in writing
    DISMISSED = "dismissed"  # something said was not for us
    SOUND = "sound"  # the answer's sound goes out
    OVER = "over"  # the answer has ended and its sound was heard
    STOP = "stop"  # the stop button
    WAITED = "waited"  # nothing of this came in time


class Action(StrEnum):
    """What is to be done."""

    HOLD = "hold"
    RESUME = "resume"
    INTERRUPT = "interrupt"


class Act(NamedTuple):
    """An action and the turn it is about."""

    action: Action
    turn: str


_L, _U, _T = State.LISTENING, State.USER, State.THINKING
_S, _A, _H = State.SPOKEN_ON, State.ANSWERING, State.HELD
_HOLD, _RESUME, _CUT = (Action.HOLD,), (Action.RESUME,), (Action.INTERRUPT,)

TABLE: dict[tuple[State, Input], tuple[State, tuple[Action, ...]]] = {
    (_L, Input.VOICE): (_U, ()),
    (_L, Input.NOTHING): (_L, ()),
    (_L, Input.WORDS): (_U, ()),
    (_L, Input.LASTS): (_U, ()),
    (_L, Input.QUESTION): (_T, ()),
    (_L, Input.TYPED): (_T, ()),
    (_L, Input.DISMISSED): (_L, ()),
    (_L, Input.SOUND): (_A, ()),
    (_L, Input.OVER): (_L, ()),
    (_L, Input.STOP): (_L, ()),
    (_L, Input.WAITED): (_L, ()),
    #
    (_U, Input.VOICE): (_U, ()),
    (_U, Input.NOTHING): (_L, ()),
    (_U, Input.WORDS): (_U, ()),
    (_U, Input.LASTS): (_U, ()),
    (_U, Input.QUESTION): (_T, ()),
    (_U, Input.TYPED): (_T, ()),
    (_U, Input.DISMISSED): (_L, ()),
    (_U, Input.SOUND): (_U, _CUT),  # nothing speaks over the user
    (_U, Input.OVER): (_U, ()),
    (_U, Input.STOP): (_U, ()),
    (_U, Input.WAITED): (_L, ()),
    #
    (_T, Input.VOICE): (_S, _HOLD),
    (_T, Input.NOTHING): (_T, ()),
    (_T, Input.WORDS): (_U, _CUT),  # the user goes on: the words so far count with the new ones
    (_T, Input.LASTS): (_U, _CUT),
    (_T, Input.QUESTION): (_T, _CUT),
    (_T, Input.TYPED): (_T, _CUT),
    (_T, Input.DISMISSED): (_T, ()),
    (_T, Input.SOUND): (_A, ()),
    (_T, Input.OVER): (_L, ()),
    (_T, Input.STOP): (_L, _CUT),
    (_T, Input.WAITED): (_T, ()),
    #
    (_S, Input.VOICE): (_S, ()),
    (_S, Input.NOTHING): (_T, _RESUME),
    (_S, Input.WORDS): (_U, _CUT),
    (_S, Input.LASTS): (_U, _CUT),
    (_S, Input.QUESTION): (_T, _CUT),
    (_S, Input.TYPED): (_T, _CUT),
    (_S, Input.DISMISSED): (_S, ()),
    (_S, Input.SOUND): (_S, ()),
    (_S, Input.OVER): (_U, _RESUME),
    (_S, Input.STOP): (_U, _CUT),
    (_S, Input.WAITED): (_T, _RESUME),
    #
    (_A, Input.VOICE): (_H, _HOLD),
    (_A, Input.NOTHING): (_A, ()),
    (_A, Input.WORDS): (_U, _CUT),
    (_A, Input.LASTS): (_U, _CUT),
    (_A, Input.QUESTION): (_T, _CUT),
    (_A, Input.TYPED): (_T, _CUT),
    (_A, Input.DISMISSED): (_A, ()),
    (_A, Input.SOUND): (_A, ()),
    (_A, Input.OVER): (_L, ()),
    (_A, Input.STOP): (_L, _CUT),
    (_A, Input.WAITED): (_A, ()),
    #
    (_H, Input.VOICE): (_H, ()),
    (_H, Input.NOTHING): (_A, _RESUME),
    (_H, Input.WORDS): (_U, _CUT),
    (_H, Input.LASTS): (_U, _CUT),
    (_H, Input.QUESTION): (_T, _CUT),
    (_H, Input.TYPED): (_T, _CUT),
    (_H, Input.DISMISSED): (_H, ()),
    (_H, Input.SOUND): (_H, ()),  # the last 5 ms fade out
    (_H, Input.OVER): (_U, _RESUME),
    (_H, Input.STOP): (_U, _CUT),
    (_H, Input.WAITED): (_A, _RESUME),
}

_WITH_TURN = (State.THINKING, State.SPOKEN_ON, State.ANSWERING, State.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRules:
    """The times of the table, in nanoseconds; see `omnilive.system.LiveConfig`."""

    interrupt_ns: int = 700 * _NS_PER_MS
    held_most_ns: int = 2000 * _NS_PER_MS
    undecided_ns: int = 10_000 * _NS_PER_MS
    max_holds: int = 3


class Floor:
    """Follows one conversation through the table."""

    def __init__(self, rules: FloorRules | None = None) -> None:
        self.rules = rules or FloorRules()
        self.state = State.LISTENING
        self.turn = ""
        self.num_resumes = 0  # holds that were nothing
        self.num_interruptions = 0  # answers that a voice cut
        self._typed = False
        self._holds = 0  # of this turn
        self._voice_on = False
        self._voice_ns = 0  # stream time at which the newest voice began
        self._deaf_ns = -1  # voices that began up to here do not touch the typed turn
        self._due_ns: int | None = None  # when WAITED comes

    # --- what happens --------------------------------------------------------------------

    def take(self, event: Event, now_ns: int) -> list[Act]:
        """Follow an event; `now_ns` never runs backwards."""
        acts: list[Act] = []
        for given, turn in self._inputs(event):
            acts += self._follow(given, now_ns, turn)
        if isinstance(event, SpeechStarted | SpeechEnded | PartialUtterance):
            self._set_due(now_ns)
        return acts

    def typed(self, turn: str, now_ns: int) -> list[Act]:
        """A question was asked in writing; it opens `turn`."""
        return self._follow(Input.TYPED, now_ns, turn)

    def sounding(self, turn: str, now_ns: int) -> list[Act]:
        """A piece of the answer to `turn` went out."""
        if self.state in (State.ANSWERING, State.HELD) and turn == self.turn:
            return []
        return self._follow(Input.SOUND, now_ns, turn)

    def over(self, turn: str, now_ns: int) -> list[Act]:
        """The answer to `turn` has ended and its sound was heard."""
        return self._follow(Input.OVER, now_ns) if turn == self.turn else []

    def stop(self, now_ns: int) -> list[Act]:
        """The stop button was pressed."""
        return self._follow(Input.STOP, now_ns)

    def gone(self, now_ns: int) -> list[Act]:
        """Whoever spoke is gone: no voice is on any more, nothing is held for it."""
        self._voice_on = False
        return self._follow(Input.NOTHING, now_ns)

    def passed(self, now_ns: int) -> list[Act]:
        """Let time pass."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        self._voice_on = False
        return self._follow(Input.WAITED, now_ns)

    @property
    def due_ns(self) -> int | None:
        """When `passed` will do something; None if nothing is waited for."""
        return self._due_ns

    # --- from events to inputs -----------------------------------------------------------

    def _inputs(self, event: Event) -> Iterator[tuple[Input, str]]:
        match event:
            case SpeechStarted(voice="user"):
                self._voice_on, self._voice_ns = True, event.at_ns
                if self._typed and self.state is State.THINKING:
                    self._deaf_ns = event.at_ns  # what is typed is answered, whoever speaks
                elif not (self.state is State.ANSWERING and self._holds >= self.rules.max_holds):
                    yield Input.VOICE, ""
            case SpeechEnded(voice="user"):
                self._voice_on = False
            case SpeechEnded(voice="own"):
                self._voice_on = False
                yield Input.NOTHING, ""
            case PartialUtterance() | Utterance():
                given = self._said(event)
                if given is not None:
                    yield given, ""
            case Question() if event.turn_id != self.turn:
                yield Input.QUESTION, event.turn_id
            case Dismissed():
                ours = event.utterance == self.turn
                yield (Input.OVER if ours else Input.DISMISSED), ""
            case _:
                pass

    def _said(self, said: PartialUtterance | Utterance) -> Input | None:
        if said.voice == "own":
            self._voice_on = False  # it is ours, whatever it was taken for when it began
            return Input.NOTHING
        if said.voice != "user" or isinstance(said, Utterance) and said.typed:
            return None
        if self._typed and (self.state is State.THINKING or said.start_ns <= self._deaf_ns):
            return None
        murmur = is_murmur(said.text)
        if not murmur:
            return Input.WORDS
        if isinstance(said, Utterance) or said.settled:
            return Input.NOTHING
        # Known murmurs may be drawn out; a voice of which nothing is known may not.
        most_ns = self.rules.interrupt_ns * (2 if said.text.strip() else 1)
        lasts_ns = said.end_ns - max(said.start_ns, self._voice_ns)
        return Input.LASTS if lasts_ns >= most_ns else None

    # --- the table -----------------------------------------------------------------------

    def _follow(self, given: Input, now_ns: int, turn: str = "") -> list[Act]:
        before = self.state
        self.state, actions = TABLE[before, given]
        acts = [Act(action, turn if given is Input.SOUND else self.turn) for action in actions]
        if Action.INTERRUPT in actions and given in (Input.WORDS, Input.LASTS):
            self.num_interruptions += 1
        self.num_resumes += Action.RESUME in actions and given is not Input.OVER
        self._holds += Action.HOLD in actions
        if given in (Input.QUESTION, Input.TYPED, Input.SOUND) and self.state in _WITH_TURN:
            self._open(turn, typed=given is Input.TYPED)
        elif self.state not in _WITH_TURN:
            self._open("", typed=False)
        if self.state is not before or given is Input.VOICE:
            self._set_due(now_ns)
        # A voice that began before this was decided is still on: it has the floor.
        if self._voice_on and (
            self.state is State.LISTENING
            or (self.state is State.THINKING and given is Input.QUESTION)
        ):
            acts += self._follow(Input.VOICE, now_ns)
        return acts

    def _open(self, turn: str, *, typed: bool) -> None:
        if turn == self.turn:
            return
        self.turn, self._typed, self._holds = turn, typed, 0
        self._deaf_ns = self._voice_ns if typed else -1

    def _set_due(self, now_ns: int) -> None:
        if self.state in (State.HELD, State.SPOKEN_ON):
            self._due_ns = now_ns + self.rules.held_most_ns
        elif self.state is State.USER:
            self._due_ns = now_ns + self.rules.undecided_ns
        else:
            self._due_ns = None
