"""What a conversation does when something happens: asks the floor, moves the sound, tells the page.

What stops sound is done and told before anything else. Everything here is called by one thread at
a time (the conversation's lock) and never waits.
"""

from __future__ import annotations

from collections.abc import Callable

from omnilive.clock import Clock
from omnilive.events import (
    NS_PER_S,
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Dismissed,
    Event,
    Hold,
    Interruption,
    PartialUtterance,
    Question,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Utterance,
)
from omnilive.serving.client import ClientKind
from omnilive.serving.floor import Act, Action, Floor, FloorRules, State
from omnilive.serving.live_turns import LiveTurns
from omnilive.serving.messages import Messages, Playback
from omnilive.serving.own_sound import OwnSound
from omnilive.serving.playout import Playout, Taken
from omnilive.serving.session import Session
from omnilive.serving.stopwatch import Stopwatch
from omnilive.serving.wire import Json

# How far the listener is behind what was taken, until the client has said.
_BEHIND_MS: dict[ClientKind, float] = {"webrtc": 150.0, "websocket": 200.0, "terminal": 50.0}
_MOST_BEHIND_MS = 5000.0
_GAP_NS = NS_PER_S
_MOST_LATENCIES = 256

Latency = tuple[dict[str, int], int]


class Talk:
    """The dialogue of one conversation.

    Args:
        session: what perceives, remembers and answers.
        playout: where answers are spoken into.
        rules: the times of the floor.
        clock: monotonic time.
        send: takes messages for the page.
        nobody: returns the sentence that a gap without a client gives.
    """

    def __init__(
        self,
        session: Session,
        playout: Playout,
        rules: FloorRules,
        clock: Clock,
        send: Callable[[Json], None],
        nobody: Callable[[], str],
    ) -> None:
        self.floor = Floor(rules)
        self.latencies: list[Latency] = []
        self.playback: Playback | None = None
        self.kind: ClientKind | None = None
        self.is_audible = False
        self.epoch: StreamStarted | None = None
        self._session = session
        self._playout = playout
        self._clock = clock
        self._send = send
        self._nobody = nobody
        self._messages = Messages()
        self._turns = LiveTurns(playout)
        self._stopwatch = Stopwatch()
        self._own_sound = OwnSound()
        self._shown = ("", "")
        self._told_hold = False
        self._ended_ns: int | None = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody speaks or is waited for, so that time matters."""
        return len(self._turns) > 0 or self.floor.due_ns is not None

    # --- what happens --------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Follow an event of the session."""
        now_ns = self._clock.monotonic_ns()
        self._before(event, now_ns)
        self._perform(self.floor.take(event, now_ns))
        took_ms = self._turns.ended(event, now_ns) if isinstance(event, AnswerEnded) else 0
        # An interruption was told when it was decided, before it came to pass.
        if not isinstance(event, Interruption):
            message = self._messages.message(event, took_ms=took_ms)
            if message is not None:
                self._send(message)
        self._after(event, now_ns)

    def pass_time(self) -> None:
        """See what is due."""
        now_ns = self._clock.monotonic_ns()
        self._perform(self.floor.passed(now_ns))
        for turn_id, heard in self._turns.over(now_ns, self.behind_ms):
            if heard is not None:
                self._session.feed(heard)
            self._perform(self.floor.over(turn_id, now_ns))

    def typed(self, turn: str) -> None:
        """A question in writing opens `turn` and cuts what is being said."""
        now_ns = self._clock.monotonic_ns()
        self._perform(self.floor.typed(turn, now_ns))
        self._open(turn, now_ns)
        self._stopwatch.typed(turn, now_ns)

    def refused(self, turn: str) -> None:
        """The question of `turn` could not be asked."""
        self._turns.drop(turn)
        self._perform(self.floor.over(turn, self._clock.monotonic_ns()))

    def stop(self) -> None:
        """The stop button: cut every answer."""
        self._perform(self.floor.stop(self._clock.monotonic_ns()))
        for turn in self._turns.uncut():
            self._cut(turn)

    def taken(self, piece: Taken, position_ns: int) -> None:
        """A piece of sound goes out, at stream time `position_ns`."""
        if self.epoch is not None:
            own = self._own_sound.take(piece, self.epoch.stream, position_ns)
            if own is not None:
                self._session.feed(own)
        if not piece.turn_id or piece.turn_id != self.floor.turn:
            return
        now_ns = self._clock.monotonic_ns()
        self._perform(self.floor.sounding(piece.turn_id, now_ns))
        if piece.text:
            self._send(
                {
                    "event": "speaking",
                    "turn": piece.turn_id,
                    "phrase": piece.phrase,
                    "text": piece.text,
                    # Each transport counts the samples of its own track.
                    "sample": piece.index // 2 if self.kind == "websocket" else piece.index,
                }
            )
        self._stopwatch.mark(piece.turn_id, "playout", now_ns)
        latency = self._stopwatch.read(piece.turn_id)
        if latency is not None:
            stages, total_ms = latency
            self.latencies = [*self.latencies[1 - _MOST_LATENCIES :], latency]
            self._send(
                {
                    "event": "latency",
                    "turn": piece.turn_id,
                    "stages": stages,
                    "total_ms": total_ms,
                }
            )

    def arrived(self, end_ns: int) -> None:
        """Sound up to this stream time has come."""
        self._stopwatch.arrived(end_ns, self._clock.monotonic_ns())

    def made(self, turn: str) -> None:
        """A phrase of this turn has become sound."""
        self._stopwatch.mark(turn, "synthesis", self._clock.monotonic_ns())

    def join(self, kind: ClientKind) -> None:
        """A client is there."""
        self.kind, self.playback = kind, None
        self._shown = ("", "")
        self._tell_floor()

    def leave(self) -> None:
        """The client is gone: answers that are open stay in writing."""
        self.kind, self.playback, self.is_audible = None, None, False
        self.silence()
        self._perform(self.floor.gone(self._clock.monotonic_ns()))

    def silence(self) -> None:
        """Stop speaking; what is being answered goes on in writing."""
        for turn in self._turns.ids():
            self._turns.cut(turn, self.behind_ms)
        self._playout.resume()

    def nobody_speaks(self) -> None:
        """Whoever was speaking is not heard any more."""
        self._perform(self.floor.gone(self._clock.monotonic_ns()))

    @property
    def behind_ms(self) -> float:
        """How far the listener is behind what was taken."""
        if self.kind is None:
            return 0.0
        if self.playback is None:
            return _BEHIND_MS[self.kind]
        behind = self.playback.buffered_ms + self.playback.output_ms
        return min(max(0.0, behind), _MOST_BEHIND_MS)

    # --- behind the scenes ---------------------------------------------------------------

    def _before(self, event: Event, now_ns: int) -> None:
        """Take note of what the floor's actions need to know."""
        match event:
            case Question():
                self._stopwatch.asked(event.turn_id, event.utterance, now_ns)
            case Dismissed():
                self._turns.drop(event.utterance)
            case PartialUtterance() | Utterance():
                self._stopwatch.heard(event, now_ns)
            case AnswerStarted():
                self._stopwatch.mark(event.turn_id, "retrieval", now_ns)
            case AnswerText():
                self._stopwatch.mark(event.turn_id, "first_text", now_ns)
            case StreamStarted():
                self._stopwatch.epoch()
                self.epoch = event
            case StreamEnded():
                self.epoch, self._ended_ns = None, event.at_ns
            case _:
                pass

    def _after(self, event: Event, now_ns: int) -> None:
        if isinstance(event, Question):
            self._open(event.turn_id, now_ns)
        elif isinstance(event, StreamStarted) and self._ended_ns is not None:
            self._tell_gap(event.stream, self._ended_ns, event.at_ns)

    def _tell_gap(self, stream: int, start_ns: int, end_ns: int) -> None:
        if end_ns - start_ns < _GAP_NS:
            return
        self._tell(
            StreamGap(
                stream=stream,
                start_ns=start_ns,
                end_ns=end_ns,
                sense="both",
                reason=self._nobody(),
            )
        )

    def _open(self, turn: str, now_ns: int) -> None:
        self._turns.open(turn, now_ns, spoken=self.is_audible)
        if not self.is_audible:
            self._playout.flush(turn)  # nothing of it is spoken, whatever changes meanwhile

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            if act.action is Action.HOLD:
                self._hold(act.turn)
            elif act.action is Action.RESUME:
                self._resume(act.turn)
            else:
                self._cut(act.turn)
        self._tell_floor()

    def _hold(self, turn: str) -> None:
        behind_ms = self.behind_ms
        self._turns.hold(turn, behind_ms)
        self._playout.hold(behind_ms)
        if self.floor.state is State.HELD:
            self._told_hold = True
            self._tell(Hold(turn_id=turn))

    def _resume(self, turn: str) -> None:
        self._turns.resume(turn)
        phrase = self._playout.resume()
        if self._told_hold:
            self._told_hold = False
            self._send({"event": "resume", "turn": turn, "phrase": max(0, phrase)})

    def _cut(self, turn: str) -> None:
        self._turns.cut(turn, self.behind_ms)
        self._playout.resume()  # it was the cut turn that was held
        self._told_hold = False
        self._tell(Interruption(turn_id=turn))
        self._session.interrupt(turn)

    def _tell(self, event: Event) -> None:
        message = self._messages.message(event)
        if message is not None:
            self._send(message)

    def _tell_floor(self) -> None:
        shown = (self.floor.state.shown, self.floor.turn)
        if shown == self._shown:
            return
        self._shown = shown
        wait: Json = {}
        if self.floor.state is State.HELD:
            wait = {"wait_ms": self.floor.rules.held_most_ns // 1_000_000}
        self._send({"event": "floor", "state": shown[0], "turn": shown[1]} | wait)
