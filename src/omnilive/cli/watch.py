"""`omnilive watch`: the live view, or one JSON object a line."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from omnilive import api
from omnilive.cli import options
from omnilive.cli.view import JsonView, LiveView, View
from omnilive.errors import OmniLiveError, UsageError
from omnilive.events import AnswerAudio, Voice
from omnilive.media.playback import DeviceSink, WavSink

EXAMPLES = """
Examples:

omnilive watch talk.mp4 --ask "what was said about the budget?"

omnilive watch rtsp://user:password@door.local/stream1 --stream door

omnilive watch meeting.wav --json | jq .text
"""


def watch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files, /dev/video0, or http(s), rtmp or rtsp addresses; each is a stream.",
        ),
    ],
    store: options.Store = None,
    stream: options.Stream = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Files as quickly as the machine can, nothing lost (default)."),
    ] = False,
    realtime: Annotated[
        bool,
        typer.Option("--realtime", help="Files at their own pace; late frames are dropped."),
    ] = False,
    ask: Annotated[
        list[str] | None,
        typer.Option("--ask", help="Answered at the end of a file, or once a live source is seen."),
    ] = None,
    voice: Annotated[
        str, typer.Option("--voice", help="user: people heard speak to us; ambient: listen in.")
    ] = "ambient",
    started_at: Annotated[
        str | None,
        typer.Option("--started-at", help="When a file began, e.g. 2026-05-04T09:30:00+02:00."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Watch a file once more that is remembered already.")
    ] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not keep what a live source sends.")
    ] = False,
    detect: Annotated[
        str | None,
        typer.Option("--detect", help="Address of the same camera's smaller stream, to look at."),
    ] = None,
    speak: Annotated[
        bool, typer.Option("--speak", help="Speak the answers on the default device.")
    ] = False,
    speak_to: Annotated[
        Path | None, typer.Option("--speak-to", help="Speak the answers into this WAV file.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", help="Write the order of events here (holds what was seen)."),
    ] = None,
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    preset: options.Preset = None,
    weights: options.Weights = None,
    config: options.ConfigFile = None,
    settings: options.Set = None,
) -> None:
    """Watch sources, remember them, and answer questions while and after."""
    if fast and realtime:
        raise UsageError("--fast and --realtime exclude each other; leave one out.")
    if voice not in ("user", "ambient"):
        raise UsageError('--voice is "user" or "ambient".')
    spoken: Voice = "user" if voice == "user" else "ambient"
    sink = WavSink(speak_to) if speak_to is not None else DeviceSink() if speak else None
    play: Callable[[AnswerAudio], None] | None = sink.play if sink is not None else None
    try:
        running = api.watch(
            sources,
            store=store,
            stream=stream,
            realtime=realtime,
            ask=ask or (),
            voice=spoken,
            started_at=_instant(started_at),
            again=again,
            record=not no_record,
            detect=detect,
            speak=sink is not None,
            play=play,
            journal=journal,
            config=options.configure(config, preset, settings, vlm, vlm_model, weights),
        )
        view: View = JsonView(running) if as_json else LiveView(running)
        _run(running, view, questions=as_json or sys.stdin.isatty())
    finally:
        if sink is not None:
            sink.close()


def _run(running: api.Watch, view: View, *, questions: bool) -> None:
    """Show every event; Ctrl-C (once) ends the sources and keeps what was perceived."""
    previous = {
        number: signal.signal(number, lambda *_: running.stop())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    if questions:
        threading.Thread(target=_read_questions, args=(running, view), daemon=True).start()
    try:
        with running, view:
            try:
                for event in running:
                    view.show(event)
            finally:
                for notice in running.notices:
                    view.notice(notice)
                view.summary(asdict(running.summary()))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _read_questions(running: api.Watch, view: View) -> None:
    """Ask what is typed, line by line, until the input ends."""
    for line in sys.stdin:
        if line.strip():
            try:
                running.ask(line.strip())
            except OmniLiveError as error:
                view.notice(str(error))


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f'--started-at "{text}" is not a time; write it as 2026-05-04T09:30:00+02:00.'
        ) from error
