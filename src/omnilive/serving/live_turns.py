"""The open turns of a live conversation: what was asked, and when its answer is over.

An answer is over when it has ended in writing and its listener has heard the last of its sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from omnilive.events import AnswerEnded, Heard
from omnilive.serving.playout import HeardAmount, Playout

_NS_PER_MS = 1_000_000


@dataclass(slots=True)
class LiveTurn:
    """One open turn.

    Attributes:
        turn_id: its id.
        asked_ns: monotonic time of its question.
        spoken: whether its answer is to be heard.
        ended: its end in writing.
        amount: how much was heard when it was cut or held.
        was_cut: whether it was cut.
        silent_ns: monotonic time since when nothing more of it goes out.
    """

    turn_id: str
    asked_ns: int
    spoken: bool
    ended: AnswerEnded | None = None
    amount: HeardAmount | None = None
    was_cut: bool = False
    silent_ns: int | None = None


class Over(NamedTuple):
    """A turn that is over, and how much of it was heard, if it was to be heard."""

    turn_id: str
    heard: Heard | None


class LiveTurns:
    """For one thread at a time; times are monotonic nanoseconds."""

    def __init__(self, playout: Playout) -> None:
        self._playout = playout
        self._open: dict[str, LiveTurn] = {}

    def __len__(self) -> int:
        return len(self._open)

    def ids(self) -> list[str]:
        """Return the open turns, oldest first."""
        return list(self._open)

    def uncut(self) -> list[str]:
        """Return the open turns that were not cut, oldest first."""
        return [turn.turn_id for turn in self._open.values() if not turn.was_cut]

    def open(self, turn_id: str, now_ns: int, *, spoken: bool) -> None:
        """Open a turn; one that is open stays as it is."""
        if turn_id not in self._open:
            self._open[turn_id] = LiveTurn(turn_id, now_ns, spoken)

    def drop(self, turn_id: str) -> None:
        """Forget a turn that became no question."""
        self._open.pop(turn_id, None)

    def ended(self, event: AnswerEnded, now_ns: int) -> int:
        """Note the end in writing; returns how many milliseconds that took."""
        turn = self._open.get(event.turn_id)
        if turn is None:
            return 0
        turn.ended = event
        return max(0, (now_ns - turn.asked_ns) // _NS_PER_MS)

    def hold(self, turn_id: str, behind_ms: float) -> None:
        """Note how much was heard when the sound stopped."""
        turn = self._open.get(turn_id)
        if turn is not None:
            turn.amount = self._playout.heard(turn_id, behind_ms)

    def resume(self, turn_id: str) -> None:
        """The sound goes on."""
        turn = self._open.get(turn_id)
        if turn is not None and not turn.was_cut:
            turn.amount = None

    def cut(self, turn_id: str, behind_ms: float) -> None:
        """Cut a turn's sound for good; what was heard before stands."""
        turn = self._open.get(turn_id)
        if turn is not None and not turn.was_cut:
            turn.was_cut = True
            if turn.amount is None:
                turn.amount = self._playout.heard(turn_id, behind_ms)
        self._playout.flush(turn_id)

    def over(self, now_ns: int, behind_ms: float) -> list[Over]:
        """Return the turns that are over now, and forget them."""
        gone: list[Over] = []
        for turn in list(self._open.values()):
            if turn.ended is None or not self._playout.is_over(turn.turn_id):
                turn.silent_ns = None
                continue
            if turn.silent_ns is None:
                turn.silent_ns = now_ns
            amount = turn.amount or self._playout.heard(turn.turn_id)
            waits_ms = behind_ms if turn.spoken and not turn.was_cut and amount.played_ms else 0
            if now_ns - turn.silent_ns < waits_ms * _NS_PER_MS:
                continue
            del self._open[turn.turn_id]
            gone.append(Over(turn.turn_id, _heard(turn, amount)))
        return gone


def _heard(turn: LiveTurn, amount: HeardAmount) -> Heard | None:
    if not turn.spoken or turn.ended is None or not turn.ended.text:
        return None
    return Heard(
        turn_id=turn.turn_id,
        text=amount.text,
        played_ms=amount.played_ms,
        complete=amount.complete and not turn.was_cut,
    )
