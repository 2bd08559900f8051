"""How time words are written in English: the patterns that `time_expressions` reads."""

from __future__ import annotations

import re

from omnilive.memory.wordlists import words

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400

_SMALL = words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
    """
)
NUMBERS: dict[str, float] = {word: number for number, word in enumerate(_SMALL)} | {
    "a": 1,
    "an": 1,
    "the": 1,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "half a": 0.5,
    "half an": 0.5,
    "a couple of": 2,
    "couple of": 2,
    "couple": 2,
    "a few": 4,
    "few": 4,
    "several": 5,
}
UNITS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
UNITS["week"] = 604800
_NUMBER_WORDS = "|".join(sorted(map(re.escape, NUMBERS), key=len, reverse=True))
_NUM = rf"(?:\d{{1,5}}(?:\.\d{{1,3}})?|{_NUMBER_WORDS})"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|days?|weeks?)"
_CLOCK_WORDS = "|".join(_SMALL[1:13])
_CLOCK = (
    r"(?:\d{1,2}(?:[:.]\d{2}){1,2}|\d{1,2}|noon|midnight|"
    + _CLOCK_WORDS
    + r")(?:\s*(?:[ap]\.?m\b\.?|o'?clock))?(?![\w:%])"
)
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = words(
    """
    january february march april may june july august september october november december
    """
)
PARTS = {
    "morning": (5 * HOUR_S, 12 * HOUR_S),
    "noon": (11 * HOUR_S, 14 * HOUR_S),
    "lunchtime": (11 * HOUR_S, 14 * HOUR_S),
    "afternoon": (12 * HOUR_S, 18 * HOUR_S),
    "evening": (17 * HOUR_S, 24 * HOUR_S),
    "night": (20 * HOUR_S, 30 * HOUR_S),
}
_PART = r"(?:morning|noon|lunchtime|afternoon|evening|night)"
_WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)})"
_MONTH = rf"(?:{'|'.join(MONTHS)})"
_OF = r"(?:\s+of\s+(?:the|this|that)\s+(?:video|film|movie|recording|file|clip|talk|stream|audio))?"


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


RECENT = _re(
    rf"\b(?:in|during|within|over|for|from)?\s*(?:the\s+)?(?:last|past|previous)\s+"
    rf"(?:(?P<num>{_NUM})\s+)?(?P<unit>{_UNIT})\b(?P<of>{_OF})"
)
JUST_NOW = _re(r"\b(?:just now|a moment ago|recently|a (?:little )?while ago)\b")
AGO = _re(rf"\b(?:(?:about|around|some)\s+)?(?P<num>{_NUM})\s+(?P<unit>{_UNIT})\s+(?:ago|back)\b")
HALF = _re(r"\b(?P<num>(?:an|one|two|\d+)) and a half hours? ago\b")
FIRST = _re(
    rf"\b(?:in|during|within|for|over)?\s*(?:the\s+)?(?:very\s+)?first\s+"
    rf"(?:(?P<num>{_NUM})\s+)?(?P<unit>{_UNIT})\b{_OF}"
)
BEGINNING = _re(rf"\b(?:at|in|near|from)\s+the\s+(?:very\s+)?(?:beginning|start){_OF}\b")
END = _re(rf"\b(?:at|near|towards?)\s+the\s+(?:very\s+)?end{_OF}\b(?!\s+of)")
MINUTES = _re(
    rf"\b(?:between|from)\s+(?P<unit>minute|second|hour)s?\s+(?P<a>{_NUM})\s+(?:and|to|until)\s+"
    rf"(?:(?:minute|second|hour)\s+)?(?P<b>{_NUM})\b"
)
MINUTES_AFTER = _re(
    rf"\b(?:between|from)\s+(?P<a>{_NUM})\s+(?:and|to|until)\s+(?P<b>{_NUM})\s+"
    rf"(?P<unit>seconds?|secs?|minutes?|mins?)\b"
)
AT_MINUTE = _re(rf"\b(?:at|around|in|by)\s+(?:the\s+)?(?P<unit>minute|second)\s+(?P<num>{_NUM})\b")
AT_SECONDS = _re(
    rf"\b(?:at|around)\s+(?P<num>{_NUM})\s+(?P<unit>seconds?|secs?|minutes?|mins?)\b(?:\s+in(?:to)?"
    r"(?:\s+the\s+\w+)?)?"
)
INTO = _re(rf"\b(?P<num>{_NUM})\s+(?P<unit>seconds?|minutes?|hours?)\s+in(?:to\s+the\s+\w+)?\b")
BETWEEN = _re(rf"\b(?:between|from)\s+(?P<a>{_CLOCK})\s+(?:and|to|until|till|-)\s+(?P<b>{_CLOCK})")
AT = _re(
    rf"\b(?P<how>at|around|about|since|after|before|until|till|by)\s+(?P<a>{_CLOCK})"
    rf"(?!\s+{_UNIT})"
)
ENDS_TIME = _re(
    r"\s*(?:$|[?.!,;]|(?:today|yesterday|tonight|in|on|this|last|and|what|who|where|did|was|were|"
    r"there|happened)\b)"
)
DAY_PART = _re(
    rf"\b(?:(?P<this>this)\s+(?P<p1>{_PART})|(?P<ton>tonight)|(?P<lastn>last)\s+night"
    rf"|(?P<yest>(?:the\s+day\s+before\s+)?yesterday)(?:\s+(?P<p2>{_PART}))?"
    rf"|(?P<today>today)|(?:on|last|this)\s+(?P<wd>{_WEEKDAY})(?:\s+(?P<p3>{_PART}))?"
    rf"|(?:on\s+)?(?P<y>\d{{4}})-(?P<mo>\d{{2}})-(?P<d>\d{{2}})"
    rf"|on\s+(?:the\s+)?(?:(?P<mn>{_MONTH})\s+(?P<dn>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<dn2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<mn2>{_MONTH}))"
    rf"|in\s+the\s+(?P<p4>morning|afternoon|evening)|at\s+(?P<p5>night))\b"
)
