"""What is typed while a talk goes on: lines, and Esc, without waiting for Enter.

In a terminal every key is read at once and the line is kept here, because the screen is redrawn
under it; elsewhere (a pipe) lines are read as they come.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

_ESCAPE_WAIT_S = 0.05  # the rest of an arrow key's sequence comes within this
_LOOK_S = 0.2
_LONGEST = 4000


class LineEditor:
    """A line that is being typed: keys in, whole lines and cuts out."""

    def __init__(self, entered: Callable[[str], None], cut: Callable[[], None]) -> None:
        self.text = ""
        self._entered = entered
        self._cut = cut

    def type(self, key: str) -> None:
        """Take one character; "" does nothing."""
        if key in ("\r", "\n"):
            line, self.text = self.text.strip(), ""
            if line:
                self._entered(line)
            else:
                self._cut()
        elif key in ("\x7f", "\b"):
            self.text = self.text[:-1]
        elif key == "\x15":  # Ctrl-U
            self.text = ""
        elif key.isprintable() and len(self.text) < _LONGEST:
            self.text += key

    def escape(self) -> None:
        """Esc was pressed."""
        self._cut()


class Keys:
    """Reads what is typed, in a thread of its own, while the `with` block lasts.

    Args:
        entered: is given every line that is not empty.
        cut: is called at Esc and at an empty line.
        ended: is called when no more can come.
    """

    def __init__(
        self, entered: Callable[[str], None], cut: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self.editor = LineEditor(entered, cut)
        self._entered = entered
        self._cut = cut
        self._ended = ended
        self._stop = threading.Event()
        self._before: list[Any] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Keys:
        work = self._read_lines
        if sys.stdin is not None and sys.stdin.isatty():
            work = self._read_keys
            if sys.platform != "win32":
                import termios
                import tty

                self._before = termios.tcgetattr(sys.stdin)
                tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
        self._thread = threading.Thread(target=work, name="omnilive keys", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._stop.set()
        if self._before is not None and sys.platform != "win32":
            import termios

            if self._thread is not None:
                self._thread.join(2 * _LOOK_S)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read_lines(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed, or taken away
            for line in sys.stdin or ():
                if self._stop.is_set():
                    return
                if line.strip():
                    self._entered(line.strip()[:_LONGEST])
                else:
                    self._cut()
        self._ended()

    def _read_keys(self) -> None:
        if sys.platform == "win32":
            self._read_console()
            return
        import select

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        number = sys.stdin.fileno()

        def comes(within_s: float) -> bool:
            return bool(select.select([number], [], [], within_s)[0])

        while not self._stop.is_set():
            if not comes(_LOOK_S):
                continue
            data = os.read(number, 1)
            if not data:
                self._ended()
                return
            if data == b"\x1b":
                if not comes(_ESCAPE_WAIT_S):
                    self.editor.escape()
                elif os.read(number, 1) in (b"[", b"O"):
                    # An arrow or a function key: its sequence ends with a letter or "~".
                    while comes(_ESCAPE_WAIT_S) and not b"@" <= os.read(number, 1) <= b"~":
                        pass
                continue
            for key in decoder.decode(data):
                self.editor.type(key)

    def _read_console(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            while not self._stop.wait(0.02):
                while msvcrt.kbhit():
                    key = msvcrt.getwch()
                    if key in ("\x00", "\xe0"):
                        msvcrt.getwch()  # an arrow or a function key
                    elif key == "\x1b":
                        self.editor.escape()
                    else:
                        self.editor.type(key)
