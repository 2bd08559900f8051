"""A client that talks with a live conversation: a microphone, a loudspeaker, a mailbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Event,
    Heard,
    Pixels,
    Retrieval,
    Samples,
)
from omnilive.media.espeak import Espeak
from omnilive.media.pushed import PushedReader
from omnilive.media.resampling import resample
from omnilive.serving.client import ClientKind
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.playout import Taken

Json = dict[str, Any]
PATIENCE_S = 120.0  # a bound that is never reached, not a promise
SPEED = 3.0  # how much faster than the world a test's world runs
_PIECE_S = 0.02
_PIECE = round(_PIECE_S * SAMPLE_RATE)


def spoken(text: str, *, rate_wpm: int = 165, voice: str = "en-us") -> Samples:
    """Return a sentence as a microphone hears it."""
    said = Espeak().synthesize(text, voice=voice, rate_wpm=rate_wpm)
    return 0.3 * resample(said.samples, said.sample_rate, SAMPLE_RATE)


def picture(number: int) -> Pixels:
    """Return a picture in which a square moves; every 400 it is another scene."""
    pixels = np.full((120, 160, 3), 40 + 80 * (number // 400 % 2), np.uint8)
    left = number % 120
    pixels[40:80, left : left + 40] = (250, 30, 30)
    return pixels


class FastClock:
    """The machine's clocks, running faster."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed
        self._start_ns, self._wall_ns = time.monotonic_ns(), time.time_ns()

    def monotonic_ns(self) -> int:
        return self._start_ns + round((time.monotonic_ns() - self._start_ns) * self._speed)

    def wall_ns(self) -> int:
        return self._wall_ns + self.monotonic_ns() - self._start_ns

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(max(0.0, seconds) / self._speed)


class LongAnswer:
    """An answerer that tells numbers, phrase by phrase, and stops when it is cut."""

    accepts: tuple[type[Event], ...] = (Retrieval, Heard)

    def __init__(self, num_phrases: int = 12, pause_s: float = 0.0) -> None:
        self.num_phrases = num_phrases
        self.pause_s = pause_s
        self.heard: list[Heard] = []
        self.retrievals: list[Retrieval] = []

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if isinstance(event, Heard):
            self.heard.append(event)
        if not isinstance(event, Retrieval):
            return
        self.retrievals.append(event)
        turn, said = event.turn_id, ""
        yield AnswerStarted(turn_id=turn, question=event.question.text)
        for number in range(self.num_phrases):
            if cancel.wait(self.pause_s) or cancel.is_set:
                break
            said += f"This is sentence number {number} of the answer. "
            yield AnswerText(
                turn_id=turn, delta=f"This is sentence number {number} of the answer. "
            )
        yield AnswerEnded(
            turn_id=turn,
            question=event.question.text,
            text=said,
            outcome="interrupted" if cancel.is_set else "completed",
            known=True,
            citations=event.hits[:3],
        )

    def close(self) -> None:
        pass


