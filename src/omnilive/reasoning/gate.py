"""The gate: of everything that is said, what is a question for us.

It sits before memory, so a question spoken on a stream reaches memory only through here. What
the system says itself never passes, and what strangers say passes only after the wake phrase.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, ConfigError
from omnilive.events import (
    NS_PER_S,
    Dismissed,
    Event,
    Question,
    StreamStarted,
    UpTo,
    Utterance,
)
from omnilive.reasoning.instruction import needs_of, why_not_for_us
from omnilive.reasoning.wake import find_wake

_LOG = logging.getLogger(__name__)
_WORDLESS = ("no words", "filler", "backchannel")
_AROUND = " \t\r\n,.!?;:-\u2026\uff0c\u3002\uff01\uff1f\u3001"


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What is a question for us.

    Attributes:
        wake_phrases: what opens a question in an ambient voice, however a recogniser spells it.
        wake_window_s: after a wake phrase alone, the next words this soon are the question.
        names: by which a user's voice may call us; folded.
    """

    wake_phrases: tuple[str, ...] = ("hey omni",)
    wake_window_s: float = 8.0
    names: tuple[str, ...] = ("omni", "omnilive")

    def __post_init__(self) -> None:
        if not 0 <= self.wake_window_s <= 600:
            raise ConfigError("gate.wake_window_s must be between 0 and 600.")
        if not all(phrase.strip() for phrase in self.wake_phrases):
            raise ConfigError("A phrase of gate.wake_phrases is empty.")


class InstructionPredictor(Protocol):
    """A network that says whether an utterance is meant for it (paper, section 3.3)."""

    def instruction(self, text: str, cancel: Cancel) -> float:
        """Return the probability of "Yes", 0..1; raises `BackendError` or `Cancelled`."""
        ...


class Gate:
    """Turns every utterance into exactly one `Question` or `Dismissed`.

    Args:
        config: wake phrases and names.
        predictor: asked about what a user's voice says without the wake phrase, unless it is a mere
            murmur; None judges by rules.
        least_probability: from which on the predictor's word is a question.
    """

    accepts: tuple[type[Event], ...] = (StreamStarted, Utterance)

    def __init__(
        self,
        config: GateConfig | None = None,
        predictor: InstructionPredictor | None = None,
        least_probability: float = 0.5,
    ) -> None:
        self._config = config or GateConfig()
        self._predictor = predictor
        self._least_probability = least_probability
        self._awake_until_ns: dict[int, int] = {}

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Judge one utterance; a new epoch forgets a wake phrase that nobody followed up."""
        if isinstance(event, StreamStarted):
            self._awake_until_ns.pop(event.stream, None)
        elif isinstance(event, Utterance):
            yield self._judge(event, cancel)

    def configure(self, config: GateConfig) -> None:
        """Listen for other phrases and names from the next utterance on; in this stage's thread."""
        self._config = config

    def close(self) -> None:
        """Nothing is held."""

    def _judge(self, said: Utterance, cancel: Cancel) -> Question | Dismissed:
        if said.typed:
            return self._typed(said)
        if said.voice == "own":
            return _dismissed(said, "own voice")
        wake = find_wake(said.text, self._config.wake_phrases)
        if wake is not None:
            return self._after_wake(said, said.text[wake[1] :])
        names = tuple(name.casefold() for name in self._config.names)
        reason = why_not_for_us(said.text, names)
        if said.start_ns <= self._awake_until_ns.get(said.stream, -1):
            # We were called: anything but a noise or a murmur is meant for us.
            if reason in _WORDLESS:
                return _dismissed(said, reason)
            del self._awake_until_ns[said.stream]
            return _spoken(said, said.text.strip())
        if said.voice == "ambient":
            return _dismissed(said, "no wake phrase")
        if self._predictor is not None and reason not in (*_WORDLESS, "only the name"):
            reason = self._predicted(self._predictor, said.text, reason, cancel)
        return _dismissed(said, reason) if reason else _spoken(said, said.text.strip())

    def _predicted(
        self, predictor: InstructionPredictor, text: str, by_rules: str, cancel: Cancel
    ) -> str:
        """Why the predictor thinks that `text` is not for us, "" if it is."""
        try:
            probability = predictor.instruction(text, cancel)
        except Cancelled:
            return "cut"
        except BackendError as problem:
            _LOG.warning("Judged by rules whether an utterance is a question: %s", problem)
            return by_rules
        return "" if probability >= self._least_probability else "no instruction"

    def _typed(self, said: Utterance) -> Question | Dismissed:
        text = said.text.strip()
        wake = find_wake(text, self._config.wake_phrases)
        if wake is not None and not text[: wake[0]].strip(_AROUND):
            text = text[wake[1] :].strip().lstrip(_AROUND) or text
        if not text:
            return _dismissed(said, "empty")
        return Question(
            turn_id=said.id,
            text=text,
            needs=needs_of(text),
            up_to=said.up_to,
            scope=said.scope,
            utterance=said.id,
        )

    def _after_wake(self, said: Utterance, rest: str) -> Question | Dismissed:
        text = rest.lstrip(_AROUND).strip()
        # Whatever follows a wake phrase is for us, unless it is no words at all.
        if why_not_for_us(text, ()) in ("no words", "filler"):
            window_ns = round(self._config.wake_window_s * NS_PER_S)
            self._awake_until_ns[said.stream] = said.end_ns + window_ns
            return _dismissed(said, "wake phrase alone")
        self._awake_until_ns.pop(said.stream, None)
        return _spoken(said, text)


def _spoken(said: Utterance, text: str) -> Question:
    return Question(
        turn_id=f"q-{said.id}",
        text=text,
        needs=needs_of(text),
        # What was said or seen while the question was being spoken is not evidence for it.
        up_to=said.up_to or (UpTo(said.stream, said.start_ns),),
        scope=said.scope,
        stream=said.stream,
        utterance=said.id,
    )


def _dismissed(said: Utterance, reason: str) -> Dismissed:
    return Dismissed(utterance=said.id, stream=said.stream, reason=reason)
