"""The quantised index finds what the cosine finds."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from omnilive.errors import BackendError  # noqa: E402
from omnilive.nn.memory_retrieval import GlobalIndex, cosines  # noqa: E402


def _vectors(count: int, seed: int = 0, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32) * 3


def test_the_nearest_are_those_of_the_cosine() -> None:
    held, questions = _vectors(3000), _vectors(20, seed=1)
    index = GlobalIndex(48)
    for part in np.array_split(held, 7):
        index.add(part)
    assert len(index) == 3000
    wanted = cosines(torch.from_numpy(questions), torch.from_numpy(held)).numpy()
    for question, true in zip(questions, wanted, strict=True):
        rows, found = index.nearest(question, 10)
        assert set(rows) == set(np.argsort(-true)[:10])
        assert np.all(np.diff(found) <= 0)
        np.testing.assert_allclose(found, true[rows], atol=1e-3)


def test_fewer_than_wanted_and_none() -> None:
    index = GlobalIndex(48)
    assert len(index.nearest(_vectors(1)[0], 5)[0]) == 0
    index.add(_vectors(3))
    assert sorted(index.nearest(_vectors(1)[0], 5)[0]) == [0, 1, 2]
    assert index.nearest(_vectors(3)[1], 1)[0].tolist() == [1]


@pytest.mark.parametrize("bad", [np.zeros((1, 48)), np.full((1, 48), np.nan), np.ones((1, 47))])
def test_what_has_no_direction_is_refused(bad: np.ndarray) -> None:
    index = GlobalIndex(48)
    index.add(_vectors(2))
    with pytest.raises(BackendError):
        index.add(bad.astype(np.float32))
    with pytest.raises(BackendError):
        index.nearest(bad[0].astype(np.float32), 1)
    assert len(index) == 2