class Person:
    """Somebody at a page: listens and speaks at the pace of the world (or faster: `speed`).

    Sound goes out every 20 ms without end: hiss, and what is said. The loudspeaker takes 20 ms
    each time; what it played is kept.
    """

    def __init__(
        self,
        conversation: LiveConversation,
        *,
        kind: ClientKind = "terminal",
        listens: bool = True,
        speed: float = SPEED,
        echo: float = 0.0,
        sees: bool = False,
        hiss: float = 0.001,
    ) -> None:
        self.kind: ClientKind = kind
        self.conversation = conversation
        self.messages: list[Json] = []
        self.taken: list[Taken] = []
        self.closed = ""
        self.pushed = 0
        self.reader = PushedReader(
            has_video=sees,
            has_audio=True,
            record=False,
            name="test",
            now_ns=FastClock(speed).monotonic_ns,
        )
        self._speed = speed
        self._sees = sees  # a picture that changes, every second
        self._echo = echo  # how much of the loudspeaker the microphone hears
        self._hiss = hiss
        self._listens = listens
        self._changed = threading.Condition()
        self._to_say: list[Samples] = []
        self._saying = False
        self._stop = threading.Event()
        self._noise = np.random.default_rng(7)
        self._thread = threading.Thread(target=self._live, daemon=True)

    def come(self) -> Person:
        """Connect and begin to live."""
        self.conversation.attach(self, self.reader)
        self._thread.start()
        return self

    def go(self) -> None:
        """Vanish."""
        self.stop()
        self.conversation.detach(self, "It vanished.")

    def stop(self) -> None:
        """Fall silent and listen no more."""
        self._stop.set()
        self._thread.join()

    # --- the client ----------------------------------------------------------------------

    def send(self, message: Json) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def close(self, reason: str) -> None:
        self.closed = reason

    # --- the person ----------------------------------------------------------------------

    def say(self, sound: Samples | str) -> None:
        """Say a sentence, or make a noise."""
        samples = spoken(sound) if isinstance(sound, str) else sound
        with self._changed:
            self._to_say.append(samples)

    def wait_said(self) -> None:
        """Wait until everything was said."""
        with self._changed:
            self._changed.wait_for(lambda: not self._to_say and not self._saying, PATIENCE_S)

    def wait_heard_s(self, seconds: float) -> None:
        """Wait until so much more sound has been pushed."""
        with self._changed:
            end = self.pushed + seconds * SAMPLE_RATE
            self._changed.wait_for(lambda: self.pushed >= end, PATIENCE_S)

    def tell(self, command: str, **fields: object) -> None:
        """Send a message."""
        self.conversation.receive(self, {"command": command, **fields})

    def wait(
        self, event: str, after: int = 0, so: Callable[[Json], bool] = lambda _message: True
    ) -> Json:
        """Wait for a message behind the first `after`; returns it."""

        def found() -> Json | None:
            for message in self.messages[after:]:
                if message["event"] == event and so(message):
                    return message
            return None

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, PATIENCE_S)
            message = found()
            assert message is not None, f"no {event} in {self.names()}"
            return message

    def wait_either(self, event: str, other: str, after: int) -> Json:
        """Wait for a message of one of two names."""
        with self._changed:
            self._changed.wait_for(lambda: {event, other} & set(self.names(after)), PATIENCE_S)
            return next(each for each in self.messages[after:] if each["event"] in (event, other))

    def wait_state(self, state: str, after: int = 0) -> Json:
        """Wait until the floor is in a state."""
        return self.wait("floor", after, lambda message: message["state"] == state)

    def names(self, after: int = 0) -> list[str]:
        """Return the names of the messages that came, without the levels."""
        return [each["event"] for each in self.messages[after:] if each["event"] != "level"]

    def all(self, event: str) -> list[Json]:
        """Return the messages of a name."""
        return [each for each in self.messages if each["event"] == event]

    def _live(self) -> None:
        start_s, number = time.monotonic(), 0
        saying: Samples = np.zeros(0, np.float32)
        while not self._stop.is_set():
            with self._changed:
                if not saying.size and self._to_say:
                    saying = self._to_say.pop(0)
                self._saying = saying.size > 0
                self.pushed += _PIECE
                self._changed.notify_all()
            piece, saying = saying[:_PIECE], saying[_PIECE:]
            sound = self._hiss * self._noise.standard_normal(_PIECE).astype(np.float32)
            sound[: piece.size] += piece
            if self._echo and self.taken:
                sound += self._echo * self.taken[-1].samples[::3] / 32768
            self.reader.push_audio(number * _PIECE * NS_PER_S // SAMPLE_RATE, sound)
            if self._sees and number % 50 == 0:
                at_ns = number * _PIECE * NS_PER_S // SAMPLE_RATE
                self.reader.push_frame(at_ns, picture(number))
            if self._listens:
                taken = self.conversation.playout.take()
                self.taken.append(taken)
                self.conversation.taken(taken)
            number += 1
            self._stop.wait(max(0.0, start_s + number * _PIECE_S / self._speed - time.monotonic()))
