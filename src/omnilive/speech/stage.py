"""The entrance of speech: a growing answer in, spoken phrases out.

What a reader would not guess: an interruption may come before the first words of its turn
(control events bypass mailboxes), so cut turns are remembered, a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnilive.cancel import Cancel
from omnilive.errors import ConfigError
from omnilive.events import AnswerAudio, AnswerEnded, AnswerText, Event, Interruption
from omnilive.speech.phrases import PhraseSplitter
from omnilive.speech.synthesizer import EspeakConfig, Synthesizer

_MAX_CUT_TURNS = 64


@dataclass(frozen=True, kw_only=True)
class SpeechConfig:
    """How an answer is cut into spoken phrases."""

    min_clause_chars: int = 60  # a comma ends a phrase that is at least so long
    max_phrase_chars: int = 200  # a phrase without a mark is cut here

    def __post_init__(self) -> None:
        if not 1 <= self.min_clause_chars <= self.max_phrase_chars:
            raise ConfigError("min_clause_chars must be at least 1 and at most max_phrase_chars.")


class Speech:
    """Speaks each answer phrase by phrase while it is still being written."""

    def __init__(self, synthesizer: Synthesizer, config: SpeechConfig | None = None) -> None:
        self._synthesizer = synthesizer
        self._config = config or SpeechConfig()
        self._open: dict[str, PhraseSplitter] = {}
        self._cut: dict[str, None] = {}  # used as an ordered set, oldest first

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types this stage wants."""
        return (AnswerText, AnswerEnded, Interruption)

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take a piece of an answer; yield the phrases that it completes, as sound."""
        match event:
            case AnswerText(turn_id=turn, delta=delta):
                if turn not in self._cut:
                    yield from self._speak(turn, self._splitter(turn).push(delta), cancel)
            case AnswerEnded(turn_id=turn, outcome=outcome):
                splitter = self._open.get(turn)
                if splitter is not None and turn not in self._cut and outcome == "completed":
                    yield from self._speak(turn, splitter.flush(), cancel)
                self._open.pop(turn, None)
                self._cut.pop(turn, None)
            case Interruption(turn_id=turn):
                self._end(turn)
            case _:
                pass

    def configure(self, config: EspeakConfig) -> None:
        """Speak from the next phrase on in another voice or at another rate; in its thread."""
        self._synthesizer.configure(config)

    def close(self) -> None:
        """Release the synthesiser."""
        self._open.clear()
        self._cut.clear()
        self._synthesizer.close()

    def _splitter(self, turn: str) -> PhraseSplitter:
        if turn not in self._open:
            self._open[turn] = PhraseSplitter(
                self._config.min_clause_chars, self._config.max_phrase_chars
            )
        return self._open[turn]

    def _speak(self, turn: str, phrases: list[str], cancel: Cancel) -> Iterator[AnswerAudio]:
        for phrase in phrases:
            if cancel.is_set:
                self._end(turn)
            # The turn may have been cut while the phrase before this one was being taken.
            if turn in self._cut:
                return
            sound = self._synthesizer.synthesize(phrase)
            if cancel.is_set:
                self._end(turn)
                return
            if sound.samples.size:
                yield AnswerAudio(
                    turn_id=turn,
                    text=phrase,
                    sample_rate=sound.sample_rate,
                    samples=sound.samples,
                )

    def _end(self, turn: str) -> None:
        """Forget what was to be spoken of this turn, and remember that it was cut."""
        self._open.pop(turn, None)
        self._cut[turn] = None
        while len(self._cut) > _MAX_CUT_TURNS:
            self._cut.pop(next(iter(self._cut)))
