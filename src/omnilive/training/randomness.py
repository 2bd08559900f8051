"""Everything random is a function of the run's seed, the stage and the step."""

from __future__ import annotations

import hashlib


def derived_seed(*parts: str | int) -> int:
    """Return 32 bits that depend on all parts and on nothing else."""
    text = "\x00".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
