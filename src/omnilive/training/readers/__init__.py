"""Readers of the public sets that the paper trains on, by their published file formats."""

from __future__ import annotations

from omnilive.training.readers.records import (
    GroundedQuestion,
    Record,
    Seconds,
    SoundLabel,
    Speech,
    Turn,
    VideoCaption,
    VideoDialogue,
)
from omnilive.training.readers.registry import READERS, Dataset, Reader, open_dataset

__all__ = [
    "READERS",
    "Dataset",
    "GroundedQuestion",
    "Reader",
    "Record",
    "Seconds",
    "SoundLabel",
    "Speech",
    "Turn",
    "VideoCaption",
    "VideoDialogue",
    "open_dataset",
]
