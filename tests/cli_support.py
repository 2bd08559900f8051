"""Runs the command line in this process and collects what it prints."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any, NamedTuple

import pytest

from omnilive.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON; fails on a line that is none."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["event"] == event]


def run(capsys: pytest.CaptureFixture[str], *arguments: object, typed: str = "") -> Ran:
    """Run `omnilive` with these arguments and these lines on stdin."""
    before, stdin = sys.argv, sys.stdin
    log_level = logging.getLogger("omnilive").level
    sys.stdin = io.StringIO(typed)
    sys.argv = ["omnilive", *map(str, arguments)]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv, sys.stdin = before, stdin
        logging.getLogger("omnilive").setLevel(log_level)
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)
