"""Writes the files of public sets, small, in the form in which they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omnilive.training.readers import Record, open_dataset


def put(root: Path, name: str, content: Any = b"") -> Path:
    """Write a file: bytes and text as they are, anything else as JSON. Media may be empty here."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def media(root: Path, *names: str) -> None:
    """Write files that only have to be there."""
    for name in names:
        put(root, name)


def read(name: str, root: Path, split: str) -> tuple[list[Record], str]:
    """Return the records of a split and what the report says."""
    dataset = open_dataset(name, root, split)
    return list(dataset), str(dataset.report)
