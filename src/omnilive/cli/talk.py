"""`omnilive talk`: a live conversation with this machine's microphone and loudspeaker."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from omnilive.cli import options
from omnilive.cli.keys import Keys
from omnilive.cli.talk_view import JsonTalkView, LiveTalkView, TalkView
from omnilive.clock import Clock, RealClock
from omnilive.errors import MediaError, UsageError
from omnilive.events import NS_PER_S, SAMPLE_RATE
from omnilive.media.sound_device import (
    DeviceEntry,
    DeviceLoudspeaker,
    DeviceMicrophone,
    Loudspeaker,
    Microphone,
    list_devices,
)
from omnilive.media.source import parse_source
from omnilive.serving import wire
from omnilive.system import Config

if TYPE_CHECKING:
    from omnilive.serving.conversation import LiveConversation
    from omnilive.serving.local_camera import LocalCamera
    from omnilive.serving.terminal import Terminal

EXAMPLES = """
Examples:

omnilive talk

omnilive talk --list-devices

omnilive talk --input-device headset --output-device headset --camera /dev/video0

omnilive talk --input-device none --no-speak

omnilive talk --input-device file:question.wav --output-device file:answers.wav --json
"""

_FILE = "file:"
_FIRST_CAMERA = "/dev/video0"
_MESSAGE_S = 0.1


def talk(
    store: options.Store = None,
    stream: Annotated[
        str, typer.Option("--stream", help="Name under which the talk is remembered.")
    ] = "talk",
    input_device: Annotated[
        str,
        typer.Option(
            "--input-device",
            help="Microphone: a number or a part of its name, file:talk.wav, or none.",
        ),
    ] = "",
    output_device: Annotated[
        str,
        typer.Option(
            "--output-device",
            help="Loudspeaker: a number or a part of its name, or file:answers.wav.",
        ),
    ] = "",
    camera: Annotated[
        str,
        typer.Option(
            "--camera", help="/dev/video0, an address, or none; auto takes the first one."
        ),
    ] = "auto",
    voice: Annotated[
        str | None, typer.Option("--voice", help="Who speaks, e.g. en-gb or en-us+f3.")
    ] = None,
    no_speak: Annotated[bool, typer.Option("--no-speak", help="Answers in writing only.")] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not keep sound and picture to play again.")
    ] = False,
    devices: Annotated[
        bool, typer.Option("--list-devices", help="List the sound devices, and end.")
    ] = False,
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    preset: options.Preset = None,
    weights: options.Weights = None,
    config: options.ConfigFile = None,
    settings: options.Set = None,
) -> None:
    """Talk with it here: it hears the microphone, sees the camera, remembers, and answers aloud.

    Say or type a question; speaking over an answer cuts it. Headphones are better than
    loudspeakers: what it hears of its own voice is recognised and left out, but a voice over a
    loud loudspeaker is harder to hear.
    """
    if devices:
        _print_devices(list_devices(), as_json=as_json)
        return
    chosen = options.configure(config, preset, settings, vlm, vlm_model, weights)
    if no_record:
        chosen = replace(chosen, live=replace(chosen.live, record=False))
    run_talk(
        chosen,
        store,
        stream=stream,
        input_device=input_device,
        output_device=output_device,
        camera=camera,
        voice=voice,
        speak=not no_speak,
        as_json=as_json,
        clock=RealClock(),
    )


def run_talk(
    config: Config,
    store: Path | None,
    *,
    stream: str,
    input_device: str,
    output_device: str,
    camera: str,
    voice: str | None,
    speak: bool,
    as_json: bool,
    clock: Clock,
) -> None:
    """Talk until Ctrl-C, or until a file that stands for the microphone is over.

    Raises:
        MediaError: a device or file cannot be used.
        UsageError: an option is wrong.
        StoreError: the memory cannot be written.
    """
    # Devices first: what is wrong with them is known before any model is loaded.
    with contextlib.ExitStack() as opened:
        microphone = _microphone(input_device, clock)
        if microphone is not None:
            opened.callback(microphone.close)
        loudspeaker = _loudspeaker(output_device, clock) if speak else None
        if loudspeaker is not None:
            opened.callback(loudspeaker.close)
        watcher, notice = _camera(camera, config, clock)
        if watcher is not None:
            opened.callback(watcher.close)
        with _conversation(config, store, stream, clock, as_json=as_json) as conversation:
            changes: dict[str, object] = {"speak": speak}
            if voice is not None:
                changes["voice"] = voice
            conversation.configure(**changes)
            from omnilive.serving.terminal import Terminal

            terminal = Terminal(
                conversation,
                config,
                clock,
                microphone=microphone,
                loudspeaker=loudspeaker,
                camera=watcher,
            )
            names = [each.name for each in (microphone, loudspeaker, watcher) if each is not None]
            _run(terminal, names, notice, as_json=as_json)


@contextlib.contextmanager
def _conversation(
    config: Config, store: Path | None, stream: str, clock: Clock, *, as_json: bool
) -> Iterator[LiveConversation]:
    """Open the memory for writing and a conversation over it."""
    from omnilive.serving.conversations import Conversations
    from omnilive.system import System

    path = store if store is not None else config.memory_path()
    system = System(
        config,
        path,
        write=True,
        doing="omnilive talk",
        now_wall_ns=clock.wall_ns(),
        wall_clock=clock.wall_ns,
    )
    try:
        conversations = Conversations(system, config.live, clock)
        try:
            with Console(stderr=True).status("Loading ..."):
                conversations.warm()
            yield conversations.open(stream)
        finally:
            conversations.close_all()
    finally:
        system.close()


def _run(terminal: Terminal, names: list[str], notice: str, *, as_json: bool) -> None:
    """Show the talk; Ctrl-C (once) ends it and keeps what was perceived."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    keys = Keys(terminal.ask, terminal.cut, terminal.end_typing)
    view: TalkView = JsonTalkView() if as_json else LiveTalkView(lambda: keys.editor.text)
    num_answers = 0
    try:
        with view:
            view.notice(f"{', '.join(names)}." if names else "In writing only.")
            if notice:
                view.notice(notice)
            try:
                terminal.start()
                with keys:  # nobody can be asked before there is a connection
                    while not stop.is_set() and not terminal.is_over:
                        num_answers += _show(terminal, view, _MESSAGE_S)
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)  # a second Ctrl-C ends at once
                terminal.finish()
            while (message := terminal.next_message(0.0)) is not None:
                view.show(message)
            counts = terminal.counts
            lost = counts.overflowed_samples + counts.missing_samples + counts.trimmed_samples
            view.summary(
                {
                    "sound_s": round(counts.samples / SAMPLE_RATE, 1),
                    "lost_s": round(lost / SAMPLE_RATE, 1),
                    "answers": num_answers,
                    "counts": asdict(counts),
                }
            )
    finally:
        terminal.finish()


