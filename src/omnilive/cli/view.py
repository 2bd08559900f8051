"""How a running watch is shown: lines and a progress bar for people, JSON lines for programs."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from omnilive import api
from omnilive.events import (
    AnswerEnded,
    AnswerStarted,
    AnswerText,
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
from omnilive.serving import wire

_ORIGINS = {
    "live": "live since",
    "creation": "recorded (as the file says) at",
    "given": "recorded (as you say) at",
    "watching": "times of day unknown (set --started-at), counted from",
}


class View(Protocol):
    """What `watch` shows things on."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def notice(self, text: str) -> None:
        """Tell the user something that is no event."""

    def summary(self, values: dict[str, object]) -> None:
        """Show what it came to."""

    def __enter__(self) -> View:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the view."""


class JsonView:
    """One object a line on stdout, nothing else; notices go to stderr."""

    def __init__(self, running: api.Watch) -> None:
        self._running = running
        self._wire = wire.Wire()
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        """Print the event if it is for readers."""
        if isinstance(event, AnswerEnded):
            self._print(wire.answer(event, self._running.took_ms(event.turn_id)))
            return
        encoded = self._wire.encode(event)
        if encoded is not None:
            self._print(encoded)

    def notice(self, text: str) -> None:
        """Tell it on stderr: stdout is for objects."""
        print(f"omnilive: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def summary(self, values: dict[str, object]) -> None:
        """Print the last line."""
        self._print({"event": "summary"} | values)

    def _print(self, value: wire.Json) -> None:
        with self._lock:
            sys.stdout.write(wire.dumps(value) + "\n")
            sys.stdout.flush()

    def __enter__(self) -> JsonView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""


class LiveView:
    """Transcript, screen text, clips and answers as they come, with a line of progress below."""

    def __init__(self, running: api.Watch) -> None:
        self._running = running
        self._wire = wire.Wire()
        self._console = Console(highlight=False, soft_wrap=True)
        self._answers: dict[str, str] = defaultdict(str)
        self._clips = 0
        self._live = Live(
            console=self._console,
            get_renderable=self._progress,
            refresh_per_second=4,
            transient=True,
        )

    def show(self, event: Event) -> None:
        """Print a line for what a person would like to see."""
        match event:
            case StreamStarted():
                self._wire.encode(event)
                since = self._wire.at(event.stream, event.at_ns)
                self._line(
                    "bold",
                    f"Watching {event.source}",
                    f"as {event.name}, {_ORIGINS[event.origin]} {since}",
                )
            case Utterance() if not event.typed:
                self._line("cyan", self._clock(event.stream, event.start_ns), f'"{event.text}"')
            case SceneText():
                text = " / ".join(line.text for line in event.lines)
                self._line("green", self._clock(event.stream, event.at_ns), f"on screen: {text}")
            case SoundEvent():
                span = f"{(event.end_ns - event.start_ns) / 1e9:.1f} s"
                self._line(
                    "yellow",
                    self._clock(event.stream, event.start_ns),
                    f"{event.label}, {span}, {event.level_db:.0f} dB",
                )
            case ClipMemory():
                self._clips += not event.extended
            case StreamGap():
                self._line("dim", self._clock(event.stream, event.start_ns), event.reason)
            case StreamEnded() if event.error:
                self._line("red", self._clock(event.stream, event.at_ns), event.error)
            case StageFailed():
                self._line("red", event.stage, event.error)
            case Notice():
                self.notice(event.text)
            case AnswerStarted():
                self._line("bold magenta", "?", event.question)
            case AnswerText():
                self._answers[event.turn_id] += event.delta
            case AnswerEnded():
                self._answer(event)
            case _:
                pass

    def notice(self, text: str) -> None:
        """Tell the user something that is no event."""
        self._line("yellow", "note", text)

    def summary(self, values: dict[str, object]) -> None:
        """Print the last line."""
        dropped = values["dropped"]
        self._line(
            "bold",
            "done",
            f"{values['stream_s']} s of stream in {values['wall_s']} s: {values['clips']} clips, "
            f"{values['utterances']} utterances" + (f", dropped {dropped}" if dropped else ""),
        )

    def _answer(self, event: AnswerEnded) -> None:
        self._answers.pop(event.turn_id, None)
        if event.outcome == "failed":
            self._line("red", "!", event.error or "The answer failed.")
            return
        self._line("bold", ">", event.text or "(interrupted)")
        for moment in event.citations:
            self._line("dim", "   ", f"[{moment.id}] {_where(moment)}")

    def _clock(self, stream: int, at_ns: int) -> str:
        return f"{self._wire.name(stream)} {wire.position(at_ns)}"

    def _line(self, style: str, head: str, text: str) -> None:
        self._console.print(Text.assemble((head, style), "  ", printable(text)))

    def _progress(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, position_s, length_s in self._running.progress():
            place = wire.position(int(position_s * 1e9))
            if length_s:
                share = min(1.0, position_s / length_s)
                bar = "#" * round(24 * share) + "." * (24 - round(24 * share))
                table.add_row(name, bar, f"{place} of {wire.position(int(length_s * 1e9))}")
            else:
                table.add_row(name, "live", place)
        table.add_row(f"{self._clips} clips remembered", "", "")
        for text in list(self._answers.values()):  # another thread may be adding one
            table.add_row("> " + printable(text)[-200:], "", "")
        return table

    def __enter__(self) -> LiveView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._live.stop()


def _where(moment: Moment) -> str:
    """Return stream, span, kind and text of a cited moment."""
    span = f"{wire.position(moment.start_ns)}-{wire.position(moment.end_ns)}"
    return f"{moment.stream_name} {span} {moment.kind}: {moment.text}"


def printable(text: str) -> str:
    """Return `text` without control characters: what was read on a screen may hold any."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def print_answer(ended: AnswerEnded) -> None:
    """Print the citations of an answer whose text stands on the screen already."""
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    for moment in ended.citations:
        text = f"[{moment.id}] {moment.at} {_where(moment)}"
        console.print(Text(printable(text), style="dim"))


def print_moments(moments: Sequence[Moment]) -> None:
    """Print moments, one a line."""
    console = Console(highlight=False, soft_wrap=True)
    if not moments:
        console.print("Nothing.")
    for moment in moments:
        head = f"{moment.id:>14}  {moment.at}  {moment.stream_name}  {moment.kind:>7}  "
        tail = "" if moment.playable else "  (not playable)"
        console.print(Text(head, style="dim") + Text(printable(moment.text) + tail))
