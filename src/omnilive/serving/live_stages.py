"""The stages of one live conversation, and how its settings reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from omnilive.cancel import Cancel
from omnilive.events import AnswerAudio, AnswerEnded, AnswerText, Event, StreamStarted
from omnilive.perception.stage import Seeing
from omnilive.reasoning.gate import Gate
from omnilive.serving.playout import Playout
from omnilive.serving.session import Session
from omnilive.serving.settings import Settings
from omnilive.speech.stage import Speech
from omnilive.stage import Stage
from omnilive.system import Config, System


class Spoken:
    """Speech whose phrases go into the playout the moment they are made.

    While it is not `audible`, answers stay in writing.
    """

    def __init__(self, speech: Stage, playout: Playout, made: Callable[[str], None]) -> None:
        """`made` is told of the turn of every phrase, just before it can be heard."""
        self.speech = speech
        self.audible = False
        self._playout = playout
        self._made = made

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types speech wants."""
        return self.speech.accepts

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Speak; after an answer's end the playout knows that no phrase of it is to come."""
        if isinstance(event, AnswerText) and not self.audible:
            return
        try:
            for product in self.speech.push(event, cancel):
                if isinstance(product, AnswerAudio):
                    self._made(product.turn_id)
                    self._playout.put(product)
                yield product
        finally:
            if isinstance(event, AnswerEnded):
                self._playout.finish(event.turn_id)

    def close(self) -> None:
        """Release the synthesiser."""
        self.speech.close()


class LiveStages:
    """What a live conversation's session runs.

    Args:
        system: what is shared with other conversations.
        memory: the conversation's entrance to memory.
        playout: where its answers are spoken into.
        made: told of the turn of every phrase, just before it can be heard.
        shared: stages to use instead of the system's own, by name; for tests and programs.
    """

    def __init__(
        self,
        system: System,
        memory: Stage,
        playout: Playout,
        made: Callable[[str], None],
        shared: Mapping[str, Stage] | None = None,
    ) -> None:
        self._system = system
        stages = system.stages_for_session(memory, caption=True, speak=True) | dict(shared or {})
        self.spoken = Spoken(stages["speech"], playout, made)
        self.shared: dict[str, Stage] = stages | {"speech": self.spoken}
        self._perceiving: dict[int, Mapping[str, Stage]] = {}
        self._reading = True

    def stages_for(self, started: StreamStarted) -> Mapping[str, Stage]:
        """Make the stages that perceive the conversation's stream."""
        stages = self._system.stages_for(started)
        self._perceiving[started.stream] = stages
        _set_reading(stages.get("seeing"), self._system.config, self._reading)
        return stages

    def configure(self, session: Session, settings: Settings) -> None:
        """Let the stages follow the settings, each in its own thread between two events."""
        config = self._system.config
        self._reading = settings.reading
        gate, speech = self.shared["gate"], self.spoken.speech
        if isinstance(gate, Gate):
            heeds = replace(config.gate, wake_phrases=(settings.wake_phrase,))
            session.call("gate", lambda: gate.configure(heeds))
        if isinstance(speech, Speech):
            speaks = replace(config.espeak, voice=settings.voice, rate_wpm=settings.rate_wpm)
            session.call("speech", lambda: speech.configure(speaks))
        for stream, stages in self._perceiving.items():
            set_reading = partial(_set_reading, stages.get("seeing"), config, settings.reading)
            session.call(f"seeing {stream}", set_reading)


def settings_of(config: Config) -> Settings:
    """Return the settings that a conversation begins with."""
    phrases = config.gate.wake_phrases
    return Settings(
        voice=config.espeak.voice,
        rate_wpm=config.espeak.rate_wpm,
        wake_phrase=phrases[0] if phrases else Settings().wake_phrase,
        hearing=config.hearing.enabled,
        reading=config.seeing.reading.enabled,
    )


def _set_reading(seeing: Stage | None, config: Config, reading: bool) -> None:
    # What the configuration leaves out was never built, so it cannot be turned on.
    if isinstance(seeing, Seeing) and config.seeing.reading.enabled:
        wanted = replace(config.seeing.reading, enabled=reading)
        seeing.configure(replace(config.seeing, reading=wanted))
