"""Transcripts as people read them: without marks for noises, Chinese without spaces."""

from __future__ import annotations

import re

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3000-\u303f\uff00-\uffef"
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}])\s+(?=[{_HAN}])")
_SPACES = re.compile(r"\s+")


def plain(text: str, marks: re.Pattern[str] | None = None) -> str:
    """Return a transcript without `marks`, with one space between words."""
    if marks is not None:
        text = marks.sub(" ", text)
    return _SPACES.sub(" ", text).strip()


def chinese(text: str, marks: re.Pattern[str] | None = None) -> str:
    """Return a transcript whose Chinese words, set apart for recognisers, stand together."""
    return _BETWEEN_HAN.sub("", plain(text, marks))
