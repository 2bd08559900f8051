"""Every way sound can be short, as a hand-made sequence: what is counted and what is said."""

from __future__ import annotations

import numpy as np
import pytest

from omnilive.events import NS_PER_S, SAMPLE_RATE
from omnilive.web.placing import PicturePlace, SoundPlace
from omnilive.web.sound_health import CODES, Health, SoundHealth

MS = 1_000_000
PIECE = 20 * MS


class Line:
    """A microphone's way here: sound as it arrives, counted once a second."""

    def __init__(self) -> None:
        self.now = 0
        self.sent = 0
        self.lost = 0
        self.health = SoundHealth(0)
        self.place = SoundPlace()
        self.told: list[Health] = []
        self.placed: list[tuple[int, int]] = []

    def run(self, seconds: float, *, pace: float = 1.0) -> None:
        """Sound arrives; `pace` is how fast its own clock goes."""
        for _ in range(round(seconds * 50 * pace)):
            self.now += round(PIECE / pace)
            self.arrive()
            self.each_second(round(PIECE / pace))

    def arrive(self) -> None:
        self.health.sound(self.sent, PIECE, self.now)
        at = self.place.place(self.sent, self.now)
        if at is not None:
            self.placed.append((self.sent, at))
            if self.place.slip_ns:
                self.health.slipped(self.place.slip_ns, self.place.silent_ns, self.now)
        self.sent += PIECE

    def each_second(self, step: int) -> None:
        if self.now // NS_PER_S > (self.now - step) // NS_PER_S:
            self.health.packets(self.lost, self.now)
            found = self.health.check(self.now)
            if found is not None:
                self.told.append(found)

    def wait(self, seconds: float) -> None:
        """Time goes by and nothing arrives."""
        for _ in range(round(seconds * 50)):
            self.now += PIECE
            self.each_second(PIECE)

    @property
    def codes(self) -> list[str]:
        return [code for health in self.told for code in health.codes]


@pytest.fixture
def line() -> Line:
    return Line()


def test_whole_sound_is_no_problem(line: Line) -> None:
    line.run(60)
    assert line.told == []
    counts = line.health.counts
    assert counts.received_ms == 60_000
    assert counts.lost_ms + counts.unsent_ms + counts.stalled_ms == 0
    assert {at - sent for sent, at in line.placed} == {0}


def test_lost_packets_are_counted_and_said_and_forgotten(line: Line) -> None:
    line.run(3)
    line.lost += 10
    line.sent += 10 * PIECE
    line.now += 10 * PIECE
    line.run(3)
    assert line.codes == ["loss"]
    assert line.told[0].problems == ("The network lost 0.2 s of your sound in the last 10 s.",)
    assert line.health.counts.lost_ms == 200
    assert line.health.counts.unsent_ms == 0
    assert line.health.counts.lost_packets == 10
    line.run(15)
    assert line.told[-1].codes == ()


def test_silence_that_is_not_sent_is_no_loss(line: Line) -> None:
    line.run(2.5)
    for _ in range(5):
        line.sent += 400 * MS
        line.now += 400 * MS
        line.run(0.02)
    line.run(3)
    assert line.codes == ["dtx"]
    assert line.health.counts.unsent_ms == 2000
    assert line.health.counts.lost_ms == 0


def test_a_page_that_stood_still(line: Line) -> None:
    """Nothing for 1.5 s, then sound goes on as if no time had passed."""
    line.run(5)
    line.wait(1.5)
    line.run(5)
    assert line.codes == ["page"]
    assert line.health.counts.stalled_ms == pytest.approx(1500, abs=30)
    before, after = line.placed[0], line.placed[-1]
    assert before[1] - before[0] == 0
    assert after[1] - after[0] == pytest.approx(1500 * MS, abs=30 * MS)


def test_a_network_that_held_sound_up_loses_nothing(line: Line) -> None:
    """Nothing for 1.5 s, then all of it at once."""
    line.run(5)
    line.wait(1.5)
    for _ in range(75):
        line.arrive()
    line.run(5)
    assert line.codes == []
    assert {at - sent for sent, at in line.placed} == {0}


def test_a_capture_that_stalls_slips_against_the_clock(line: Line) -> None:
    line.run(5)
    line.run(6, pace=0.85)
    line.run(5)
    assert set(line.codes) == {"capture"}
    assert line.health.counts.stalled_ms >= 400
    late = [at - sent for sent, at in line.placed]
    assert late == sorted(late)


def test_a_capture_that_stalls_is_seen_by_the_page(line: Line) -> None:
    def message(captured: float, elapsed: float) -> None:
        line.health.capture(
            {
                "command": "capture",
                "captured_s": captured,
                "elapsed_s": elapsed,
                "microphone": "on",
                "camera": "off",
            },
            line.now,
        )

    message(2.0, 2.0)
    message(4.0, 4.01)
    line.run(1)
    assert line.codes == []
    message(4.5, 6.0)
    line.run(1)
    assert line.codes == ["capture"]
    assert "1.5 s" in line.told[-1].problems[0]


