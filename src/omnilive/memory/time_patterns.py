"""How time words are written in English: the patterns that `time_english` reads."""

from __future__ import annotations

import re

from omnilive.memory.time_readings import HOUR_S
from omnilive.memory.wordlists import words

_SMALL = words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
    """
)
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
NUMBERS: dict[str, float] = (
    {word: number for number, word in enumerate(_SMALL)}
    | _TENS
    | {f"{ten} {one}": _TENS[ten] + i for ten in _TENS for i, one in enumerate(_SMALL[1:10], 1)}
    | {
        "a": 1,
        "an": 1,
        "the": 1,
        "sixty": 60,
        "ninety": 90,
        "half": 0.5,
        "half a": 0.5,
        "half an": 0.5,
        "a half": 0.5,
        "a quarter of an": 0.25,
        "quarter of an": 0.25,
        "three quarters of an": 0.75,
        "a couple of": 2,
        "couple of": 2,
        "couple": 2,
        "a few": 4,
        "few": 4,
        "several": 5,
    }
)
UNITS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "h": 3600}
UNITS |= {"hr": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
_NUMBER_WORDS = "|".join(
    re.escape(word).replace(r"\ ", r"[\s-]+") for word in sorted(NUMBERS, key=len, reverse=True)
)
_NUM = rf"(?:\d{{1,5}}(?:\.\d{{1,3}})?|(?:{_NUMBER_WORDS})\b)"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?)"
_HOURS = "|".join(sorted(_SMALL[1:13], key=len, reverse=True))
_PAST_WORDS = r"(?:half|(?:a\s+)?quarter|five|ten|twenty[\s-]five|twenty|\d{1,2})"
_MINUTE_WORDS = (
    r"(?:oh[\s-]five|ten|fifteen|(?:twenty|thirty|forty|fifty)[\s-]five|twenty|thirty|forty|fifty)"
)
CLOCK = (
    rf"(?:(?:{_PAST_WORDS}(?:\s+minutes?)?\s+(?:past|to|after)\s+(?:{_HOURS}|\d{{1,2}})"
    rf"|(?:{_HOURS})[\s-]+{_MINUTE_WORDS}|\d{{1,2}}(?:[:.]\d{{2}}){{1,2}}|\d{{1,2}}h\d{{2}}"
    rf"|\d{{1,2}}|noon|midday|midnight|{_HOURS})(?:\s*(?:[ap]\.?m\b\.?|o'?clock))?(?![\w:%]))"
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
    "lunch": (11 * HOUR_S, 14 * HOUR_S),
    "afternoon": (12 * HOUR_S, 18 * HOUR_S),
    "evening": (17 * HOUR_S, 24 * HOUR_S),
    "night": (20 * HOUR_S, 30 * HOUR_S),
}
# When a meal is over, for "since lunch"; it begins with its part.
MEALS = {
    "breakfast": (6 * HOUR_S, 9 * HOUR_S),
    "lunch": (12 * HOUR_S, 13 * HOUR_S),
    "lunchtime": (12 * HOUR_S, 13 * HOUR_S),
    "dinner": (18 * HOUR_S, 20 * HOUR_S),
}
_PART = r"(?:morning|noon|lunchtime|afternoon|evening|night)"
_WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)})"
_MONTH = rf"(?:{'|'.join(MONTHS)})"
_MEDIUM = "video|film|movie|recording|file|clip|talk|stream|audio"
_OF = rf"(?:\s+of\s+(?:the|this|that)\s+(?:{_MEDIUM}))?"
_SINCE = r"(?P<how>since|before|until|till|after|up\s+to)\s+"
_NOT_A_THING = r"(?!\s+(?:table|box|menu|bag|bell|room|break|money|party|guest|lady|shift|train)\b)"


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


RECENT = _re(
    rf"\b(?:in|during|within|over|for|from)?\s*(?:(?:the\s+)?(?:past|previous)|the\s+last|"
    rf"last(?!\s+(?:week|month|year)\b))\s+"
    rf"(?:(?P<num>{_NUM})\s+)?(?P<unit>{_UNIT})(?P<half>\s+and\s+a\s+half)?\b(?P<of>{_OF})"
)
JUST_NOW = _re(r"\b(?:just now|a (?:moment|second|minute or two) ago|moments ago|recently)\b")
A_WHILE = _re(r"\ba (?:little |short )?while ago\b")
AGO = _re(
    rf"\b(?:(?:about|around|some|roughly)\s+)?(?:(?:between\s+)?(?P<low>{_NUM})\s*(?:-|to|and|or)"
    rf"\s*)?(?P<num>{_NUM})\s+(?P<unit>{_UNIT})\s+(?:ago|back)\b"
)
AGO_SHORT = _re(r"\b(?P<num>\d{1,5})\s?(?P<unit>s|m|min|h|hr)\s+ago\b")
HALF = _re(
    r"\b(?:(?P<num>an?|one|two|three|four|five|six|\d+)\s+and\s+a\s+half\s+(?P<unit>hours|minutes)"
    r"|(?P<num2>an?|one|\d+)\s+(?P<unit2>hour|minute)s?\s+and\s+a\s+half)\s+ago\b"
)
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
    rf"(?P<unit>seconds?|secs?|minutes?|mins?)\b(?!\s+(?:ago|past|to)\b)"
)
AT_MINUTE = _re(rf"\b(?:at|around|in|by)\s+(?:the\s+)?(?P<unit>minute|second)\s+(?P<num>{_NUM})\b")
AT_SECONDS = _re(
    rf"\b(?:at|around)\s+(?P<num>{_NUM})\s+(?P<unit>seconds?|secs?|minutes?|mins?)\b"
    rf"(?!\s+(?:past|to|after)\b)(?:\s+in(?:to)?(?:\s+the\s+\w+)?)?"
)
INTO = _re(rf"\b(?P<num>{_NUM})\s+(?P<unit>seconds?|minutes?|hours?)\s+in(?:to\s+the\s+\w+)?\b")

BETWEEN = _re(
    rf"\b(?:(?:between|from)\s+(?P<a>{CLOCK})\s*(?:and|to|until|till|-|\u2013)\s*(?P<b>{CLOCK})"
    rf"|(?P<a2>\d{{1,2}}[:.]\d{{2}})\s*(?:-|\u2013|to)\s*(?P<b2>\d{{1,2}}[:.]\d{{2}})(?![\w:%]))"
)
AT = _re(
    rf"\b(?P<how>at|around|about|since|after|before|until|till|by|up\s+to)\s+"
    rf"(?:(?P<soft>about|around)\s+|exactly\s+)?(?P<a>{CLOCK})"
    rf"(?!\s+(?:{_UNIT}|percent|euros?|dollars?|degrees?|points?)\b)"
)
# A clock time that needs no "at": it cannot be read as anything else.
ALONE = _re(
    rf"\b(?P<a>(?:half|(?:a\s+)?quarter)\s+(?:past|to)\s+(?:{_HOURS}|\d{{1,2}})(?!\w)"
    rf"|\d{{1,2}}(?:[:.]\d{{2}})?\s*(?:[ap]\.?m\b\.?|o'clock)|\d{{1,2}}:\d{{2}}(?![\w:%]))"
)
ENDS_TIME = _re(
    r"\s*(?:$|[?.!,;]|(?:today|yesterday|tonight|in|on|this|last|and|what|who|where|did|was|were|"
    r"there|happened|at\s+night|sharp|exactly|or\s+so|that|the\s+day)\b)"
)
MEAL = _re(
    rf"\b(?P<how>since|before|until|till|after|at|around|over|during)\s+"
    rf"(?P<meal>breakfast|lunchtime|lunch|dinner)\b{_NOT_A_THING}"
)
PART = _re(
    r"\b(?:(?:(?P<edge>early|late)\s+)?(?:in|during|on)\s+the\s+(?:(?P<edge2>early|late)\s+)?"
    r"(?P<p1>morning|afternoon|evening|night)(?!\s+(?:paper|news|train|shift))"
    r"|at\s+(?P<p2>night|noon|lunchtime|midday)|(?P<over>overnight))\b(?:\s+of\b(?!\s+the\s+\d))?"
)
DAY = _re(
    rf"\b(?:{_SINCE})?(?:(?:earlier|sometime|from|(?P<edge>early|late))\s+)?(?:"
    rf"this\s+(?P<this>{_PART})|(?P<ton>tonight)|(?P<lastn>last)\s+(?P<lp>night|evening)"
    rf"|(?P<yest>(?:the\s+day\s+before\s+)?yesterday)(?:\s+(?P<p2>{_PART}))?"
    rf"|(?P<today>today)"
    rf"|(?P<ndays>{_NUM})\s+days?\s+ago"
    rf"|(?P<which>on|last|this|past)\s+(?P<wd>{_WEEKDAY})s?(?:\s+(?P<p3>{_PART}))?"
    rf"|(?:on\s+)?(?P<wd2>{_WEEKDAY})\s+(?P<p4>{_PART})"
    rf"|(?<=since\s)(?P<wd3>{_WEEKDAY})|(?<=before\s)(?P<wd4>{_WEEKDAY})"
    rf"|(?<=until\s)(?P<wd5>{_WEEKDAY})|(?P<wd6>{_WEEKDAY})(?=\s*(?:[?.!,]|$|between|at\b))"
    rf"|(?P<period>this|last)\s+(?P<unit>weekend|week|month|year)"
    rf"|(?:on\s+the|over\s+the|at\s+the)\s+(?P<weekend>weekend)"
    rf"|the\s+(?P<wbefore>week|month|year)\s+before\s+last"
    rf"|(?:on\s+)?(?P<y>\d{{4}})-(?P<mo>\d{{2}})-(?P<d>\d{{2}})"
    rf"|(?:on\s+)?(?P<d3>\d{{1,2}})\.(?P<mo3>\d{{1,2}})\.(?P<y3>\d{{4}})"
    rf"|(?:on\s+)?(?:the\s+)?(?:(?P<mn>{_MONTH})\s+(?:the\s+)?(?P<dn>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"(?!\d|:)|(?P<dn2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<mn2>{_MONTH}))"
    rf"(?:,?\s+(?P<y2>(?:19|20)\d{{2}}))?"
    rf"|(?:on|of)\s+the\s+(?P<dn4>\d{{1,2}})(?:st|nd|rd|th)"
    rf"|(?:in|during|last)\s+(?P<mn3>{_MONTH})(?:\s+(?P<y4>(?:19|20)\d{{2}}))?(?!\s+\d)"
    rf"|in\s+(?P<y5>(?:19|20)\d{{2}})"
    r")(?!\w)"
)
