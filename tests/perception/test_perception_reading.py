from __future__ import annotations

import numpy as np
import pytest

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled
from omnilive.events import NS_PER_S, SceneText
from omnilive.perception.grid import COLUMNS, ROWS, cells_of_box
from omnilive.perception.reading_schedule import ReadingConfig
from omnilive.perception.screen_lines import ScreenLines, is_same
from omnilive.perception.stage import Seeing, SeeingConfig, build_reader
from perception_support import clips_of, draw, ended, feed, frame, grain, line, started

NOTHING = np.zeros((ROWS, COLUMNS), np.bool_)
EVERYTHING = ~NOTHING


# --- the real reader ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader():
    reader = build_reader(ReadingConfig())
    yield reader
    reader.close()


SIGN = draw(
    1280, 720, texts=[("The quick brown fox", 0.1, 0.2, 40), ("Platform 9: London", 0.5, 0.7, 24)]
)


def test_text_is_read_where_it_stands(reader):
    first, second = reader.read(SIGN, Cancel())
    assert (first.text, second.text) == ("The quick brown fox", "Platform 9: London")
    assert first.confidence > 0.9
    assert (first.left, first.top) == pytest.approx((0.1, 0.2), abs=0.03)
    assert (second.left, second.top) == pytest.approx((0.5, 0.7), abs=0.03)
    assert second.right <= 1
    assert second.bottom == pytest.approx(0.74, abs=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 3), (400, 20, 3), (300, 400, 3)])
def test_pictures_without_text_have_no_lines(reader, shape):
    assert reader.read(np.full(shape, 90, np.uint8), Cancel()) == ()


def test_a_child_that_dies_is_started_again(reader):
    first = reader.read(SIGN, Cancel())
    reader._process.kill()
    reader._process.wait()
    assert reader.read(SIGN, Cancel()) == first


def test_a_turn_that_is_cut_is_given_up_and_the_next_one_is_read(reader):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        reader.read(SIGN, cancel)
    assert len(reader.read(SIGN, Cancel())) == 2


def test_a_child_that_takes_too_long_is_ended_and_told():
    hasty = build_reader(ReadingConfig(max_reading_s=0.01))
    with pytest.raises(BackendError, match="stopped twice"):
        hasty.read(SIGN, Cancel())
    hasty.close()
    hasty.close()
    with pytest.raises(Cancelled):
        hasty.read(SIGN, Cancel())


def test_closing_ends_the_child():
    reader = build_reader(ReadingConfig())
    reader.read(SIGN, Cancel())
    child = reader._process
    reader.close()
    assert child.poll() is not None


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("omnilive.perception.reading.find_spec", lambda name: None)
    with pytest.raises(BackendError, match="pip install"):
        build_reader(ReadingConfig())
    assert build_reader(ReadingConfig(enabled=False)) is None


def test_two_minutes_of_a_noisy_room_with_a_clock_and_two_notices(reader):
    """The contract in short, with the real reader."""
    counted = Counted(reader)
    seeing = Seeing(SeeingConfig(), counted)
    found = feed(seeing, [started(video=True)])
    for second in range(120):
        clock = f"09:{58 + second // 60}:{second % 60:02}"
        texts = [("MEETING ROOM 4", 0.1, 0.15, 28), (clock, 0.78, 0.03, 24)]
        if second >= 70:
            texts.append(("Fire drill at noon", 0.1, 0.7, 28))
        pixels = draw(640, 360, texts=texts, ball=(0.6, 0.5))
        found += feed(seeing, [frame(second, grain(pixels, 5, seed=second))])
    found += feed(seeing, [ended(120 * NS_PER_S)])
    texts = [(e.at_ns / NS_PER_S, [x.text for x in e.lines]) for e in found if type(e) is SceneText]
    assert texts[0][1][-1] == "MEETING ROOM 4"
    assert texts[1][0] == pytest.approx(71, abs=2)
    assert texts[1][1] == ["Fire drill at noon"]
    assert len(texts) == 2
    assert counted.num_readings <= 6
    assert len(clips_of(found)) <= 9


class Counted:
    def __init__(self, reader):
        self.reader = reader
        self.num_readings = 0

    def read(self, pixels, cancel):
        self.num_readings += 1
        return self.reader.read(pixels, cancel)

    def close(self):
        """The real one is closed by the fixture."""


# --- which lines are new ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (line("Welcome to the meeting"), line("Welcome to the rneeting"), True),
        (line("Welcome to the meeting"), line("Welcome to the meeting", top=0.8), True),
        (line("Exit"), line("Exit", top=0.8), False),
        (line("Exit"), line("Exit", top=0.21), True),
        (line("Exit"), line("Edit"), False),
        (line("Score 12 : 10 points"), line("Score 13 : 10 points"), False),
        (line("ROOM 4"), line("R00M 4"), True),
        (
            line("Price 12.50 for adults and children"),
            line("Price 12.75 for adults and children"),
            False,
        ),
        (line("Gate 10 is open"), line("Gate 15 is open"), False),
        (line("12:34:56"), line("12:34:57"), True),
        (line("2026-11-22 12:34:56"), line("2026-11-22 12.35.01"), True),
        (line("2026-11-22 23:59:59"), line("2026-11-23 00:00:00"), False),
        (line("..."), line("Exit"), False),
    ],
)
def test_which_lines_are_the_same(one, other, same):
    assert is_same(one, other) == same
    assert is_same(other, one) == same


def test_a_line_missed_once_is_not_new_when_it_is_read_again():
    lines = ScreenLines()
    title, note = line("Title of the talk"), line("Page 3", top=0.8)
    assert lines.update([title, note], EVERYTHING, NOTHING) == (title, note)
    elsewhere = NOTHING.copy()
    elsewhere[cells_of_box(0.6, 0.4, 0.9, 0.6)] = True
    assert lines.update([title], elsewhere, NOTHING) == ()
    assert lines.update([title, note], elsewhere, NOTHING) == ()


def test_a_line_that_went_away_is_new_when_it_comes_back():
    lines = ScreenLines()
    title, other = line("Title of the talk"), line("Questions and answers")
    lines.update([title], EVERYTHING, NOTHING)
    assert lines.update([other], EVERYTHING, NOTHING) == (other,)
    assert lines.update([title], EVERYTHING, NOTHING) == (title,)


def test_text_where_everything_changes_all_the_time_is_left_out():
    masked = NOTHING.copy()
    masked[cells_of_box(0.7, 0.0, 1.0, 0.2)] = True
    clock, title = line("12:00:07", left=0.75, top=0.05), line("Title of the talk")
    assert ScreenLines().update([clock, title], EVERYTHING, masked) == (title,)
