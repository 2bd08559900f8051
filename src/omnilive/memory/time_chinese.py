"""Reads Chinese time words: 昨天下午, 十分钟前, 上周二三点到四点之间, 5月4号晚上八点半以后.

They are written without spaces and in one order (day, part of the day, clock time), so they are
read as one run; a part of the day holds for both ends of a stretch.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from omnilive.memory.time_readings import (
    ANY_DAY,
    DAY_S,
    HOUR_S,
    MINUTE_S,
    WEEK_S,
    Ago,
    Calendar,
    Day,
    Period,
    Position,
    Reading,
    Recent,
    Since,
    TimeMention,
    Until,
    clock_readings,
    hours_meant,
    mention,
)

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_NUM = r"(?:\d{1,5}(?:\.\d)?|[零〇一二两三四五六七八九十百]{1,6}|半|几|数)"
_SMALL = r"(?:\d{1,2}|[零〇一二两三四五六七八九十]{1,3})"
_UNITS = {"秒": 1, "分": MINUTE_S, "小": HOUR_S, "钟": HOUR_S, "刻": 900, "天": DAY_S, "日": DAY_S}
_UNITS |= {"周": WEEK_S, "星": WEEK_S, "礼": WEEK_S, "月": 30 * DAY_S, "年": 365 * DAY_S}
_UNIT = r"(?:秒钟|秒|分钟|分|个?半?小时|个?钟头|刻钟|个?星期|个?礼拜|个?月|周|天|日(?!号)|年)"
PARTS: dict[str, tuple[int, int]] = {
    "凌晨": (0, 6 * HOUR_S),
    "清晨": (5 * HOUR_S, 8 * HOUR_S),
    "早晨": (5 * HOUR_S, 10 * HOUR_S),
    "早上": (5 * HOUR_S, 12 * HOUR_S),
    "早": (5 * HOUR_S, 12 * HOUR_S),
    "上午": (6 * HOUR_S, 12 * HOUR_S),
    "中午": (11 * HOUR_S, 14 * HOUR_S),
    "午后": (12 * HOUR_S, 15 * HOUR_S),
    "下午": (12 * HOUR_S, 18 * HOUR_S),
    "傍晚": (17 * HOUR_S, 20 * HOUR_S),
    "晚上": (18 * HOUR_S, 24 * HOUR_S),
    "晚间": (18 * HOUR_S, 24 * HOUR_S),
    "晚": (18 * HOUR_S, 24 * HOUR_S),
    "夜里": (20 * HOUR_S, 30 * HOUR_S),
    "夜间": (20 * HOUR_S, 30 * HOUR_S),
    "夜": (20 * HOUR_S, 30 * HOUR_S),
    "半夜": (22 * HOUR_S, 30 * HOUR_S),
    "深夜": (22 * HOUR_S, 30 * HOUR_S),
    "午夜": (23 * HOUR_S, 25 * HOUR_S),
}
_PART = "|".join(sorted(PARTS, key=len, reverse=True))
_CLOCK = (
    rf"(?:{_SMALL}(?:点钟|点整|点半|点[一三]刻|点{_SMALL}分?|点|时半|时{_SMALL}分|时)"
    r"|\d{1,2}[:：]\d{2}(?:[:：]\d{2})?|正午|零点|午夜)"
)
_WD = "[一二三四五六日天末1-6]"
_DAY = (
    rf"(?:(?P<rel>大前天|前天|昨天|昨日|昨儿|今天|今日|今儿|当天)|(?P<relpart>[前昨今])(?=[早晚夜])"
    rf"|(?P<ndays>{_NUM})天(?:之?前|以前)"
    rf"|(?P<week>上上个?|上个?|这个?|本)?(?:周|星期|礼拜)(?P<wd>{_WD})"
    rf"|(?P<period>上上个?|上个?|这个?|本)(?P<punit>周末|周|星期|礼拜|月)"
    rf"|(?P<year>去年|今年|前年)(?!\d)(?:(?P<ym>{_SMALL})月(?:(?P<yd>{_SMALL})[日号])?)?|周末"
    rf"|(?:(?P<y>\d{{4}})[年./-])?(?P<mo>{_SMALL})[月./-](?P<d>{_SMALL})(?:[日号]|(?!\d|[月点]))"
    rf"|(?:(?P<y2>\d{{4}})年)?(?P<mo2>{_SMALL})月(?:份)?(?!\d)|(?P<y3>\d{{4}})年"
    rf"|(?P<dom>{_SMALL})[号日](?!线|楼|门|房|机|桌|车|码|台))"
)
_AFTER = r"(?:以后|之后|后(?=$|[，,。？?发有说谁出屏听看是]))"
_BEFORE = r"(?:以前|之前|前(?=$|[，,。？?发有说谁出屏听看是]))"
_LAST = (
    rf"(?P<since>以来|起(?!来)|开始(?:到现在)?|到现在|至今)|(?P<after>{_AFTER})|(?P<before>{_BEFORE})"
    r"|(?P<around>左右|前后)"
)


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_THINGS = _re("意见|建议|要求|内容|原因|问题|看法|不同|区别|好处|理由|想法|注意|说明|体会|经验")
JUST_NOW = _re("刚才|刚刚|方才|不久前|一会儿前|一会儿之前|最近(?![一二两三四五六七八九十几\\d])")
RECENT = _re(
    rf"(?:在?(?:过去|最近|近)的?这?|这(?=.{{1,4}}(?:里|以来|之内|内)))(?P<num>{_NUM})"
    rf"(?P<unit>{_UNIT})(?:之内|以内|以来|内|里|间)?"
)
AGO = _re(
    rf"(?:大约|大概|约)?(?P<num>{_NUM})(?P<mid>个半)?(?P<unit>{_UNIT})(?P<half>半)?(?:左右)?"
    r"(?:之前|以前|前(?!后|面|天|年|些))"
)
FIRST = _re(
    rf"(?:在?(?:开头|开始|最初)的?(?:前)?|前|头)(?P<num>{_NUM})(?P<unit>{_UNIT})(?:里|内|之内)?"
)
NTH = _re(rf"第(?P<num>{_SMALL})(?P<unit>秒|分钟|分|小时)(?:的?时候|处)?")
LAST_OF = _re(rf"(?:在?(?:结尾|最后)的?)(?P<num>{_NUM})(?P<unit>{_UNIT})(?:里|内)?")
BEGINNING = _re("(?:在)?(?:最开始|(?<![周期拜])一开始|开头|开始的时候|片头)")
END = _re("(?:在)?(?:结尾|末尾|片尾|快结束|结束的时候|最后的时候)")
CALENDAR = _re(
    rf"(?:从|自从|自|在|到)?(?:{_DAY}的?)?(?P<part>{_PART})?的?(?P<a>{_CLOCK})?"
    rf"(?:(?:到|至|[-~—–和与])(?P<part2>{_PART})?(?P<b>{_CLOCK})(?:之间|中间|期间)?)?"
    rf"(?:{_LAST})?(?:的?时候)?"
)


def parse_chinese(text: str) -> TimeMention | None:
    """Return the Chinese time words of a question, or None if it has none."""
    for pattern, read in _READERS:
        if found := pattern.search(text):
            readings = read(found)
            if readings:
                return mention(text, [found], readings, chinese=True)
    for found in CALENDAR.finditer(text):
        if found[0] and _says_when(found) and not _counts(text, found):
            readings = _read_calendar(found)
            if readings:
                return mention(text, [found], readings, chinese=True)
    return None


def _counts(text: str, match: re.Match[str]) -> bool:
    """Whether a lone "three o'clock" is three points of something."""
    is_lone = match["a"] and match[0] == match["a"] and match["a"].endswith("点")
    return bool(is_lone) and _THINGS.match(text, match.end()) is not None


def _says_when(match: re.Match[str]) -> bool:
    return (
        any(
            match[name]
            for name in (
                "rel",
                "relpart",
                "ndays",
                "wd",
                "period",
                "year",
                "mo",
                "mo2",
                "y3",
                "dom",
            )
            + ("part", "a")
        )
        or "周末" in match[0]
    )


def _read_calendar(match: re.Match[str]) -> list[Reading]:
    day = _read_day(match)
    part = PARTS[match["part"]] if match["part"] else None
    if match["relpart"] and match["part"] in ("夜", "晚") and match["relpart"] != "今":
        part = (18 * HOUR_S, 30 * HOUR_S)
    how = next((name for name in ("since", "after", "before", "around") if match[name]), "")
    if match["a"] and isinstance(day, Day):
        return _read_clock(match, day, part, how)
    if match["b"]:
        return []
    readings: list[Reading] = []
    of: list[Calendar | Period] = [day] if isinstance(day, Period) else []
    if isinstance(day, Day):
        start_s, end_s = part or (0, DAY_S)
        of = [Calendar(day, start_s, end_s)]
        if day.weekday is not None and day.week is None:
            of += [
                Calendar(Day(weekday=day.weekday, week=week), start_s, end_s) for week in (0, -1)
            ]
    for one in of:
        if how == "since":
            readings.append(Since(one))
        elif how == "after" and match["part"] == "中午" and isinstance(one, Calendar):
            readings.append(Calendar(one.day, 12 * HOUR_S, DAY_S))
        elif how == "after" and isinstance(one, Calendar):
            readings.append(Since(Calendar(one.day, one.end_s, one.end_s + MINUTE_S)))
        elif how == "before":
            readings.append(Until(one))
        else:
            readings.append(one)
    if isinstance(day, Period) and not how and day.offset == -1 and day.unit in ("week", "month"):
        readings.append(Recent(WEEK_S if day.unit == "week" else 30 * DAY_S))
    return readings


def _read_clock(
    match: re.Match[str], day: Day, part: tuple[int, int] | None, how: str
) -> list[Reading]:
    starts = _clock_seconds(match["a"], part)
    position_s, end_position_s = _position_seconds(match["a"]), None
    readings: list[Reading] = []
    if match["b"]:
        second = PARTS[match["part2"]] if match["part2"] else None
        spans = []
        for rank, (start_s, _) in enumerate(starts):
            for end_s, _ in _clock_seconds(match["b"], second):
                while end_s <= start_s:
                    end_s += DAY_S
                if end_s - start_s <= 12 * HOUR_S:
                    spans.append((rank, end_s - start_s, start_s, end_s))
        readings = [Calendar(day, start_s, end_s) for _, _, start_s, end_s in sorted(spans)]
        end_position_s = _position_seconds(match["b"])
        if position_s is not None and end_position_s is not None and day == ANY_DAY:
            readings.append(Position(position_s, end_position_s))
        return readings
    readings += clock_readings([(start_s, start_s + width) for start_s, width in starts], day, how)
    if position_s is not None and day == ANY_DAY:
        readings.append(Position(max(0.0, position_s - 5.0), position_s + 5.0))
    return readings


def _read_day(match: re.Match[str]) -> Day | Period:
    if match["rel"]:
        offsets = {"大": -3, "前": -2, "昨": -1, "今": 0, "当": 0}
        return Day(offset=offsets[match["rel"][0]])
    if match["relpart"]:
        return Day(offset={"前": -2, "昨": -1, "今": 0}[match["relpart"]])
    if match["ndays"]:
        return Day(offset=-round(_number(match["ndays"])))
    week = _weeks(match["week"]) if match["week"] else None
    if match["wd"]:
        if match["wd"] == "末":
            return Period("weekend", week or 0)
        number = "一二三四五六".find(match["wd"])
        number = number if number >= 0 else "123456".find(match["wd"])
        return Day(weekday=number if number >= 0 else 6, week=week)
    if match["period"]:
        units = {"周末": "weekend", "月": "month"}
        return Period(units.get(match["punit"], "week"), _weeks(match["period"]))  # type: ignore[arg-type]
    if match["year"]:
        offset = {"今": 0, "去": -1, "前": -2}[match["year"][0]]
        if match["ym"] and match["yd"]:
            return Day(month=_int(match["ym"]), day=_int(match["yd"]))
        if match["ym"]:
            return Period("month", month=_int(match["ym"]))
        return Period("year", offset)
    if match["mo"]:
        year = int(match["y"]) if match["y"] else None
        return Day(month=_int(match["mo"]), day=_int(match["d"]), year=year)
    if match["mo2"]:
        year = int(match["y2"]) if match["y2"] else None
        return Period("month", month=_int(match["mo2"]), year=year)
    if match["y3"]:
        return Period("year", year=int(match["y3"]))
    if match["dom"]:
        return Day(day=_int(match["dom"]))
    return Period("weekend") if "周末" in match[0] else ANY_DAY


def _weeks(word: str) -> int:
    return -2 if word.startswith("上上") else -1 if word.startswith("上") else 0


def _clock_seconds(words: str, part: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return (second of the day, how long that minute or second is), likelier first."""
    if words == "正午":
        return [(12 * HOUR_S, MINUTE_S)]
    if words in ("零点", "午夜"):
        return [(0, MINUTE_S), (DAY_S, MINUTE_S)]
    if written := re.fullmatch(r"(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?", words):
        hour, minute, second = (int(group or 0) for group in written.groups())
        width = 10 if written[3] else MINUTE_S
    else:
        said = re.fullmatch(rf"({_SMALL})[点时](.*)", words)
        assert said is not None
        hour, second, width = _int(said[1]), 0, MINUTE_S
        rest = said[2].rstrip("分")
        minutes = {"": 0, "钟": 0, "整": 0, "半": 30, "一刻": 15, "三刻": 45}
        minute = minutes[rest] if rest in minutes else _int(rest)
    if hour > 24 or minute > 59 or second > 59:
        return []
    if hour == 12 and part is not None and part[1] > DAY_S:
        hour = 24
    offset = minute * MINUTE_S + second
    hours = [hour] if hour == 24 and part is not None else hours_meant(hour, part)
    if hour == 12 and part is not None and part[0] >= 18 * HOUR_S:
        hours = [24]  # "twelve in the evening" is midnight
    return [(h * HOUR_S + offset, width) for h in hours]


