"""Finds the words of a question that name a time, and every way they can be read.

Words alone do not decide: "1:20" is a clock time of a live camera and a position in a film. So a
mention holds its readings, and `omnilive.memory.time_spans` picks the one that lies inside what
was watched. Another language is another file like `time_english`.
"""

from __future__ import annotations

import re
import unicodedata

from omnilive.memory.time_chinese import parse_chinese
from omnilive.memory.time_english import parse_english
from omnilive.memory.time_readings import TimeMention

MAX_CHARACTERS = 2_000
_CHINESE = re.compile("[\u4e00-\u9fff]")


def parse(question: str) -> TimeMention | None:
    """Return the time words of a question with all their readings, or None if it has none."""
    question = question[:MAX_CHARACTERS]
    if _CHINESE.search(question):
        # Full-width digits and colons are read like others; the words come back in that form.
        found = parse_chinese(unicodedata.normalize("NFKC", question))
        if found is not None:
            return found
    return parse_english(question)
