from __future__ import annotations

from omnilive.events import Span
from omnilive.reasoning.from_above import lines_of
from reasoning_support import KEYS, ask, moment

DAY_S = 86_400
MONTH = (Span(1, 0, 31 * DAY_S * 10**9, "2026-10-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00"),)


def digest(name: str, day: int, text: str) -> object:
    return moment(
        name,
        "digest",
        0,
        0,
        text,
        start_ns=day * DAY_S * 10**9,
        end_ns=(day + 1) * DAY_S * 10**9,
        at=f"2026-10-{day + 1:02}T00:00:00.000+02:00",
    )


FIRST = digest(
    "d1-0",
    0,
    "08:00:05 heard: The harvest begins.\n09:30:00 read: Market at ten\n"
    "10:00:00 sound: loud sound\n11:00:00 something moved\n12:00:00 sound: silence",
)
SECOND = digest("d1-86400000", 1, "07:15:00 heard: The barn door is broken.")


def test_a_long_stretch_is_told_from_its_digests_which_are_cited() -> None:
    answer = ask(
        "What happened in October?",
        spans=MONTH,
        time_words="in October",
        within=(KEYS,),
        within_total=400_000,
        digests=(FIRST, SECOND),
    )
    assert answer.known
    for words in ("The harvest begins.", "The barn door is broken.", "Market at ten", "400000"):
        assert words in answer.text.replace(",", ""), words
    assert "2026-10-01 at 08:00:05" in answer.text
    assert KEYS.text not in answer.text
    assert {one.id for one in answer.citations} == {"d1-0", "d1-86400000"}
    assert all(one.kind == "digest" for one in answer.citations)
    # A citation holds the lines that were used, not the whole day.
    assert any(one.text == "07:15:00 The barn door is broken." for one in answer.citations)


def test_only_what_was_said_is_told_where_only_that_is_asked() -> None:
    answer = ask(
        "What was said in October?",
        spans=MONTH,
        time_words="in October",
        within=tuple(
            moment(f"u1-{second}000", "speech", second, second + 1, f"Row {second}.")
            for second in range(30)
        ),
        within_total=400_000,
        digests=(FIRST, SECOND),
    )
    assert "The harvest begins." in answer.text
    assert "Market" not in answer.text


def test_lines_of_a_month_carry_their_own_dates() -> None:
    month = digest("n1-0", 0, "2026-10-03 07:15:00 heard: Snow.\nnot a line\n2026-10-04 01:00:00 x")
    ((line,),) = lines_of([month])
    assert (line.kind, line.text, line.at) == ("speech", "Snow.", "2026-10-03T07:15:00.000+02:00")
    assert line.start_ns == (2 * DAY_S + 7 * 3600 + 15 * 60) * 10**9 or line.end_ns
    assert line.id == "n1-0"


def test_a_month_without_a_word_is_quiet() -> None:
    answer = ask(
        "What happened in October?",
        spans=MONTH,
        time_words="in October",
        within=(),
        within_total=900,
        digests=(digest("d1-0", 0, "11:00:00 something moved"),),
    )
    assert answer.citations == ()
