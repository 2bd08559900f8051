"""OmniLive: watches live streams, remembers them, answers with the moments it rests on.

    for event in omnilive.watch("talk.mp4", store="memory"):
        ...
    answer = omnilive.open("memory").ask("what was said about the budget?")

The names are loaded when they are first used: a child process that only decodes needs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from omnilive._version import __version__

if TYPE_CHECKING:
    from omnilive.api import Answer, OpenedMemory, Summary, Watch, open, watch

__all__ = ["Answer", "OpenedMemory", "Summary", "Watch", "__version__", "open", "watch"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module("omnilive.api"), name)
    raise AttributeError(f"module 'omnilive' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
