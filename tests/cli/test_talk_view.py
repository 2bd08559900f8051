"""What a talk looks like: lines in a pipe, objects for programs, a live part in a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from omnilive.cli.talk_view import JsonTalkView, LiveTalkView

AT = "2026-05-04T09:30:12.500+02:00"
CITED = {
    "id": "u1-1024",
    "stream": "talk",
    "start_s": 1.024,
    "end_s": 3.5,
    "at": AT,
    "kind": "speech",
    "text": "The code is\x1b[31m 4712.",
    "playable": True,
}
MESSAGES: list[dict[str, Any]] = [
    {"event": "hello", "protocol": 1},
    {"event": "stream", "stream": "talk", "at": AT, "source": "conversation"},
    {"event": "level", "rms_db": -30.0},
    {"event": "partial", "id": "u1", "text": "what is", "speaker": "user", "settled": False},
    {"event": "utterance", "id": "u1", "at": AT, "text": "What is the code?", "speaker": "user"},
    {"event": "utterance", "id": "u2", "at": AT, "text": "my own voice", "speaker": "own"},
    {"event": "floor", "state": "thinking", "turn": "q1"},
    {"event": "answer_started", "turn": "q1", "question": "What is the code?"},
    {"event": "answer_text", "turn": "q1", "delta": "It is "},
    {"event": "answer_text", "turn": "q1", "delta": "4712."},
    {
        "event": "answer",
        "turn": "q1",
        "answer": "It is 4712.",
        "outcome": "completed",
        "citations": [CITED],
    },
    {"event": "answer", "turn": "q2", "answer": "Well", "outcome": "interrupted", "citations": []},
    {"event": "heard", "turn": "q1", "text": "It is 4712.", "complete": True},
    {"event": "heard", "turn": "q2", "text": "Well, then", "complete": False},
    {"event": "heard", "turn": "q4", "text": "", "complete": False},
    {"event": "answer", "turn": "q3", "answer": "", "outcome": "failed", "error": "It broke."},
    {"event": "failure", "stage": "hearing", "error": "A model failed."},
    {"event": "notice", "stage": "camera", "text": "The camera is gone."},
    {"event": "error", "code": "refused", "message": "Too many questions."},
    {"event": "gap", "reason": "No sound came.", "sense": "audio"},
    {"event": "something_new", "fields": [1, 2]},
    {"event": "bye", "reason": "The conversation was ended."},
]
SUMMARY = {"sound_s": 12.5, "lost_s": 0.0, "answers": 1, "counts": {}}


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    view = LiveTalkView(lambda: "")
    with view:
        for message in MESSAGES:
            view.show(message)
        view.notice("In writing only.")
        view.summary(SUMMARY)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"live  talk since {AT}",
        '09:30:12  "What is the code?"',
        "?  What is the code?",
        ">  It is 4712.",
        "     [u1-1024] talk 0:01-0:03: The code is\ufffd[31m 4712.",
        ">  Well (cut)",
        '     cut after "Well, then"',
        "     cut unheard",
        "!  It broke.",
        "hearing  A model failed.",
        "note  The camera is gone.",
        "!  Too many questions.",
        "gap  No sound came.",
        "bye  The conversation was ended.",
        "note  In writing only.",
        "done  12.5 s heard, 1 answer; everything perceived is remembered.",
    ]


def below(view: LiveTalkView) -> list[str]:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(view._below())
    return console.export_text().splitlines()


def test_what_is_going_on_is_redrawn_in_place() -> None:
    typed = ""
    view = LiveTalkView(lambda: typed)
    assert below(view)[0].endswith("listening")
    assert "Ctrl-C ends" in below(view)[-1]
    for message in MESSAGES[:4]:
        view.show(message)
    assert below(view)[0] == "... what is"
    assert below(view)[1].startswith("||||||......")
    for message in MESSAGES[4:10]:
        view.show(message)
    assert below(view)[0] == "> It is 4712."
    assert below(view)[1].endswith("thinking")
    typed = "and then?"
    assert below(view)[-1] == "? and then?"
    view.show(MESSAGES[10])
    assert len(below(view)) == 2


def test_objects_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    view = JsonTalkView()
    with view:
        for message in MESSAGES:
            view.show(message)
        view.notice("In writing only.")
        view.summary(SUMMARY)
    ran = capsys.readouterr()
    objects = [json.loads(line) for line in ran.out.splitlines()]
    assert objects == [*MESSAGES, {"event": "summary"} | SUMMARY]
    assert ran.err == "omnilive: In writing only.\n"
