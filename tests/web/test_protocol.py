"""`docs/protocol.md` against the code: names, fields, settings, and what is really sent."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from omnilive.errors import ConfigError, ProtocolError
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
    Caption,
    ClipMemory,
    Dismissed,
    Event,
    Heard,
    Hold,
    Interruption,
    Notice,
    PartialUtterance,
    Question,
    SceneText,
    SoundEvent,
    SpeechEnded,
    SpeechStarted,
    StageFailed,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Tick,
    Utterance,
)
from omnilive.serving import messages
from omnilive.serving.messages import COMMANDS, EVENTS, Messages
from omnilive.serving.settings import SETTING_NAMES, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
STARTED = StreamStarted(
    stream=1,
    name="kitchen",
    epoch=3,
    at_ns=0,
    wall_ns=1_700_000_000_000_000_000,
    zone="Europe/Vienna",
    origin="live",
    voice="user",
    has_video=True,
    has_audio=True,
    live=True,
    source="conversation",
)
SENT: list[Event] = [
    STARTED,
    SpeechStarted(stream=1, at_ns=10**9, voice="user"),
    SpeechEnded(stream=1, start_ns=10**9, at_ns=2 * 10**9, voice="user"),
    PartialUtterance(
        id="u1-1000", stream=1, start_ns=10**9, end_ns=2 * 10**9, text="Where", voice="user"
    ),
    Utterance(id="u1-1000", stream=1, start_ns=10**9, end_ns=2 * 10**9, text="Yes.", voice="user"),
    SoundEvent(id="s1-0", stream=1, start_ns=0, end_ns=10**9, label="loud sound", level_db=-3.0),
    SceneText(id="t1-0", stream=1, at_ns=0, lines=()),
    ClipMemory(
        id="c1-0",
        stream=1,
        stream_name="kitchen",
        start_ns=0,
        end_ns=10**9,
        at="2026-01-01T00:00:00.000+01:00",
        moments=(),
        changed=True,
        motion=0.1,
        playable=True,
        generation=1,
    ),
    Caption(stream=1, clip="c1-0", text="A kitchen.", model="m"),
    StreamGap(stream=1, start_ns=0, end_ns=10**9, sense="both", reason="Nothing came."),
    StreamEnded(stream=1, at_ns=10**9),
    Question(turn_id="q", text="Where?", needs="past", utterance="u1-1000", stream=1),
    Dismissed(utterance="u1-1000", stream=1, reason="talk"),
    AnswerStarted(turn_id="q", question="Where?"),
    AnswerText(turn_id="q", delta="Here."),
    AnswerEnded(
        turn_id="q", question="Where?", text="Here.", outcome="failed", known=False, error="No."
    ),
    Hold(turn_id="q"),
    Interruption(turn_id="q"),
    Heard(turn_id="q", text="He", played_ms=100, complete=False),
    StageFailed(stage="gate", error="It failed."),
    Notice(stage="memory", text="Recording goes on."),
]


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, cells as text."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    return [name + mark for name, mark in re.findall(r"`([a-z_0-9]+)`(\??)", cell)]


def test_the_messages_of_the_server() -> None:
    written: dict[str, set[str]] = {}
    for events, fields, _ in table("From the server"):
        for event in names(events):
            written[event] = set(names(fields))
    # One row of two messages says in words that the second has `end_s` too.
    written["speech_ended"].add("end_s")
    assert written == {name: set(fields) for name, fields in EVENTS.items()}


def test_the_messages_of_the_page() -> None:
    written = {names(row[0])[0]: set(names(row[1])) for row in table("From the page")}
    written["settings"] = {f"{name}?" for name in SETTING_NAMES}
    assert written == {name: set(fields) for name, fields in COMMANDS.items()}


def test_the_settings() -> None:
    written = [names(row[0])[0] for row in table("Settings")]
    assert written == list(SETTING_NAMES)
    values = {names(row[0])[0]: row[1] for row in table("Settings")}
    for name, value in Settings().as_json().items():
        assert (values[name] == "bool") == isinstance(value, bool)


def test_the_version() -> None:
    assert f"Version {messages.PROTOCOL}." in PAGE


@pytest.mark.parametrize("event", SENT, ids=lambda event: type(event).__name__)
def test_what_is_sent_has_the_fields_that_are_written(event: Event) -> None:
    wire = Messages()
    wire.message(STARTED)
    message = wire.message(event, took_ms=12)
    assert message is not None
    name = str(message["event"])
    wanted = {field.rstrip("?") for field in EVENTS[name]}
    needed = {field for field in EVENTS[name] if not field.endswith("?")}
    assert needed <= set(message) - {"event"} <= wanted
    if "stream" in message:
        assert message["stream"] == "kitchen"


def test_what_is_for_the_inside_is_not_sent() -> None:
    wire = Messages()
    assert wire.message(Tick(stream=1, at_ns=0, wall_ns=0)) is None
    typed = Utterance(
        id="q1", stream=0, start_ns=0, end_ns=0, text="Where?", voice="user", typed=True
    )
    assert wire.message(typed) is None  # its `question` follows


def test_a_hello_says_what_is_in_force() -> None:
    message = messages.hello(session="s", stream="kitchen", settings=Settings(rate_wpm=200))
    assert set(message) == {"event", *EVENTS["hello"]}
    assert message["settings"]["rate_wpm"] == 200  # type: ignore[index]


def test_commands_are_read() -> None:
    assert messages.parse({"command": "ask", "text": "Where?"}) == messages.Ask(text="Where?")
    assert messages.parse({"command": "stop"}) == messages.Stop()
    playback = {"command": "playback", "buffered_ms": 120, "output_ms": 20.5, "muted": False}
    assert messages.parse(playback) == messages.Playback(
        buffered_ms=120, output_ms=20.5, muted=False
    )
    capture = {
        "command": "capture",
        "captured_s": 1.5,
        "elapsed_s": 1.6,
        "microphone": "on",
        "camera": "denied",
    }
    read = messages.parse(capture | {"later": 1})
    assert dataclasses.asdict(read) == {  # type: ignore[call-overload]
        key: value for key, value in capture.items() if key != "command"
    }
    change = messages.parse({"command": "settings", "speak": False, "colour": "blue"})
    assert change == messages.Change(changes={"speak": False})
    assert messages.parse({"command": "dance"}) is None


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "ask",
        {"command": None},
        {"command": "ask", "text": 7},
        {"command": "ask", "text": "Where?", "scope": 1},
        {"command": "playback", "buffered_ms": "1", "output_ms": 0, "muted": False},
        {"command": "playback", "buffered_ms": float("nan"), "output_ms": 0, "muted": False},
        {"command": "playback", "buffered_ms": 1, "output_ms": 0, "muted": 0},
        {"command": "capture", "captured_s": 1, "elapsed_s": 1, "microphone": "up", "camera": "on"},
        {"command": "ping"},
    ],
)
def test_what_is_no_command_is_refused(message: object) -> None:
    with pytest.raises(ProtocolError) as refusal:
        messages.parse(message)
    assert messages.error(refusal.value)["code"] in ("bad_message", "empty_question", "too_long")


@pytest.mark.parametrize(
    "changes",
    [
        {"voice": ""},
        {"voice": "a\nb"},
        {"voice": 1},
        {"language": "fr"},
        {"rate_wpm": 79},
        {"rate_wpm": 165.0},
        {"rate_wpm": True},
        {"speak": 1},
        {"address": "never"},
        {"wake_phrase": " "},
        {"wake_phrase": "x" * 81},
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Settings().changed(changes)


def test_settings_change_one_by_one() -> None:
    settings = Settings().changed({"rate_wpm": 120, "unknown": 1})
    assert settings == Settings(rate_wpm=120)
    assert Settings().rate_wpm == 165