def _position_seconds(words: str) -> float | None:
    written = re.fullmatch(r"(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?", words)
    if written is None or int(written[2]) > 59:
        return None
    if written[3] is None:
        return int(written[1]) * 60.0 + int(written[2])
    return int(written[1]) * 3600.0 + int(written[2]) * 60.0 + int(written[3])


def _read_ago(match: re.Match[str]) -> list[Reading]:
    seconds = _seconds(match)
    unit = match["unit"].removeprefix("个").removeprefix("半")[0]
    if match["mid"] or match["half"]:
        seconds += 0.5 * _UNITS[unit]
    is_rough = match["num"] in ("几", "数")
    if unit in "天日" and not is_rough and seconds % DAY_S == 0:
        return []  # a day of the calendar, which a part or a clock time may follow
    return [Ago(seconds, max(15.0, (0.5 if is_rough else 0.2) * seconds))]


def _seconds(match: re.Match[str]) -> float:
    unit = match["unit"].removeprefix("个")
    number = _number(match["num"])
    if unit.startswith("半"):
        number, unit = number + 0.5, unit[1:]
    return number * _UNITS[unit[0]]


def _number(words: str) -> float:
    if words == "半":
        return 0.5
    if words in ("几", "数"):
        return 4.0
    if re.fullmatch(r"[\d.]+", words):
        return float(words)
    hundreds, _, rest = words.rpartition("百")
    tens, ten, ones = rest.rpartition("十")
    number = 100 * (_digits(hundreds) if hundreds else 0)
    if ten:
        return float(number + 10 * (_digits(tens) if tens.strip("零〇") else 1) + _digits(ones))
    return float(number + _digits(ones))


def _digits(words: str) -> int:
    return int("".join(str(_DIGITS.get(c, 0)) for c in words) or 0)


def _int(words: str) -> int:
    return int(_number(words))


def _around_nth(match: re.Match[str]) -> list[Reading]:
    scale = _UNITS[match["unit"][0]]
    start_s = (_number(match["num"]) - (1 if scale >= MINUTE_S else 0)) * scale
    if scale < MINUTE_S:
        return [Position(max(0.0, start_s - 5.0), start_s + 5.0)]
    return [Position(start_s, start_s + scale)]


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[Reading]]], ...] = (
    (NTH, _around_nth),
    (LAST_OF, lambda match: [Position(-_seconds(match), None), Recent(_seconds(match))]),
    (RECENT, lambda match: [Recent(_seconds(match))]),
    (AGO, _read_ago),
    (FIRST, lambda match: [Position(0.0, _seconds(match)), Recent(_seconds(match))]),
    (JUST_NOW, lambda match: [Recent(300.0)]),
    (BEGINNING, lambda match: [Position(0.0, 60.0)]),
    (END, lambda match: [Position(-60.0, None)]),
)
