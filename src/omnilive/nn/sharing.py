"""Networks that are loaded once a process, however many systems use them.

The server opens the memory anew for every question over HTTP; gigabytes are not loaded for that. A
network lives as long as one of its users does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

T = TypeVar("T")
_held: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
_loading = threading.Lock()


def shared(key: Hashable, load: Callable[[], T]) -> T:
    """Return what `key` stands for, loaded by `load` unless somebody has it already.

    Who comes while it is being loaded waits; an error of `load` goes to its caller, and the next
    one tries again.
    """
    with _loading:
        found = _held.get(key)
        if found is None:
            found = _held[key] = load()
        return cast(T, found)


def is_held(key: Hashable) -> bool:
    """Whether somebody has it now."""
    return key in _held
