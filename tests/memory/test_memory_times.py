from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.events import NS_PER_S
from omnilive.memory.time_expressions import parse
from omnilive.memory.time_spans import resolve
from omnilive.memory.timeline import Anchor, Epoch, Timeline

S = NS_PER_S
BERLIN = ZoneInfo("Europe/Berlin")


def wall(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * S


def line(
    start: str, length_s: int, *, live: bool = True, origin: str = "live", stream: int = 1
) -> Timeline:
    start_wall = wall(start)
    epoch = Epoch(
        id=stream,
        start_ns=0,
        end_ns=length_s * S,
        wall_ns=start_wall,
        zone="Europe/Berlin",
        origin=origin,
        live=live,
        source="x",
        file="",
        file_start_ns=0,
        anchors=(Anchor(0, start_wall),),
    )
    return Timeline(stream, "x", (epoch,))


# Watched from Monday 2026-11-16 08:00 to Friday 2026-11-20 18:00, asked at that end.
WEEK = line("2026-11-16 08:00:00", 4 * 86_400 + 36_000)
FILM = line("2019-05-01 12:00:00", 3600, live=False, origin="creation")
GIVEN = line("2026-11-20 12:00:00", 3600, live=False, origin="given")


def spans(question: str, timeline: Timeline, now: str | None = None) -> list[tuple[str, str]]:
    mention = parse(question)
    assert mention is not None, question
    end = timeline.end_ns
    now_ns = timeline.wall_at(end) if now is None else wall(now)
    found = resolve(mention, [timeline], {timeline.stream: end}, now_ns)
    return [(span.start_at[:19], span.end_at[:19]) for span in found.spans]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("what happened in the last 5 minutes?", "20T17:55:00", "20T18:00:00"),
        ("in the past hour", "20T17:00:00", "20T18:00:00"),
        ("what was said ten minutes ago?", "20T17:48:00", "20T17:52:00"),
        ("an hour ago", "20T16:48:00", "20T17:12:00"),
        ("half an hour ago", "20T17:24:00", "20T17:36:00"),
        ("this morning", "20T05:00:00", "20T12:00:00"),
        ("what was said this afternoon", "20T12:00:00", "20T18:00:00"),
        ("yesterday", "19T00:00:00", "20T00:00:00"),
        ("the day before yesterday", "18T00:00:00", "19T00:00:00"),
        ("yesterday between 3 and 4", "19T15:00:00", "19T16:00:00"),
        ("between 3 and 4 yesterday morning?", "19T03:00:00", "19T04:00:00"),
        ("yesterday between 9 and 10:30", "19T09:00:00", "19T10:30:00"),
        ("at 12:30", "20T12:30:00", "20T12:31:00"),
        ("at 3 pm", "20T15:00:00", "20T15:01:00"),
        ("from 3 to 4 pm", "20T15:00:00", "20T16:00:00"),
        ("between 11 am and 1 pm", "20T11:00:00", "20T13:00:00"),
        ("at noon", "20T12:00:00", "20T12:01:00"),
        ("last Tuesday", "17T00:00:00", "18T00:00:00"),
        ("on Wednesday evening", "18T17:00:00", "19T00:00:00"),
        ("last night", "19T18:00:00", "20T06:00:00"),
        ("on November 17", "17T00:00:00", "18T00:00:00"),
        ("on 2026-11-18", "18T00:00:00", "19T00:00:00"),
        ("two days ago", "18T00:00:00", "19T00:00:00"),
        ("after 5 pm", "20T17:00:00", "20T18:00:00"),
        ("since 16:30", "20T16:30:00", "20T18:00:00"),
        ("before 9:00", "20T00:00:00", "20T09:00:00"),
        ("around 12:30 yesterday", "19T12:20:00", "19T12:41:00"),
    ],
)
def test_a_live_stream_is_asked_by_the_clock(question: str, start: str, end: str) -> None:
    assert spans(question, WEEK) == [(f"2026-11-{start}", f"2026-11-{end}")]


@pytest.mark.parametrize(
    ("question", "start_s", "end_s"),
    [
        ("what was said at 0:45?", 40, 50),
        ("between 1:20 and 2:05", 80, 125),
        ("in the first minute", 0, 60),
        ("in the first 30 seconds of the video", 0, 30),
        ("at the beginning", 0, 60),
        ("at the end", 3540, 3600),
        ("near the end of the film", 3540, 3600),
        ("in the last 2 minutes of the video", 3480, 3600),
        ("in the last two minutes", 3480, 3600),
        ("between minute 2 and 3", 120, 180),
        ("between 2 and 3 minutes", 120, 180),
        ("at minute 5", 295, 360),
        ("ten minutes in", 595, 605),
        ("5 minutes into the talk", 295, 305),
        ("at 12:30", 745, 755),
    ],
)
def test_a_film_is_asked_by_position(question: str, start_s: int, end_s: int) -> None:
    origin = datetime(2019, 5, 1, 12)
    shown = tuple((origin + timedelta(seconds=s)).isoformat() for s in (start_s, end_s))
    assert spans(question, FILM, now="2026-11-20 10:00:00") == [shown]


