"""Time words in ordinary English and Chinese, against streams with outages and changed clocks."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from time_cases import CHINESE, ENGLISH, Scene, Watched

from omnilive.events import NS_PER_S, Span
from omnilive.memory.time_expressions import parse
from omnilive.memory.time_spans import ResolvedTime, resolve
from omnilive.memory.timeline import Anchor, Epoch, Timeline

S = NS_PER_S


def wall(local: str, zone: str) -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


def stream(
    zone: str, watched: Watched, *, live: bool = True, origin: str = "live", number: int = 1
) -> Timeline:
    """A stream whose time goes on by the true gap between the stretches that were watched."""
    first = wall(watched[0][0], zone)
    epochs = []
    for index, (start, end) in enumerate(watched):
        start_ns, length_ns = wall(start, zone) - first, wall(end, zone) - wall(start, zone)
        epochs.append(
            Epoch(
                id=index + 1,
                start_ns=start_ns,
                end_ns=start_ns + length_ns,
                wall_ns=wall(start, zone),
                zone=zone,
                origin=origin,
                live=live,
                source="x",
                file="",
                file_start_ns=0,
                anchors=(Anchor(start_ns, wall(start, zone)),),
            )
        )
    return Timeline(number, "x", tuple(epochs))


def ask(question: str, line: Timeline, now_wall_ns: int) -> ResolvedTime | None:
    mention = parse(question)
    if mention is None:
        return None
    return resolve(mention, [line], {line.stream: line.end_ns}, now_wall_ns)


def shown(span: Span, *, offset: bool) -> str:
    def one(at: str) -> str:
        clock = at[11:16] if at[17:19] == "00" else at[11:19]
        return f"{at[5:10]} {clock}" + (at[23:26] if offset else "")

    return f"{one(span.start_at)} - {one(span.end_at)}"


def cases(scenes: tuple[Scene, ...]) -> list[tuple[str, Watched, str, str, str]]:
    return [
        (zone, watched, now, question, expected)
        for zone, watched, now, asked in scenes
        for question, expected in asked
    ]


def check(zone: str, watched: Watched, now: str, question: str, expected: str) -> None:
    found = ask(question, stream(zone, watched), wall(now, zone))
    if expected in ("no time", "not watched"):
        assert (found is None) == (expected == "no time")
        assert found is None or (found.spans == () and found.problem)
        return
    assert found is not None
    offset = re.search(r":\d\d[+-]\d\d", expected) is not None
    assert ", ".join(shown(span, offset=offset) for span in found.spans) == expected
    assert not found.problem


@pytest.mark.parametrize(("zone", "watched", "now", "question", "expected"), cases(ENGLISH))
def test_english(zone: str, watched: Watched, now: str, question: str, expected: str) -> None:
    check(zone, watched, now, question, expected)


@pytest.mark.parametrize(("zone", "watched", "now", "question", "expected"), cases(CHINESE))
def test_chinese(zone: str, watched: Watched, now: str, question: str, expected: str) -> None:
    check(zone, watched, now, question, expected)


def test_there_are_enough_cases_of_each_language() -> None:
    assert min(len(cases(ENGLISH)), len(cases(CHINESE))) >= 120


FILM: Watched = (("2019-05-01 12:00:00", "2019-05-01 13:00:00"),)


@pytest.mark.parametrize(
    ("question", "start_s", "end_s"),
    [
        ("1:20说了什么", 75, 85),
        ("0:45到1:10", 45, 70),
        ("第三分钟", 120, 180),
        ("前两分钟", 0, 120),
        ("开头说了什么", 0, 60),
        ("结尾", 3540, 3600),
        ("最后两分钟", 3480, 3600),
        ("第30秒", 25, 35),
        ("twenty five minutes in", 1495, 1505),
        ("0:45-1:10", 45, 70),
    ],
)
def test_a_film_is_asked_by_position(question: str, start_s: int, end_s: int) -> None:
    film = stream("UTC", FILM, live=False, origin="creation")
    found = ask(question, film, wall("2026-11-20 10:00:00", "UTC"))
    assert found is not None
    assert [(span.start_ns // S, span.end_ns // S) for span in found.spans] == [(start_s, end_s)]


def test_a_clock_that_was_set_back_shows_the_same_hour_twice() -> None:
    zone = "Europe/Berlin"
    (first,) = stream(zone, (("2026-11-20 10:00:00", "2026-11-20 15:00:00"),)).epochs
    # At 15:00 the clock is set back by three hours: stream time goes on, its meaning does not.
    stepped = wall("2026-11-20 12:00:00", zone)
    second = first._replace(
        id=2,
        start_ns=first.end_ns,
        end_ns=first.end_ns + 4 * 3600 * S,
        wall_ns=stepped,
        anchors=(Anchor(first.end_ns, stepped),),
    )
    line = Timeline(1, "x", (first, second))
    now = wall("2026-11-20 16:00:00", zone)
    both = ask("today between 1 pm and 2 pm", line, now)
    assert both is not None
    assert [shown(span, offset=False) for span in both.spans] == ["11-20 13:00 - 11-20 14:00"] * 2
    assert [span.start_ns // (3600 * S) for span in both.spans] == [3, 6]
    recent = ask("半小时前", line, now)
    assert recent is not None
    assert [span.end_ns // (60 * S) for span in recent.spans] == [9 * 60 - 24]


def test_a_clock_that_was_set_forward_leaves_hours_that_nobody_watched() -> None:
    zone = "Asia/Shanghai"
    (first,) = stream(zone, (("2026-11-20 08:00:00", "2026-11-20 09:00:00"),)).epochs
    stepped = wall("2026-11-20 13:00:00", zone)
    second = first._replace(
        id=2,
        start_ns=first.end_ns,
        end_ns=2 * first.end_ns,
        wall_ns=stepped,
        anchors=(Anchor(first.end_ns, stepped),),
    )
    line = Timeline(1, "x", (first, second))
    now = wall("2026-11-20 14:00:00", zone)
    missing = ask("今天上午十点", line, now)
    assert missing is not None
    assert missing.spans == ()
    assert "今天上午十点" in missing.problem
    ago = ask("90 minutes ago", line, now)
    assert ago is not None
    # Ninety minutes ago by any clock that was not set: in the first hour.
    assert [span.start_ns // (60 * S) for span in ago.spans] == [12]


def test_what_has_two_meanings_says_which_was_taken() -> None:
    zone = "Europe/Berlin"
    line = stream(zone, (("2026-11-18 00:00:00", "2026-11-20 18:00:00"),))
    now = wall("2026-11-20 18:00:00", zone)
    found = ask("yesterday between 3 and 4", line, now)
    assert found is not None
    assert found.note == ('I took "yesterday between 3 and 4" as 2026-11-19 15:00:00 to 16:00:00.')
    chinese = ask("昨天三点到四点之间", line, now)
    assert chinese is not None
    assert "15:00:00" in chinese.note
    plain = ask("yesterday between 3 pm and 4 pm", line, now)
    assert plain is not None
    assert plain.note == ""


def test_the_reading_that_was_watched_is_taken() -> None:
    zone = "Europe/Berlin"
    night = stream(zone, (("2026-11-19 22:00:00", "2026-11-20 06:00:00"),))
    found = ask("between 3 and 4", night, wall("2026-11-20 18:00:00", zone))
    assert found is not None
    assert [shown(span, offset=False) for span in found.spans] == ["11-20 03:00 - 11-20 04:00"]
    assert "03:00:00" in found.note
    # Ten seconds of the afternoon hour were watched too, but the night hour is whole.
    both = stream(
        zone,
        (
            ("2026-11-19 22:00:00", "2026-11-20 06:00:00"),
            ("2026-11-20 15:59:50", "2026-11-20 18:00:00"),
        ),
    )
    found = ask("between 3 and 4", both, wall("2026-11-20 18:00:00", zone))
    assert found is not None
    assert [shown(span, offset=False) for span in found.spans] == ["11-20 03:00 - 11-20 04:00"]


def test_last_week_is_the_last_seven_days_if_no_more_was_watched() -> None:
    zone = "Europe/Berlin"
    line = stream(zone, (("2026-11-16 00:00:00", "2026-11-20 18:00:00"),))
    found = ask("what happened last week?", line, wall("2026-11-20 18:00:00", zone))
    assert found is not None
    assert found.spans[0].start_ns == 0
    assert found.note


def test_streams_in_two_zones_are_each_asked_by_their_own_clock() -> None:
    berlin = stream("Europe/Berlin", (("2026-11-18 00:00:00", "2026-11-20 18:00:00"),))
    shanghai = stream("Asia/Shanghai", (("2026-11-18 07:00:00", "2026-11-21 01:00:00"),), number=2)
    mention = parse("yesterday at noon")
    assert mention is not None
    now = wall("2026-11-20 12:00:00", "Europe/Berlin")
    found = resolve(mention, [berlin, shanghai], {1: berlin.end_ns, 2: shanghai.end_ns}, now)
    assert [span.start_at[:19] for span in found.spans] == ["2026-11-19T12:00:00"] * 2
    assert [span.start_at[-6:] for span in found.spans] == ["+01:00", "+08:00"]
