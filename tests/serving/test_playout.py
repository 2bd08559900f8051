"""What is said, sample by sample: nothing skipped, held exactly, cut without a click."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilive.events import AnswerAudio
from omnilive.serving.playout import PIECE_SAMPLES, RATE, Place, Playout, Taken

MS = RATE // 1000


def phrase(turn: str, text: str, ms: float, *, level: float = 0.5) -> AnswerAudio:
    """A phrase of constant level: every sample of it that goes out can be told from silence."""
    samples = np.full(round(ms * MS), level, np.float32)
    return AnswerAudio(turn_id=turn, text=text, sample_rate=RATE, samples=samples)


def take_all(playout: Playout, pieces: int) -> list[Taken]:
    return [playout.take() for _ in range(pieces)]


def text_of(pieces: list[Taken]) -> list[str]:
    return [piece.text for piece in pieces if piece.text]


def test_silence_where_there_is_nothing() -> None:
    playout = Playout()
    piece = playout.take()
    assert not piece.samples.any()
    assert (piece.turn_id, piece.phrase, piece.index) == ("", -1, 0)
    assert playout.is_idle


def test_phrases_go_out_in_order_with_their_words_in_the_first_piece() -> None:
    playout = Playout()
    playout.put(phrase("a", "One.", 50))
    playout.put(phrase("a", "Two.", 30))
    playout.finish("a")
    pieces = take_all(playout, 6)
    assert [piece.text for piece in pieces] == ["One.", "", "", "Two.", "", ""]
    assert [piece.phrase for piece in pieces] == [0, 0, 0, 1, 1, -1]
    assert [piece.offset for piece in pieces[:5]] == [0, 960, 1920, 0, 960]
    assert playout.is_over("a")
    assert playout.heard("a") == ("One. Two.", 80, True)


def test_sound_of_another_rate_is_resampled() -> None:
    playout = Playout()
    at = np.arange(22050) / 22050
    tone = (0.5 * np.sin(2 * np.pi * 440 * at)).astype(np.float32)
    playout.put(AnswerAudio(turn_id="a", text="La.", sample_rate=22050, samples=tone))
    assert playout.waiting_ms == 1000
    sound = playout.take(RATE).samples.astype(float)
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) == 440


def test_a_later_turn_waits_until_the_earlier_one_is_finished() -> None:
    playout = Playout()
    playout.put(phrase("a", "First.", 20))
    playout.put(phrase("b", "Second.", 20))
    assert [piece.turn_id for piece in take_all(playout, 3)] == ["a", "", ""]
    playout.finish("a")
    assert playout.take().turn_id == "b"


def test_hold_falls_silent_within_5_ms_and_resume_repeats_the_phrase_exactly() -> None:
    playout = Playout()
    rng = np.random.default_rng(1)
    noise = rng.uniform(-0.5, 0.5, 200 * MS).astype(np.float32)
    playout.put(phrase("a", "Before.", 40))
    playout.put(AnswerAudio(turn_id="a", text="Noise.", sample_rate=RATE, samples=noise))
    playout.finish("a")
    take_all(playout, 2)
    first = np.concatenate([playout.take().samples for _ in range(3)])
    playout.hold()
    held = playout.take()
    assert np.abs(held.samples[: 5 * MS]).max() > 0
    assert not held.samples[5 * MS :].any()
    assert not any(piece.samples.any() for piece in take_all(playout, 5))
    assert playout.resume() == 1
    again = take_all(playout, 10)
    assert again[0].text == "Noise."
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in again[:3]]), first)
    assert playout.heard("a").complete


def test_hold_goes_back_to_what_the_listener_hears_not_to_what_was_taken() -> None:
    playout = Playout()
    for number in range(3):
        playout.put(phrase("a", f"Phrase {number}.", 100))
    take_all(playout, 11)  # the third phrase has begun; the listener is 150 ms behind
    playout.hold(behind_ms=150)
    take_all(playout, 3)
    assert playout.resume() == 0


def test_a_turn_that_was_taken_to_its_end_can_still_be_held() -> None:
    playout = Playout()
    playout.put(phrase("a", "One.", 40))
    playout.put(phrase("a", "Two.", 40))
    playout.finish("a")
    take_all(playout, 4)
    assert playout.is_over("a")
    playout.hold(behind_ms=30)
    assert not playout.is_over("a")
    assert playout.resume() == 1
    assert text_of(take_all(playout, 3)) == ["Two."]
    assert playout.is_over("a")


def test_flush_fades_out_and_refuses_later_phrases() -> None:
    playout = Playout()
    playout.put(phrase("a", "A long phrase.", 400))
    take_all(playout, 3)
    playout.flush("a")
    tail = playout.take()
    assert tail.turn_id == "a"
    steps = np.abs(np.diff(tail.samples.astype(int)))
    assert steps.max() < 400  # no click: a cut of this level would be a step of 16384
    assert not tail.samples[5 * MS :].any()
    playout.put(phrase("a", "More of it.", 100))
    assert playout.is_idle
    assert playout.is_over("a")


def test_flushing_what_is_held_frees_the_floor_for_the_next_turn() -> None:
    playout = Playout()
    playout.put(phrase("a", "Cut.", 400))
    take_all(playout, 2)
    playout.hold()
    playout.flush("a")
    playout.put(phrase("b", "Next.", 40))
    take_all(playout, 1)  # the fade of what was held
    assert playout.take().turn_id == "b"


def test_heard_counts_whole_phrases_and_a_cut_one_by_its_share_of_words() -> None:
    playout = Playout()
    playout.put(phrase("a", "The first part.", 100))
    playout.put(phrase("a", "one two three four five six seven eight", 800))
    take_all(playout, 5 + 20)  # the first, and half of the second
    assert playout.heard("a") == ("The first part. one two three four", 500, False)
    assert playout.heard("a", behind_ms=200) == ("The first part. one two", 300, False)
    assert playout.heard("a", behind_ms=10_000) == ("", 0, False)


def test_heard_of_a_repeated_phrase_counts_it_once() -> None:
    playout = Playout()
    playout.put(phrase("a", "one two three four", 400))
    playout.finish("a")
    take_all(playout, 10)
    playout.hold()
    take_all(playout, 2)
    playout.resume()
    take_all(playout, 2)
    # It was heard to half before it was held.
    assert playout.heard("a").text == "one two"
    take_all(playout, 18)
    assert playout.heard("a") == ("one two three four", 400, True)


def test_heard_of_chinese_counts_characters() -> None:
    playout = Playout()
    playout.put(phrase("a", "今天天气很好", 600))
    take_all(playout, 15)
    assert playout.heard("a").text == "今天天"


def test_place_says_where_a_sample_stands() -> None:
    playout = Playout()
    playout.take()
    playout.put(phrase("a", "One.", 50))
    take_all(playout, 3)
    assert playout.place(0) is None
    assert playout.place(960) == Place("a", 0, 0)
    assert playout.place(960 + 2399) == Place("a", 0, 2399)
    assert playout.place(960 + 2400) is None  # the rest of the last piece is silence


def test_a_turn_without_sound_is_over_when_it_is_finished() -> None:
    playout = Playout()
    assert not playout.is_over("a")
    playout.finish("a")
    assert playout.is_over("a")


def test_old_sound_is_let_go() -> None:
    playout = Playout()
    for number in range(30):
        playout.put(phrase("a", f"{number}", 1000))
    take_all(playout, 50 * 30)
    # The words are known, the sound of the last ten seconds can be repeated, no more.
    assert playout.heard("a").played_ms == 30_000
    playout.hold(behind_ms=5000)
    assert playout.resume() == 25


def test_a_piece_of_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Playout().take(0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 120)),
        st.tuples(st.just("take"), st.integers(1, 3000)),
        st.tuples(st.just("hold"), st.integers(0, 300)),
        st.tuples(st.just("resume"), st.just(0)),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_happens_the_track_goes_on_and_nothing_is_lost(
    done: list[tuple[str, int]],
) -> None:
    playout = Playout()
    index = num_put = 0
    for what, number in done:
        if what == "put":
            playout.put(phrase("a", f"p{num_put}", number))
            num_put += 1
        elif what == "take":
            piece = playout.take(number)
            assert piece.index == index
            assert piece.samples.size == number
            if not piece.turn_id:
                assert not piece.samples.any()
            index += number
        elif what == "hold":
            playout.hold(number)
        else:
            playout.resume()
    playout.resume()
    playout.finish("a")
    said: list[str] = []
    while not playout.is_over("a"):
        piece = playout.take(PIECE_SAMPLES)
        said += [piece.text] if piece.text else []
    heard = playout.heard("a")
    assert heard.complete
    assert heard.text.split() == [f"p{number}" for number in range(num_put)]
    # What is left after the last resume ends with the last phrase, in order.
    assert said == [f"p{number}" for number in range(num_put)][num_put - len(said) :]


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(5, 200), min_size=1, max_size=6),
    held_after=st.integers(0, 40),
    behind=st.integers(0, 400),
)
def test_resume_begins_at_a_phrase_that_was_not_heard_whole(
    lengths: list[int], held_after: int, behind: int
) -> None:
    playout = Playout()
    for number, ms in enumerate(lengths):
        playout.put(phrase("a", f"p{number}", ms))
    take_all(playout, held_after)
    heard = playout.heard("a", behind)
    num_whole = len([text for text in heard.text.split() if text])
    playout.hold(behind)
    begins = playout.resume()
    if begins >= 0:
        # Not before the first phrase that was cut, nor behind it: nothing is skipped.
        assert begins == num_whole
    else:
        assert num_whole == len(lengths)
