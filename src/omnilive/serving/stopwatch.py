"""How long a turn took, stage by stage: from the end of speech to the first sound of the answer.

The marks are set where events are seen to pass, by this machine's monotonic clock; only the end
of speech is reckoned back: it is when the sample at the voice's end had come in.

    pause       the voice is silent, until that is sure and its words are known
    turn_end    until the turn is decided to be over, and its words are known
    gate        until it is known to be a question for us
    retrieval   until memory has answered
    first_text  until the answer's first words
    synthesis   until they are sound
    playout     until the first sample goes out

A stage that cannot be seen counts with the next one.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from omnilive.events import PartialUtterance, Utterance

STAGES = ("pause", "turn_end", "gate", "retrieval", "first_text", "synthesis", "playout")
_NS_PER_MS = 1_000_000
_MAX_ARRIVALS = 4096
_MAX_TURNS = 32


class Stopwatch:
    """The marks of the newest turns; times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=_MAX_ARRIVALS)
        self._voices: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._turns: OrderedDict[str, dict[str, int]] = OrderedDict()

    def arrived(self, end_ns: int, now_ns: int) -> None:
        """Sound up to stream time `end_ns` has come."""
        self._arrivals.append((end_ns, now_ns))

    def epoch(self) -> None:
        """Stream time means something else from here on."""
        self._arrivals.clear()

    def heard(self, said: PartialUtterance | Utterance, now_ns: int) -> None:
        """A voice has paused, or its turn is over."""
        marks = self._voices.setdefault(said.id, {})
        if isinstance(said, Utterance):
            marks["turn_end"] = now_ns
        elif said.settled:
            came_ns = self._came(said.end_ns)
            if came_ns is not None:
                marks["start"] = came_ns
            marks["pause"] = now_ns
        _bound(self._voices)

    def asked(self, turn: str, utterance: str, now_ns: int) -> None:
        """What was said is a question; this is its turn."""
        if turn not in self._turns:
            self._turns[turn] = dict(self._voices.pop(utterance, {})) or {"start": now_ns}
            _bound(self._turns)
        self._turns[turn].setdefault("gate", now_ns)

    def typed(self, turn: str, now_ns: int) -> None:
        """A question was written."""
        self._turns[turn] = {"start": now_ns}
        _bound(self._turns)

    def mark(self, turn: str, stage: str, now_ns: int) -> None:
        """The stage of this turn is over, for the first time."""
        marks = self._turns.get(turn)
        if marks is not None:
            marks.setdefault(stage, now_ns)

    def read(self, turn: str) -> tuple[dict[str, int], int] | None:
        """Return milliseconds by stage and in all, once, when the first sound has gone out."""
        marks = self._turns.get(turn)
        if marks is None or "playout" not in marks:
            return None
        del self._turns[turn]
        begun = [marks[name] for name in ("start", *STAGES) if name in marks][0]
        stages: dict[str, int] = {}
        before = begun
        for name in STAGES:
            if name in marks and name != "start":
                at_ns = max(before, marks[name])
                stages[name] = round((at_ns - begun) / _NS_PER_MS) - round(
                    (before - begun) / _NS_PER_MS
                )
                before = at_ns
        return stages, round((before - begun) / _NS_PER_MS)

    def _came(self, at_ns: int) -> int | None:
        """Return when the sample at stream time `at_ns` had come; None if that is not known."""
        found: int | None = None
        for end_ns, came_ns in reversed(self._arrivals):
            if end_ns < at_ns:
                return found
            found = came_ns
        return found


def _bound(marks: OrderedDict[str, dict[str, int]]) -> None:
    while len(marks) > _MAX_TURNS:
        marks.popitem(last=False)