def test_a_server_that_was_busy_does_not_blame_the_network(line: Line) -> None:
    line.run(2)
    line.now += 3 * NS_PER_S
    line.health.loop_lag(3000.0, line.now)
    for _ in range(130):  # the socket's buffer held these
        line.arrive()
    line.lost += 20
    line.sent += 20 * PIECE
    line.run(3)
    assert set(line.codes) == {"server"}
    assert line.health.counts.blocked_ms == 3000
    assert line.health.counts.lost_ms == 400
    assert "3.0 s" in line.told[0].problems[0]


def test_a_page_that_is_silent_now(line: Line) -> None:
    line.run(2)
    line.wait(5)
    assert line.codes == ["quiet"]
    assert line.health.silent_for_ns(line.now) == pytest.approx(5 * NS_PER_S, abs=PIECE)
    line.sent = line.now
    line.run(20)
    assert line.told[-1].codes == ()


@pytest.mark.parametrize(
    ("sound", "problem"),
    [
        (np.zeros(SAMPLE_RATE, np.float32), "silent_microphone"),
        (
            (0.2 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype("f4"),
            "constant_tone",
        ),
        (
            (0.2 * np.sin(2 * np.pi * 50.5 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype("f4"),
            "constant_tone",
        ),
        (np.random.default_rng(1).standard_normal(SAMPLE_RATE).astype("f4") * 1e-3, ""),
    ],
    ids=["silent", "440 Hz", "mains", "a quiet room"],
)
def test_a_microphone_that_gives_nothing_of_use(
    line: Line, sound: np.ndarray, problem: str
) -> None:
    for _ in range(25):
        for part in np.split(sound, 50):
            line.health.heard(part, line.now)
    line.run(1)
    assert line.codes == ([problem] if problem else [])
    voice = np.random.default_rng(2).standard_normal(SAMPLE_RATE).astype("f4") * 0.1
    line.health.heard(voice, line.now)
    line.run(1)
    assert line.health.now(line.now).codes == ()


def test_a_melody_is_no_stuck_microphone(line: Line) -> None:
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for second in range(30):
        tone = 0.2 * np.sin(2 * np.pi * (220 + 20 * (second % 5)) * at)
        line.health.heard(tone.astype(np.float32), line.now)
    assert line.health.now(line.now).codes == ()


@pytest.mark.parametrize("device", ["microphone", "camera"])
@pytest.mark.parametrize("state", ["denied", "lost"])
def test_devices_that_are_not_there(line: Line, device: str, state: str) -> None:
    message = {"captured_s": 0.0, "elapsed_s": 2.0, "microphone": "on", "camera": "on"}
    line.health.capture(message | {device: state}, 0)
    assert line.health.now(0).codes == (f"{device}_{state}",)
    line.health.capture(message, 0)
    assert line.health.now(0).codes == ()


def test_nonsense_in_messages_is_no_matter(line: Line) -> None:
    for bad in ({}, {"captured_s": "x"}, {"microphone": 3, "captured_s": 1, "elapsed_s": None}):
        line.health.capture(bad, 0)
    assert line.health.now(0).codes == ()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_problem_has_a_sentence(language: str) -> None:
    health = SoundHealth(0)
    for code in CODES:
        health._note(code, 0, 1.0)
    found = health.now(0, language)
    assert set(found.codes) == set(CODES) - {"capture"}  # which a page that stood still explains
    assert all(text and "{" not in text for text in found.problems)
    assert all(("\u4e00" <= text[0] <= "\u9fff") == (language == "zh") for text in found.problems)
    message = found.message()
    assert message["event"] == "health"
    assert set(message) == {"event", "problems", "codes", "sound"}


def test_pictures_lie_beside_the_sound_by_when_they_arrive() -> None:
    sound = SoundPlace()
    pictures = PicturePlace(sound)
    placed = []
    for number in range(500):
        now = 7 * NS_PER_S + number * PIECE
        sound.place(number * PIECE, now)
        if number % 5 == 0:
            jitter = (number * 7919 % 60) * MS
            placed.append(
                (number * PIECE, pictures.place(90 * NS_PER_S + number * PIECE, now + jitter))
            )
    assert all(abs(at - true) <= 60 * MS for true, at in placed)
    times = [at for _, at in placed]
    assert times == sorted(set(times))


def test_a_camera_alone_is_placed_by_the_clock() -> None:
    pictures = PicturePlace(SoundPlace())
    at = [pictures.place(5_000 * MS + 33 * MS * n, 777 * MS + 33 * MS * n) for n in range(100)]
    assert at == [33 * MS * n for n in range(100)]


def test_a_page_that_catches_up_slowly_has_lost_nothing(line: Line) -> None:
    """It falls 700 ms behind, then makes up for it bit by bit: no hole may be made of that."""
    line.run(3)
    line.wait(0.7)
    line.run(4, pace=1.2)
    line.run(3)
    assert line.codes == []
    assert {at - sent for sent, at in line.placed} == {0}
