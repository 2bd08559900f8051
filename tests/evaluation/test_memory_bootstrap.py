"""Intervals hold what they promise on distributions whose mean is known."""

from __future__ import annotations

import numpy as np
import pytest

from omnilive.evaluation.bootstrap import interval, paired


def coverage(num_clusters: int, size: int, spread: float, repeats: int = 200) -> float:
    """Share of intervals that hold 0.6, the mean of shares that vary from stream to stream."""
    rng = np.random.default_rng(5)
    held = 0
    for repeat in range(repeats):
        shares = np.clip(rng.normal(0.6, spread, num_clusters), 0.01, 0.99)
        values = (rng.random((num_clusters, size)) < shares[:, None]).astype(float)
        clusters = np.repeat(np.arange(num_clusters), size)
        found = interval(values.ravel().tolist(), clusters.tolist(), draws=400, seed=repeat)
        held += found.low <= 0.6 <= found.high
    return held / repeats


@pytest.mark.parametrize(
    ("num_clusters", "size", "spread", "least", "most"),
    [
        (1, 120, 0.0, 0.90, 0.99),  # questions about one stream
        (30, 20, 0.15, 0.88, 0.99),  # many streams that differ
        (3, 60, 0.0, 0.92, 1.0),  # few streams that are alike: rather too wide
        (3, 60, 0.05, 0.85, 1.0),
    ],
)
def test_intervals_hold_the_true_mean_as_often_as_they_say(
    num_clusters: int, size: int, spread: float, least: float, most: float
) -> None:
    assert least <= coverage(num_clusters, size, spread) <= most


def test_streams_that_differ_make_the_interval_wider() -> None:
    values = [1.0] * 50 + [0.0] * 50 + [1.0] * 50 + [0.0] * 50
    streams = [number // 50 for number in range(200)]
    alone, clustered = interval(values), interval(values, streams)
    assert alone.mean == clustered.mean == 0.5
    assert clustered.high - clustered.low > 3 * (alone.high - alone.low)
    assert (alone.num_clusters, clustered.num_clusters) == (1, 4)


def test_the_mean_is_over_questions_and_equal_input_gives_equal_intervals() -> None:
    values, streams = [1.0, 0.0, 0.0, 0.0, 1.0], ["a", "a", "a", "a", "b"]
    first, again = interval(values, streams, seed=3), interval(values, streams, seed=3)
    assert first == again
    assert first.mean == pytest.approx(0.4)
    assert 0 <= first.low <= 0.4 <= first.high <= 1
    uneven = [0.1 * number**2 for number in range(40)]
    assert interval(uneven, seed=3) != interval(uneven, seed=4)


def test_a_paired_difference_is_narrower_than_the_two_apart() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    first = [float(x < 0.7) for x in hard]
    second = [float(x < 0.6) for x in hard]
    found = paired(first, second)
    one, other = interval(first), interval(second)
    assert found.mean == pytest.approx(one.mean - other.mean)
    assert found.is_above_zero
    assert one.low < other.high  # apart, they could not be told from each other


def test_one_value_and_equal_values_have_no_width() -> None:
    assert interval([1.0])[:3] == (1.0, 1.0, 1.0)
    assert paired([1.0, 0.0], [1.0, 0.0], ["a", "b"])[:3] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "arguments", [([],), ([float("nan")],), ([1.0], ["a", "b"])], ids=["none", "nan", "lengths"]
)
def test_what_has_no_mean_is_refused(arguments: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match="must be|needs"):
        interval(*arguments)


def test_very_many_values_are_drawn_in_pieces() -> None:
    values = [float(number % 3 == 0) for number in range(300_000)]
    found = interval(values, draws=20)
    assert found.low < 1 / 3 < found.high
    assert found.high - found.low < 0.01
