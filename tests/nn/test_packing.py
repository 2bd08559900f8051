"""Packed texts get the numbers that they get alone; what may look only at some rows does."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

import reasoning_networks as made  # noqa: E402
from nn_support import memory_network  # noqa: E402
from omnilive.nn.packing import packed  # noqa: E402

PREFIX = 9
ENDINGS = (4, 1, 7)


def _rows(width: int, count: int, seed: int) -> torch.Tensor:
    return torch.randn(1, count, width, generator=torch.Generator().manual_seed(seed))


def test_positions_and_mask() -> None:
    packing = packed(2, (1, 2))
    assert packing.positions.tolist() == [[0, 1, 2, 2, 3]]
    assert packing.allowed[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]
    assert packed(0, (2, 1)).allowed[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


@torch.no_grad()
def test_the_language_model_reads_packed_texts_as_separate_ones() -> None:
    network = made.network()
    prefix = _rows(32, PREFIX, 1)
    endings = [_rows(32, count, 2 + count) for count in ENDINGS]
    mask = torch.zeros(1, PREFIX + sum(ENDINGS), dtype=torch.bool)
    mask[:, 2:PREFIX] = True
    positions, allowed = packed(PREFIX, ENDINGS)
    together = network.model(
        torch.cat([prefix, *endings], dim=1), mask, positions=positions, allowed=allowed
    )
    found = together[:, PREFIX:].split(ENDINGS, dim=1)
    for ending, states in zip(endings, found, strict=True):
        alone = network.model(
            torch.cat([prefix, ending], dim=1), mask[:, : PREFIX + ending.shape[1]]
        )
        torch.testing.assert_close(states, alone[:, PREFIX:], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_memory_reads_packed_texts_as_separate_ones() -> None:
    model = memory_network().model
    prefix = _rows(16, PREFIX, 1)
    endings = [_rows(16, count, 2 + count) for count in ENDINGS]
    positions, allowed = packed(PREFIX, ENDINGS)
    together = model(torch.cat([prefix, *endings], dim=1), positions=positions, allowed=allowed)
    found = together[:, PREFIX:].split(ENDINGS, dim=1)
    for ending, states in zip(endings, found, strict=True):
        alone = model(torch.cat([prefix, ending], dim=1))
        torch.testing.assert_close(states, alone[:, PREFIX:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("which", ["reasoning", "memory"])
def test_hidden_rows_have_no_part_in_it_and_no_gradient(which: str) -> None:
    decoder = made.network().model if which == "reasoning" else memory_network().model
    width = 32 if which == "reasoning" else 16
    # Rows 0 to 3 are seen by the slots 4 and 5 only; the caption behind sees the slots only.
    allowed = torch.ones(2, 1, 9, 9, dtype=torch.bool).tril()
    allowed[:, :, 6:, :4] = False
    rows = torch.cat([_rows(width, 9, 1), _rows(width, 9, 2)]).requires_grad_(True)
    states = decoder(rows, allowed=allowed)
    other = rows.detach().clone()
    other[:, :4] += 1.0
    assert not torch.allclose(decoder(other, allowed=allowed)[:, 6:], states[:, 6:])
    # Without slots in between nothing of them arrives.
    allowed[:, :, 6:, :6] = False
    states = decoder(rows, allowed=allowed)
    torch.testing.assert_close(decoder(other, allowed=allowed)[:, 6:], states[:, 6:])
    (gradient,) = torch.autograd.grad(states[:, 6:].sum(), rows)
    assert bool((gradient[:, :6] == 0).all())
    assert bool((gradient[:, 6:] != 0).any())


def test_a_whole_causal_mask_says_nothing_new() -> None:
    network, rows = made.network(), _rows(32, 11, 4)
    causal = torch.ones(1, 1, 11, 11, dtype=torch.bool).tril()
    torch.testing.assert_close(network.model(rows, allowed=causal), network.model(rows))
    memory, rows = memory_network().model, _rows(16, 11, 4)
    torch.testing.assert_close(memory(rows, allowed=causal), memory(rows))
    with pytest.raises(ValueError, match="exclude"):
        network.model(_rows(32, 11, 4), attention_mask=torch.ones(1, 11).bool(), allowed=causal)


def test_only_the_longest_packed_text_stretches_the_positions() -> None:
    network = made.network(made.config(positions=16))
    rows = _rows(32, 30, 5)
    positions, allowed = packed(0, (15, 15))
    together = network.model(rows, positions=positions, allowed=allowed)
    torch.testing.assert_close(together[:, 15:], network.model(rows[:, 15:]), atol=1e-5, rtol=1e-4)


def test_the_loss_of_packed_texts_is_the_mean_of_theirs() -> None:
    network = made.network()
    rows = _rows(32, 12, 6)
    labels = torch.full((1, 12), -100)
    labels[0, [5, 11]] = torch.tensor([7, 8])
    positions, allowed = packed(0, (6, 6))
    together = network.loss(rows, None, labels, positions=positions, allowed=allowed)
    apart = [network.loss(rows[:, at : at + 6], None, labels[:, at : at + 6]) for at in (0, 6)]
    torch.testing.assert_close(together, torch.stack(apart).mean())
