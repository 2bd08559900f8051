"""What perception reports, as the moments that are remembered of it.

Word times and boxes go along as compact JSON: they are shown and used for playing, not searched.
"""

from __future__ import annotations

import json

from omnilive.events import Event, SceneText, SoundEvent, Utterance
from omnilive.memory.clips import NewMoment


def moment_of(event: Event) -> NewMoment | None:
    """Return the moment that an utterance, a sound or a scene text is; None for other events."""
    if isinstance(event, Utterance):
        return _said(event)
    if isinstance(event, SoundEvent):
        return NewMoment(
            id=event.id,
            kind="sound",
            start_ns=event.start_ns,
            end_ns=event.end_ns,
            text=event.label,
            details=_packed({"level_db": round(event.level_db, 1)}),
        )
    if isinstance(event, SceneText):
        return _read(event)
    return None


def _said(event: Utterance) -> NewMoment:
    words = [
        [word.text, _ms(word.start_ns - event.start_ns), _ms(word.end_ns - word.start_ns)]
        for word in event.words
    ]
    return NewMoment(
        id=event.id,
        kind="speech",
        start_ns=event.start_ns,
        end_ns=event.end_ns,
        text=event.text,
        voice=event.voice,
        details=_packed({"words": words, "exact": event.words_exact}) if words else None,
    )


def _read(event: SceneText) -> NewMoment:
    """Return text in the picture; that it lasts to the end of its clip is seen at the commit."""
    boxes = [[round(number, 3) for number in line[1:]] for line in event.lines]
    return NewMoment(
        id=event.id,
        kind="screen",
        start_ns=event.at_ns,
        end_ns=event.at_ns,
        text="\n".join(line.text for line in event.lines),
        details=_packed({"boxes": boxes}),
    )


def _ms(ns: int) -> int:
    return ns // 1_000_000


def _packed(details: object) -> bytes:
    return json.dumps(details, separators=(",", ":")).encode()
