"""Typing while the screen is redrawn: lines, corrections, Esc."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from omnilive.cli.keys import Keys, LineEditor

pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")


class Typed:
    """What came of the keys."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._changed = threading.Condition()

    def take(self, what: str) -> None:
        with self._changed:
            self.heard.append(what)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heard) >= count, 30), self.heard

    def keys(self) -> Keys:
        return Keys(self.take, lambda: self.take("CUT"), lambda: self.take("END"))


def test_a_line_is_edited() -> None:
    typed = Typed()
    editor = LineEditor(typed.take, lambda: typed.take("CUT"))
    for key in "whab\x7ft?\n":
        editor.type(key)
    for key in "forget this\x15":
        editor.type(key)
    assert editor.text == ""
    editor.type("\r")
    for key in " \t你好\x07 ":
        editor.type(key)
    assert editor.text == " 你好 "
    editor.type("\n")
    editor.type("\b")
    editor.escape()
    assert typed.heard == ["what?", "CUT", "你好", "CUT"]


def test_a_line_without_end_is_bounded() -> None:
    editor = LineEditor(lambda line: None, lambda: None)
    for _ in range(10_000):
        editor.type("a")
    assert len(editor.text) == 4_000


def test_lines_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = Typed()
    monkeypatch.setattr(sys, "stdin", io.StringIO("what was said?\n\n and then? \n"))
    with typed.keys():
        typed.wait_for(4)
    assert typed.heard == ["what was said?", "CUT", "and then?", "END"]


def test_keys_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import termios

    typed = Typed()
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as terminal:
        before = termios.tcgetattr(terminal)
        monkeypatch.setattr(sys, "stdin", terminal)
        with typed.keys() as keys:
            os.write(master, "où est-ce?".encode()[:2])
            os.write(master, "où est-ce?".encode()[2:])
            os.write(master, b"\x1b[D\n")  # an arrow is no Esc
            typed.wait_for(1)
            os.write(master, b"\x1b")
            typed.wait_for(2)
            os.write(master, b"\n")
            typed.wait_for(3)
            assert keys.editor.text == ""
        assert typed.heard == ["où est-ce?", "CUT", "CUT"]
        assert termios.tcgetattr(terminal) == before
    os.close(master)
