"""How far a check of a memory is, as a bar for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from omnilive.memory.verify import Progress as Told


@contextmanager
def checking_progress(*, hidden: bool) -> Iterator[Told | None]:
    """A bar on the error stream, where that is a terminal; nothing for programs."""
    console = Console(stderr=True)
    if hidden or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Checking")

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, total=total, completed=done, description=f"Checking {what}".strip())

        yield tell