def test_a_film_whose_time_was_given_is_asked_by_the_clock() -> None:
    assert spans("at 12:30", GIVEN) == [("2026-11-20T12:30:00", "2026-11-20T12:31:00")]


def test_a_position_is_taken_when_the_clock_time_was_not_watched() -> None:
    assert spans("at 0:45", GIVEN) == [("2026-11-20T12:00:40", "2026-11-20T12:00:50")]


@pytest.mark.parametrize(
    "question",
    [
        "where did Anna put the keys?",
        "did she mention about three people?",
        "between 3 and 4 boxes were moved",
        "what happened at one point?",
        "what should I ask?",
        "who was first?",
        "is it the end of the world?",
        "what is 12:75?",
    ],
)
def test_other_words_are_no_time(question: str) -> None:
    assert parse(question) is None


def test_a_time_that_was_not_watched_is_said() -> None:
    mention = parse("what happened yesterday?")
    assert mention is not None
    found = resolve(mention, [GIVEN], {1: GIVEN.end_ns}, wall("2026-11-20 14:00:00"))
    assert found.spans == ()
    assert "yesterday" in found.problem
    assert "2026-11-20 12:00:00" in found.problem


def test_time_words_are_taken_out_of_the_question() -> None:
    mention = parse("what did she say about the bridge yesterday between 3 and 4?")
    assert mention is not None
    assert mention.words == "yesterday between 3 and 4"
    assert "bridge" in mention.rest
    assert "yesterday" not in mention.rest


def test_a_day_on_which_the_clocks_change_keeps_its_clock() -> None:
    # 2026-10-25: at 3:00 the clock goes back to 2:00, so the day has 25 hours.
    autumn = line("2026-10-24 00:00:00", 3 * 86_400)
    found = spans("at 9:00 yesterday", autumn, now="2026-10-26 12:00:00")
    assert found == [("2026-10-25T09:00:00", "2026-10-25T09:01:00")]


def test_an_outage_is_left_out_of_the_spans() -> None:
    first, second = WEEK.epochs[0], WEEK.epochs[0]
    hour = 3600 * S
    first = first._replace(end_ns=hour)
    start = first.wall_ns + 9 * hour
    second = second._replace(
        id=2, start_ns=9 * hour, end_ns=10 * hour, wall_ns=start, anchors=(Anchor(9 * hour, start),)
    )
    both = Timeline(1, "x", (first, second))
    found = spans("today", both, now="2026-11-16 20:00:00")
    assert found == [
        ("2026-11-16T08:00:00", "2026-11-16T09:00:00"),
        ("2026-11-16T17:00:00", "2026-11-16T18:00:00"),
    ]


def test_anchors_correct_a_clock_that_drifts() -> None:
    epoch = WEEK.epochs[0]
    hour = 3600 * S
    drifted = epoch._replace(anchors=(*epoch.anchors, Anchor(hour, epoch.wall_ns + hour + 6 * S)))
    assert drifted.wall_at(hour // 2) == epoch.wall_ns + hour // 2 + 3 * S
    assert drifted.wall_at(2 * hour) == epoch.wall_ns + 2 * hour + 6 * S
    for at_ns in (0, hour // 3, hour, 3 * hour):
        assert drifted.at_wall(drifted.wall_at(at_ns)) == pytest.approx(at_ns, abs=1)


@given(st.text(max_size=400))
def test_any_text_can_be_read(question: str) -> None:
    mention = parse(question)
    if mention is not None:
        found = resolve(mention, [WEEK], {1: WEEK.end_ns}, WEEK.wall_at(WEEK.end_ns))
        for span in found.spans:
            assert 0 <= span.start_ns < span.end_ns <= WEEK.end_ns


@given(
    st.sampled_from(["at {}", "between {} and {}", "{} minutes ago", "the last {} hours", "{}:{}"]),
    st.integers(0, 99_999),
    st.integers(0, 99),
)
def test_any_number_can_be_read(pattern: str, a: int, b: int) -> None:
    mention = parse("what happened " + pattern.format(a, b) + "?")
    if mention is not None:
        resolve(mention, [WEEK, FILM._replace(stream=2)], {1: WEEK.end_ns, 2: 1}, 10**15)


def test_local_times_carry_their_offset() -> None:
    assert WEEK.local_at(0) == "2026-11-16T08:00:00.000+01:00"
    assert datetime.fromisoformat(WEEK.local_at(0)).astimezone(UTC).hour == 7
