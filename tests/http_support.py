"""A real server on loopback over a store that tests may change, and clients that come in."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from omnilive import api
from omnilive.memory.lock import WriterLock
from omnilive.presets import embedded
from omnilive.system import Config
from omnilive.web.limits import Rate, RequestLimits
from omnilive.web.server import Server, ServerOptions
from world_support import watched

TOKEN = "a-token-that-only-tests-know"
WRITER = "omnilive watch door"
# Tests of one server are one client, and ask faster than any user; those of the limits set others.
_ENOUGH = Rate(10_000.0, 10_000)
_NO_LIMITS = RequestLimits(read=_ENOUGH, ask=_ENOUGH, session=_ENOUGH, change=_ENOUGH)


def store_copy(folder: Path) -> Path:
    """Return a copy of the watched world that a test may change."""
    target = folder / "memory"
    shutil.copytree(watched(), target, ignore=shutil.ignore_patterns("*-shm"))
    return target


@contextlib.contextmanager
def written(store: Path) -> Iterator[None]:
    """Let another writer hold a store."""
    lock = WriterLock(store)
    lock.acquire(WRITER, 0)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def serving(store: Path, *, config: Config | None = None, **options: Any) -> Iterator[Server]:
    """A server that runs until the end of the block; it refuses no client for its haste."""
    chosen = ServerOptions(**({"port": 0, "token": TOKEN, "limits": _NO_LIMITS} | options))
    with Server(config or embedded(), store, chosen) as server:
        yield server


@contextlib.contextmanager
def client(server: Server, token: str | None = TOKEN, **more: Any) -> Iterator[httpx.Client]:
    """A program that talks to a server."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    # Reading all authorities' certificates takes longer than most tests.
    settings = {"timeout": 60.0, "verify": False} | more
    with httpx.Client(base_url=server.address, headers=headers, **settings) as made:
        yield made


def code_of(response: httpx.Response) -> str:
    """Return the code of an error, checking that it has the shape of all errors."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"].endswith((".", "?"))
    return str(error["code"])


def sse(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of an event stream; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith(":")]
        if lines:
            fields = dict(line.split(": ", 1) for line in lines)
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def first_of(store: Path, wanted: Callable[[Any], bool]) -> Any:
    """Return the first moment of a store for which something holds."""
    with api.open_store(store) as memory:
        return next(each for each in memory.newest(limit=500) if wanted(each))


@contextlib.contextmanager
def no_warnings(caught: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail if anything of the server is logged as an error inside."""
    caught.clear()
    yield
    assert [record for record in caught.records if record.levelname == "ERROR"] == []
