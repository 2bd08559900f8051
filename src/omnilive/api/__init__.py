"""The Python API: `omnilive.watch(...)` and `omnilive.open(...)`; the command line calls it."""

from omnilive.api.asking import Answer, OpenedMemory, open_store
from omnilive.api.checking import repair_store, verify_store
from omnilive.api.watching import Summary, Watch, store_path, watch

open = open_store

__all__ = [
    "Answer",
    "OpenedMemory",
    "Summary",
    "Watch",
    "open",
    "open_store",
    "repair_store",
    "store_path",
    "verify_store",
    "watch",
]