def _show(terminal: Terminal, view: TalkView, within_s: float) -> bool:
    """Show the next message, if one comes; return whether it is an answer."""
    message = terminal.next_message(within_s)
    if message is None:
        return False
    view.show(message)
    return bool(message["event"] == "answer")


def _microphone(device: str, clock: Clock) -> Microphone | None:
    if device == "none":
        return None
    if device.startswith(_FILE):
        from omnilive.serving.sound_file import FileMicrophone

        return FileMicrophone(Path(device[len(_FILE) :]), clock)
    return DeviceMicrophone(device, clock.monotonic_ns)


def _loudspeaker(device: str, clock: Clock) -> Loudspeaker:
    if device == "none":
        raise UsageError("To read the answers, use --no-speak instead of an output device.")
    if device.startswith(_FILE):
        from omnilive.serving.sound_file import FileLoudspeaker

        return FileLoudspeaker(Path(device[len(_FILE) :]), clock)
    return DeviceLoudspeaker(device)


def _camera(camera: str, config: Config, clock: Clock) -> tuple[LocalCamera | None, str]:
    """Return the camera, if there is one, and what is to be said of it."""
    from omnilive.serving.local_camera import LocalCamera

    if camera == "none" or (camera == "auto" and not Path(_FIRST_CAMERA).exists()):
        return None, ""
    interval_s = config.media.frame_interval_s
    if config.live.record:
        interval_s = min(interval_s, 1 / config.live.record_fps)
    read = config.media.read_options(record=False, detect=None)
    read = replace(read, frame_interval_ns=round(interval_s * NS_PER_S))
    try:
        return LocalCamera(
            parse_source(_FIRST_CAMERA if camera == "auto" else camera), read, clock
        ), ""
    except MediaError as problem:
        if camera != "auto":
            raise
        return None, f"Without a camera: {problem}"


def _print_devices(entries: list[DeviceEntry], *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            sys.stdout.write(wire.dumps({"event": "device"} | asdict(entry)) + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    if not entries:
        console.print("There are no sound devices.")
    for entry in entries:
        uses = [
            name + (" (default)" if is_default else "")
            for name, channels, is_default in (
                ("input", entry.inputs, entry.is_input),
                ("output", entry.outputs, entry.is_output),
            )
            if channels
        ]
        console.print(Text.assemble((f"{entry.number:>3}  ", "bold"), entry.name, "  "), end="")
        console.print(Text(", ".join(uses), "dim"))
