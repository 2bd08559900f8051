"""Events as JSON objects: what `--json` prints and programs read. Fields are added, never changed.

An event names its stream by number; people and programs want its name and a local time, so a
`Wire` remembers the epochs it has seen begin.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from omnilive.events import (
    NS_PER_S,
    AnswerEnded,
    Caption,
    ClipMemory,
    Event,
    Moment,
    Notice,
    SceneText,
    SoundEvent,
    StageFailed,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Utterance,
)

Json = dict[str, object]


def seconds(ns: int) -> float:
    """Return stream time in seconds, to the millisecond."""
    return round(ns / NS_PER_S, 3)


def position(at_ns: int) -> str:
    """Return stream time as people read it: minutes and seconds, hours where there are any."""
    minutes, seconds = divmod(at_ns // NS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def local_time(wall_ns: int, zone: str) -> str:
    """Return UTC nanoseconds as local ISO 8601 with offset, to the millisecond."""
    instant = datetime.fromtimestamp(wall_ns / NS_PER_S, tz=UTC)
    return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="milliseconds")


def dumps(value: Json) -> str:
    """Return one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def citation(moment: Moment) -> Json:
    """Return what an answer rests on."""
    return {
        "id": moment.id,
        "stream": moment.stream_name,
        "start_s": seconds(moment.start_ns),
        "end_s": seconds(moment.end_ns),
        "at": moment.at,
        "kind": moment.kind,
        "text": moment.text,
        "playable": moment.playable,
    }


def answer(ended: AnswerEnded, took_ms: int) -> Json:
    """Return a finished answer with its citations."""
    return {
        "event": "answer",
        "question": ended.question,
        "answer": ended.text,
        "known": ended.known,
        "outcome": ended.outcome,
        "citations": [citation(each) for each in ended.citations],
        "took_ms": took_ms,
    } | ({"error": ended.error} if ended.error else {})


class Wire:
    """Turns the events of one session into JSON objects."""

    def __init__(self) -> None:
        self._epochs: dict[int, StreamStarted] = {}

    def name(self, stream: int) -> str:
        """Return the name of a stream that has begun."""
        return self._epochs[stream].name if stream in self._epochs else str(stream)

    def at(self, stream: int, at_ns: int) -> str:
        """Return stream time as local time in the stream's zone; "" before the stream began."""
        epoch = self._epochs.get(stream)
        if epoch is None:
            return ""
        return local_time(epoch.wall_ns + at_ns - epoch.at_ns, epoch.zone)

    def encode(self, event: Event) -> Json | None:
        """Return the object to print for `event`; None for what is not for readers."""
        match event:
            case StreamStarted():
                self._epochs[event.stream] = event
                return {
                    "event": "stream",
                    "stream": event.name,
                    "epoch": event.epoch,
                    "start_s": seconds(event.at_ns),
                    "at": self.at(event.stream, event.at_ns),
                    "origin": event.origin,
                    "source": event.source,
                    "live": event.live,
                }
            case Utterance() if not event.typed:
                return self._head("utterance", event.id, event.stream, event) | {
                    "text": event.text,
                    "speaker": event.voice,
                }
            case SoundEvent():
                return self._head("sound", event.id, event.stream, event) | {
                    "label": event.label,
                    "level_db": round(event.level_db, 1),
                }
            case SceneText():
                return {
                    "event": "screen_text",
                    "id": event.id,
                    "stream": self.name(event.stream),
                    "start_s": seconds(event.at_ns),
                    "end_s": seconds(event.at_ns),
                    "at": self.at(event.stream, event.at_ns),
                    "text": "\n".join(line.text for line in event.lines),
                    "lines": [line.text for line in event.lines],
                }
            case ClipMemory():
                return {
                    "event": "clip",
                    "id": event.id,
                    "stream": event.stream_name,
                    "start_s": seconds(event.start_ns),
                    "end_s": seconds(event.end_ns),
                    "at": event.at,
                    "changed": event.changed,
                    "motion": round(event.motion, 4),
                    "moments": [citation(each) for each in event.moments],
                    "playable": event.playable,
                    "extended": event.extended,
                }
            case Caption():
                return {
                    "event": "caption",
                    "stream": self.name(event.stream),
                    "clip": event.clip,
                    "text": event.text,
                    "model": event.model,
                }
            case StreamGap():
                return {
                    "event": "gap",
                    "stream": self.name(event.stream),
                    "start_s": seconds(event.start_ns),
                    "end_s": seconds(event.end_ns),
                    "sense": event.sense,
                    "reason": event.reason,
                }
            case StreamEnded():
                return {
                    "event": "stream_end",
                    "stream": self.name(event.stream),
                    "end_s": seconds(event.at_ns),
                    "error": event.error,
                }
            case StageFailed():
                return {"event": "failure", "stage": event.stage, "error": event.error}
            case Notice():
                return {"event": "notice", "stage": event.stage, "text": event.text}
            case _:
                return None

    def _head(self, kind: str, id_: str, stream: int, event: Utterance | SoundEvent) -> Json:
        return {
            "event": kind,
            "id": id_,
            "stream": self.name(stream),
            "start_s": seconds(event.start_ns),
            "end_s": seconds(event.end_ns),
            "at": self.at(stream, event.start_ns),
        }
