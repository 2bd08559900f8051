"""How a talk is shown: what was said and answered above, what is going on below; or JSON lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from omnilive.cli.view import printable
from omnilive.serving import wire
from omnilive.serving.wire import Json

_STATES = {
    "listening": ("listening", "green"),
    "user": ("you speak", "cyan"),
    "thinking": ("thinking", "yellow"),
    "answering": ("speaking", "magenta"),
    "held": ("waiting: did you say something?", "cyan"),
}
_HELP = "type a question and Enter; Esc or an empty Enter cuts the answer; Ctrl-C ends"
_QUIETEST_DB, _LEVELS = -60.0, 12
_TAIL = 300
_HEARD = 40


class TalkView(Protocol):
    """What a talk is shown on."""

    def show(self, message: Json) -> None:
        """Show a message of the conversation."""

    def notice(self, text: str) -> None:
        """Tell the user something that is no message."""

    def summary(self, values: Json) -> None:
        """Show what it came to."""

    def __enter__(self) -> TalkView:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the view."""


class JsonTalkView:
    """One message a line on stdout, nothing else; notices go to stderr."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def show(self, message: Json) -> None:
        """Print the message."""
        with self._lock:
            sys.stdout.write(wire.dumps(message) + "\n")
            sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Tell it on stderr: stdout is for objects."""
        print(f"omnilive: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def summary(self, values: Json) -> None:
        """Print the last line."""
        self.show({"event": "summary"} | values)

    def __enter__(self) -> JsonTalkView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""


class LiveTalkView:
    """Lines for people; in a terminal with what is going on below them, redrawn in place.

    Args:
        typed: returns the line that is being typed.
    """

    def __init__(self, typed: Callable[[], str]) -> None:
        self._typed = typed
        self._console = Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._state = "listening"
        self._level_db = _QUIETEST_DB
        self._partials: dict[str, tuple[str, str]] = {}
        self._answers: dict[str, str] = {}
        self._live = Live(
            console=self._console,
            get_renderable=self._below,
            refresh_per_second=8,
            transient=True,
        )

    def show(self, message: Json) -> None:
        """Print a line, or change what stands below."""
        with self._lock:
            self._take(message)
            lines = list(_lines(message))
        for head, style, text in lines:
            self._line(style, head, text)

    def notice(self, text: str) -> None:
        """Tell the user something that is no message."""
        self._line("yellow", "note", text)

    def summary(self, values: Json) -> None:
        """Print the last line."""
        lost, answers = values["lost_s"], values["answers"]
        self._line(
            "bold",
            "done",
            f"{values['sound_s']} s heard, {answers} answer{'' if answers == 1 else 's'}"
            + (f", {lost} s of sound lost" if lost else "")
            + "; everything perceived is remembered.",
        )

    def _take(self, message: Json) -> None:
        match message:
            case {"event": "floor", "state": str(state)}:
                self._state = state
            case {"event": "level", "rms_db": float(level) | int(level)}:
                self._level_db = level
            case {"event": "partial", "id": str(name), "text": str(text), "speaker": str(who)}:
                self._partials[name] = (who, text)
            case {"event": "utterance", "id": str(name)}:
                self._partials.pop(name, None)
            case {"event": "dismissed", "utterance": str(name)}:
                self._partials.pop(name, None)
            case {"event": "answer_text", "turn": str(turn), "delta": str(delta)}:
                self._answers[turn] = self._answers.get(turn, "") + delta
            case {"event": "answer", "turn": str(turn)}:
                self._answers.pop(turn, None)
            case {"event": "stream_end"}:
                self._partials.clear()
            case _:
                pass

    def _below(self) -> Group:
        """Return what stands below the lines."""
        with self._lock:
            partials, answers = list(self._partials.values()), list(self._answers.values())
            state, level_db = self._state, self._level_db
        rows = [
            Text.assemble(("... ", "cyan"), (printable(text)[-_TAIL:], "italic"))
            for who, text in partials[-2:]
            if text and who != "own"
        ]
        rows += [Text.assemble(("> ", "bold"), printable(text)[-_TAIL:]) for text in answers]
        label, style = _STATES.get(state, (state, ""))
        filled = round((level_db - _QUIETEST_DB) / -_QUIETEST_DB * _LEVELS)
        filled = min(_LEVELS, max(0, filled))
        meter = "|" * filled + "." * (_LEVELS - filled)
        rows.append(Text.assemble((f"{meter} ", "dim"), (label, style)))
        typed = self._typed()
        rows.append(
            Text.assemble(("? ", "bold magenta"), printable(typed)[-_TAIL:])
            if typed
            else Text(_HELP, "dim")
        )
        return Group(*rows)

    def _line(self, style: str, head: str, text: str) -> None:
        self._console.print(Text.assemble((head, style), "  ", printable(text)))

    def __enter__(self) -> LiveTalkView:
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


def _lines(message: Json) -> list[tuple[str, str, str]]:
    """Return the lines for a message: head, style and text."""
    match message:
        case {"event": "stream", "source": _, "stream": name, "at": at}:
            return [("live", "bold", f"{name} since {at}")]
        case {"event": "utterance", "speaker": "own"}:
            return []
        case {"event": "utterance", "at": str(at), "text": str(text)}:
            return [(_clock(at), "cyan", f'"{text}"')]
        case {"event": "sound", "at": str(at), "label": str(label)}:
            return [(_clock(at), "yellow", label)]
        case {"event": "screen_text", "at": str(at), "text": str(text)}:
            return [(_clock(at), "green", f"on screen: {text}")]
        case {"event": "answer_started", "question": str(question)}:
            return [("?", "bold magenta", question)]
        case {"event": "answer", "outcome": "failed"}:
            return [("!", "red", str(message.get("error") or "The answer failed."))]
        case {"event": "answer", "answer": str(text), "outcome": outcome}:
            cut = " (cut)" if outcome == "interrupted" else ""
            cited = message.get("citations")
            moments = cited if isinstance(cited, list) else []
            return [(">", "bold", f"{text}{cut}"), *(_citation(moment) for moment in moments)]
        case {"event": "heard", "complete": False, "text": str(text)}:
            return [("   ", "dim", f'cut after "{text[-_HEARD:]}"' if text else "cut unheard")]
        case {"event": "gap", "reason": str(reason)}:
            return [("gap", "dim", reason)]
        case {"event": "stream_end", "error": str(error)} if error:
            return [("!", "red", error)]
        case {"event": "failure", "stage": str(stage), "error": str(error)}:
            return [(stage, "red", error)]
        case {"event": "notice", "text": str(text)}:
            return [("note", "yellow", text)]
        case {"event": "error", "message": str(text)}:
            return [("!", "red", text)]
        case {"event": "bye", "reason": str(reason)}:
            return [("bye", "dim", reason)]
        case _:
            return []


def _citation(moment: Any) -> tuple[str, str, str]:
    span = f"{wire.position(_ns(moment['start_s']))}-{wire.position(_ns(moment['end_s']))}"
    return "   ", "dim", f"[{moment['id']}] {moment['stream']} {span}: {moment['text']}"


def _clock(at: str) -> str:
    return at[11:19] or at


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
