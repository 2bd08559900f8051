"""One small world, rendered once a test run and watched once into a store that tests only read."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from omnilive import api
from omnilive.media.synthetic import World, render

SECONDS = 60.0


@functools.cache
def world() -> World:
    return World(seed=11, duration_s=SECONDS)


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="omnilive-tests-", ignore_cleanup_errors=True)


@functools.cache
def video() -> Path:
    path = Path(folder().name) / "world.mp4"
    render(world(), path, fps=10, size=(640, 360))
    return path


@functools.cache
def watched() -> Path:
    """Return a store into which the world was watched as stream "world"."""
    store = Path(folder().name) / "memory"
    for _ in api.watch(video(), store=store, stream="world"):
        pass
    return store
