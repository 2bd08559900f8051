"""Replay: the deliveries of a journal, pushed into fresh stages in the same order (law 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omnilive.cancel import Cancel
from omnilive.events import Event, StreamStarted
from omnilive.serving.journal import read_journal
from omnilive.stage import Stage
from omnilive.system import System


def replay(journal: Path, system: System) -> Iterator[tuple[str, Event]]:
    """Yield `(stage, product)` for everything the stages make of what the journal holds.

    Args:
        journal: written by `watch --journal`.
        system: fresh, with an empty store, configured as the one that was journalled.

    Raises:
        OmniLiveError: the file is no journal.
    """
    stages: dict[str, Stage] = dict(system.shared)
    cancel = Cancel()
    try:
        for name, event in read_journal(journal):
            if isinstance(event, StreamStarted) and f"hearing {event.stream}" not in stages:
                for role, stage in system.stages_for(event).items():
                    stages[f"{role} {event.stream}"] = stage
            for product in stages[name].push(event, cancel):
                yield name, product
    finally:
        for name, stage in stages.items():
            if name not in system.shared:
                stage.close()
