"""Whether a store holds together: every check, one after the other.

Nothing is written. A store may be checked while another process writes it: each check sees one
snapshot, and what that process has on disk ahead of the database is not held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from omnilive.memory.database import Database
from omnilive.memory.verify_files import (
    check_caches,
    check_pictures,
    check_recordings,
    is_being_written,
)
from omnilive.memory.verify_index import check_frequencies, check_text_index, check_vectors
from omnilive.memory.verify_rows import (
    check_blocks,
    check_clips,
    check_database,
    check_epochs,
    check_moments,
    check_totals,
)
from omnilive.memory.verify_support import Checking, Finding
from omnilive.memory.verify_tokens import check_tokens

MAX_FINDINGS = 10_000
Progress = Callable[[int, int, str], None]
"""Called with how many checks are done, how many there are, and what comes next."""

CHECKS: tuple[tuple[str, Callable[[Checking], Iterator[Finding]]], ...] = (
    ("pages and pointers", check_database),
    ("epochs", check_epochs),
    ("clips", check_clips),
    ("moments", check_moments),
    ("blocks and digests", check_blocks),
    ("totals", check_totals),
    ("text index", check_text_index),
    ("frequencies", check_frequencies),
    ("vectors", check_vectors),
    ("memory tokens", check_tokens),
    ("pictures", check_pictures),
    ("recordings", check_recordings),
    ("caches", check_caches),
)


class Verification(NamedTuple):
    """What was checked and what is wrong. At most `MAX_FINDINGS` are listed."""

    findings: tuple[Finding, ...]
    clips: int
    moments: int
    fragments: int
    quick: bool

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(
    database: Database, directory: Path, *, quick: bool = False, progress: Progress | None = None
) -> Verification:
    """Check a store.

    Args:
        database: of the store, opened to read or to write.
        directory: of the store.
        quick: leave out what reads every recording and every text.
        progress: told how far it is.
    """
    checking = Checking(
        database=database,
        directory=directory,
        quick=quick,
        being_written=not database.write and is_being_written(directory),
    )
    findings: list[Finding] = []
    for number, (name, check) in enumerate(CHECKS):
        if progress is not None:
            progress(number, len(CHECKS), name)
        with database.snapshot():
            for finding in check(checking):
                findings.append(finding)
                if len(findings) >= MAX_FINDINGS:
                    break
    if progress is not None:
        progress(len(CHECKS), len(CHECKS), "")
    clips, moments, fragments = (
        database.value(f"SELECT count(*) FROM {table}")
        for table in ("node WHERE level = 0", "moment", "fragment")
    )
    return Verification(tuple(findings), clips, moments, fragments, quick)
