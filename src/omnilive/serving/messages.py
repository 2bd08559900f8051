"""The messages of a conversation: what they are called, what they hold, how they are read.

`docs/protocol.md` says the same in words; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from omnilive.errors import ProtocolError
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Dismissed,
    Event,
    Heard,
    Hold,
    Interruption,
    PartialUtterance,
    Question,
    SpeechEnded,
    SpeechStarted,
)
from omnilive.serving.settings import SETTING_NAMES, Settings
from omnilive.serving.wire import Json, Wire, answer, seconds

PROTOCOL = 1
MOST_MESSAGE_BYTES = 65_536
_MOST_QUESTION = 4_000

# Name of each message to the page, and its fields; "?" marks one that may be missing.
EVENTS: dict[str, tuple[str, ...]] = {
    "hello": ("protocol", "session", "stream", "settings", "remembers"),
    "stream": ("stream", "epoch", "start_s", "at", "origin", "source", "live"),
    "speech_started": ("stream", "start_s", "at", "speaker"),
    "speech_ended": ("stream", "start_s", "end_s", "at", "speaker"),
    "partial": ("id", "stream", "start_s", "end_s", "text", "speaker", "settled"),
    "utterance": ("id", "stream", "start_s", "end_s", "at", "text", "speaker"),
    "sound": ("id", "stream", "start_s", "end_s", "at", "label", "level_db"),
    "screen_text": ("id", "stream", "start_s", "end_s", "at", "text", "lines"),
    "clip": (
        "id",
        "stream",
        "start_s",
        "end_s",
        "at",
        "changed",
        "motion",
        "moments",
        "playable",
        "extended",
    ),
    "caption": ("stream", "clip", "text", "model"),
    "gap": ("stream", "start_s", "end_s", "sense", "reason"),
    "stream_end": ("stream", "end_s", "error"),
    "question": ("turn", "text", "needs", "utterance"),
    "dismissed": ("utterance", "stream", "reason"),
    "answer_started": ("turn", "question"),
    "answer_text": ("turn", "delta"),
    "answer": (
        "turn",
        "question",
        "answer",
        "known",
        "outcome",
        "citations",
        "took_ms",
        "error?",
    ),
    "speaking": ("turn", "phrase", "text", "sample"),
    "floor": ("state", "turn", "wait_ms?"),
    "hold": ("turn",),
    "resume": ("turn", "phrase"),
    "interruption": ("turn",),
    "heard": ("turn", "text", "played_ms", "complete"),
    "latency": ("turn", "stages", "total_ms"),
    "level": ("rms_db",),
    "health": ("problems", "codes", "sound"),
    "settings": ("settings",),
    "forgotten": ("moments",),
    "failure": ("stage", "error"),
    "notice": ("stage", "text"),
    "error": ("code", "message"),
    "pong": ("time",),
    "bye": ("reason", "code?"),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "ask": ("text", "scope?"),
    "stop": (),
    "settings": tuple(f"{name}?" for name in SETTING_NAMES),
    "playback": ("buffered_ms", "output_ms", "muted", "received_ms?"),
    "capture": ("captured_s", "elapsed_s", "microphone", "camera"),
    "ping": ("time",),
}
DEVICE_STATES = ("on", "off", "denied", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question in writing."""

    text: str
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Cut the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New values of some settings."""

    changes: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """How far the page's loudspeaker is behind, in milliseconds.

    Attributes:
        buffered_ms: sound that arrived and waits to be played.
        output_ms: latency of the page's output device.
        muted: whether the page has muted us.
        received_ms: sound of ours that arrived since the connection began; -1 if not said.
    """

    buffered_ms: float
    output_ms: float
    muted: bool
    received_ms: float = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What the page's devices have given since the connection began.

    Attributes:
        captured_s: seconds of sound that the microphone gave.
        elapsed_s: seconds that passed.
        microphone, camera: "on", "off", "denied" or "lost".
    """

    captured_s: float
    elapsed_s: float
    microphone: str
    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A round trip; `time` comes back as it was sent."""

    time: float


Command: TypeAlias = Ask | Stop | Change | Playback | Capture | Ping


def parse(message: object) -> Command | None:
    """Read a message of the page; None for a command that this version does not know.

    Raises:
        ProtocolError: it is no message, or a field is missing or wrong.
    """
    if not isinstance(message, Mapping):
        raise ProtocolError("A message is a JSON object.")
    name = message.get("command")
    if not isinstance(name, str):
        raise ProtocolError('A message has a "command".')
    match name:
        case "ask":
            text = _text(message, "text")
            if not text.strip():
                raise ProtocolError(
                    "The question is empty; write what you want to know.", "empty_question"
                )
            return Ask(text=text, scope=_text(message, "scope", ""))
        case "stop":
            return Stop()
        case "settings":
            return Change(changes={key: message[key] for key in SETTING_NAMES if key in message})
        case "playback":
            return Playback(
                buffered_ms=_number(message, "buffered_ms"),
                output_ms=_number(message, "output_ms"),
                muted=_truth(message, "muted"),
                received_ms=_number(message, "received_ms", -1.0),
            )
        case "capture":
            return Capture(
                captured_s=_number(message, "captured_s"),
                elapsed_s=_number(message, "elapsed_s"),
                microphone=_device(message, "microphone"),
                camera=_device(message, "camera"),
            )
        case "ping":
            return Ping(time=_number(message, "time"))
        case _:
            return None


def _text(message: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = message.get(name, default)
    if not isinstance(value, str):
        raise ProtocolError(f'"{name}" must be text.')
    if len(value) > _MOST_QUESTION:
        raise ProtocolError(f'"{name}" is longer than {_MOST_QUESTION} characters.', "too_long")
    return value


def _number(message: Mapping[str, object], name: str, default: float | None = None) -> float:
    value = message.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f'"{name}" must be a number.')
    return value


def _truth(message: Mapping[str, object], name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise ProtocolError(f'"{name}" must be true or false.')
    return value


def _device(message: Mapping[str, object], name: str) -> str:
    value = message.get(name)
    if value not in DEVICE_STATES:
        raise ProtocolError(f'"{name}" must be one of {", ".join(DEVICE_STATES)}.')
    return str(value)


# --- to the page ------------------------------------------------------------------------


class Messages(Wire):
    """Turns the events of one conversation into messages."""

    def message(self, event: Event, *, took_ms: int = 0) -> Json | None:
        """Return the message for `event`; None for what is not for the page.

        `took_ms` is how long an answer took, from its question to its end.
        """
        match event:
            case SpeechStarted():
                return {
                    "event": "speech_started",
                    "stream": self.name(event.stream),
                    "start_s": seconds(event.at_ns),
                    "at": self.at(event.stream, event.at_ns),
                    "speaker": event.voice,
                }
            case SpeechEnded():
                return {
                    "event": "speech_ended",
                    "stream": self.name(event.stream),
                    "start_s": seconds(event.start_ns),
                    "end_s": seconds(event.at_ns),
                    "at": self.at(event.stream, event.start_ns),
                    "speaker": event.voice,
                }
            case PartialUtterance():
                return {
                    "event": "partial",
                    "id": event.id,
                    "stream": self.name(event.stream),
                    "start_s": seconds(event.start_ns),
                    "end_s": seconds(event.end_ns),
                    "text": event.text,
                    "speaker": event.voice,
                    "settled": event.settled,
                }
            case Question():
                return {
                    "event": "question",
                    "turn": event.turn_id,
                    "text": event.follows or event.text,
                    "needs": event.needs,
                    "utterance": event.utterance,
                }
            case Dismissed():
                return {
                    "event": "dismissed",
                    "utterance": event.utterance,
                    "stream": self.name(event.stream),
                    "reason": event.reason,
                }
            case AnswerStarted():
                return {
                    "event": "answer_started",
                    "turn": event.turn_id,
                    "question": event.question,
                }
            case AnswerText():
                return {"event": "answer_text", "turn": event.turn_id, "delta": event.delta}
            case AnswerEnded():
                return answer(event, took_ms) | {"turn": event.turn_id}
            case Hold():
                return {"event": "hold", "turn": event.turn_id}
            case Interruption():
                return {"event": "interruption", "turn": event.turn_id}
            case Heard():
                return {
                    "event": "heard",
                    "turn": event.turn_id,
                    "text": event.text,
                    "played_ms": event.played_ms,
                    "complete": event.complete,
                }
            case _:
                return self.encode(event)


def hello(*, session: str, stream: str, settings: Settings, remembers: bool = True) -> Json:
    """Return the first message of a connection; `remembers`: what is perceived is kept."""
    return {
        "event": "hello",
        "protocol": PROTOCOL,
        "session": session,
        "stream": stream,
        "settings": settings.as_json(),
        "remembers": remembers,
    }


def error(problem: Exception) -> Json:
    """Return the refusal of the page's last message."""
    code = problem.code if isinstance(problem, ProtocolError) else "refused"
    return {"event": "error", "code": code, "message": str(problem)}
