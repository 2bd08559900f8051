"""Laws of the language model: a cache changes nothing, nor do pieces, batches or padding."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("torch", reason="needs the extra nn")

import torch
from torch import Tensor

import reasoning_networks as made
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled
from omnilive.nn import generation
from omnilive.nn.generation import GenerationSettings, beam_search, choose, generate, read
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling

_CLOSE = 2e-5


def _settings(tokens: int, **more: object) -> GenerationSettings:
    return GenerationSettings(max_new_tokens=tokens, stop=frozenset(), **more)  # type: ignore


def _whole(network: ReasoningNetwork, rows: Tensor, mask: Tensor, meant: int) -> Tensor:
    return network.logits(network.model(rows, mask, meant_length=meant))[0]


# Below the plain positions, across their end, and beyond it.
@pytest.mark.parametrize("positions", [512, 40, 16])
def test_tokens_with_a_cache_are_the_tokens_without(positions: int) -> None:
    network = made.network(made.config(positions=positions))
    prompt = made.prompt(network, 30)
    ids = list(generate(network, prompt, _settings(20)))
    rows, mask = prompt.embeddings, prompt.picture_mask
    without = []
    for _ in range(20):
        without.append(int(_whole(network, rows, mask, meant=50)[-1].argmax()))
        rows = torch.cat((rows, network.embed(torch.tensor([without[-1:]]))), dim=1)
        mask = torch.cat((mask, torch.zeros(1, 1, dtype=torch.bool)), dim=1)
    assert ids == without


@pytest.mark.parametrize("positions", [512, 40])
@pytest.mark.parametrize("pieces", [(1, 60), (60, 1), (7, 20, 1, 33), (30, 31)])
def test_a_text_in_pieces_is_the_text_as_a_whole(positions: int, pieces: tuple[int, ...]) -> None:
    network = made.network(made.config(positions=positions))
    prompt = made.prompt(network, 61)
    cache = network.model.new_cache(61)
    states, start = [], 0
    for length in pieces:
        rows = slice(start, start + length)
        states.append(
            network.model(prompt.embeddings[:, rows], prompt.picture_mask[:, rows], cache=cache)
        )
        start += length
    whole = network.model(prompt.embeddings, prompt.picture_mask)
    torch.testing.assert_close(torch.cat(states, dim=1), whole, atol=_CLOSE, rtol=0)


def test_reading_a_prompt_in_pieces_gives_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made.network()
    prompt = made.prompt(network, 50)
    whole = read(network, prompt, network.model.new_cache(50))
    monkeypatch.setattr(generation, "_PIECE", 7)
    pieces = read(network, prompt, network.model.new_cache(50))
    torch.testing.assert_close(pieces, whole, atol=_CLOSE, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_and_its_padding_change_nothing(side: str) -> None:
    network = made.network()
    prompts = [made.prompt(network, length, seed=length) for length in (23, 9, 1)]
    longest = 23
    rows, masks, real = [], [], []
    for each in prompts:
        room = longest - each.length
        pad = (room, 0) if side == "left" else (0, room)
        rows.append(torch.nn.functional.pad(each.embeddings, (0, 0, *pad), value=7.0))
        masks.append(torch.nn.functional.pad(each.picture_mask, pad, value=True))
        real.append(torch.nn.functional.pad(torch.ones(1, each.length, dtype=torch.bool), pad))
    together = network.model(torch.cat(rows), torch.cat(masks), attention_mask=torch.cat(real))
    for number, each in enumerate(prompts):
        alone = network.model(each.embeddings, each.picture_mask)[0]
        torch.testing.assert_close(
            together[number][real[number][0]], alone, atol=_CLOSE, rtol=0, msg=f"row {number}"
        )
    assert bool(torch.isfinite(together).all())


def test_a_batch_goes_on_with_a_cache_behind_left_padding() -> None:
    network = made.network()
    prompts = [made.prompt(network, length, seed=length) for length in (12, 5)]
    pad = torch.nn.functional.pad
    rows = torch.cat([pad(each.embeddings, (0, 0, 12 - each.length, 0)) for each in prompts])
    masks = torch.cat([pad(each.picture_mask, (12 - each.length, 0)) for each in prompts])
    real = torch.tensor([[True] * 12, [False] * 7 + [True] * 5])
    more = network.embed(torch.tensor([[11], [12]]))
    cache = network.model.new_cache(13)
    network.model(rows, masks, attention_mask=real, cache=cache)
    mask = torch.cat((real, torch.ones(2, 1, dtype=torch.bool)), dim=1)
    after = network.model(more, attention_mask=mask, cache=cache)
    for number, each in enumerate(prompts):
        whole = torch.cat((each.embeddings, more[number : number + 1]), dim=1)
        mask = pad(each.picture_mask, (0, 1))
        alone = network.model(whole, mask)[:, -1:]
        torch.testing.assert_close(after[number : number + 1], alone, atol=_CLOSE, rtol=0)


def test_a_long_text_leaves_nothing_behind_unless_asked_for_the_release() -> None:
    network = made.network(made.config(positions=16))
    short, long = made.prompt(network, 10), made.prompt(network, 40)
    for scaling in Scaling:
        network.model.angles.scaling = scaling
        network.model.angles.forget()
        before = network.model(short.embeddings)
        network.model(long.embeddings)
        after = network.model(short.embeddings)
        assert torch.equal(before, after) is (scaling is Scaling.PER_TEXT)


@pytest.mark.parametrize("told", [0, 1, 4])
def test_a_cut_turn_returns_within_one_token_and_frees_its_cache(told: int) -> None:
    network = made.network()
    prompt, cancel = made.prompt(network, 20), Cancel()
    cache = network.model.new_cache(60)
    wanted = list(generate(network, prompt, _settings(10)))
    got = []
    tokens = generate(network, prompt, _settings(10), cancel, cache)
    for _ in range(told):
        got.append(next(tokens))
    cancel.set()
    with pytest.raises(Cancelled):
        next(tokens)
    assert got == wanted[:told]
    assert (cache.length, cache.num_bytes) == (0, 0)
    assert list(generate(network, prompt, _settings(10), Cancel(), cache)) == wanted


def test_an_answer_that_nobody_waits_for_frees_its_cache() -> None:
    network = made.network()
    cache = network.model.new_cache(60)
    tokens = generate(network, made.prompt(network, 20), _settings(10), None, cache)
    next(tokens)
    assert cache.num_bytes > 0
    tokens.close()  # type: ignore[attr-defined]
    assert (cache.length, cache.num_bytes) == (0, 0)


def test_a_long_prompt_is_cut_between_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made.network()
    monkeypatch.setattr(generation, "_PIECE", 4)
    cancel, seen = Cancel(), []

    def cut(module: object, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].shape[1])
        cancel.set()

    with network.model.register_forward_pre_hook(cut), pytest.raises(Cancelled):
        next(generate(network, made.prompt(network, 100), _settings(3), cancel))
    assert seen == [4]


def test_the_end_of_an_answer_is_not_part_of_it() -> None:
    network = made.network()
    prompt = made.prompt(network, 20)
    ids = list(generate(network, prompt, _settings(12)))
    stop = ids[4]
    settings = GenerationSettings(max_new_tokens=12, stop=frozenset({stop}))
    assert list(generate(network, prompt, settings)) == ids[: ids.index(stop)]


def test_sampling_is_repeatable_and_greedy_at_its_limits() -> None:
    network = made.network()
    prompt = made.prompt(network, 20)
    greedy = list(generate(network, prompt, _settings(8)))
    for limit in ({"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-4}):
        settings = _settings(8, **{"temperature": 1.0, **limit})
        assert list(generate(network, prompt, settings)) == greedy, limit
    sampled = {
        seed: list(generate(network, prompt, _settings(8, temperature=1.5, seed=seed)))
        for seed in range(5)
    }
    again = list(generate(network, prompt, _settings(8, temperature=1.5, seed=2)))
    assert again == sampled[2]
    assert len({tuple(ids) for ids in sampled.values()}) > 1


def test_sampling_follows_the_weights_within_its_limits() -> None:
    scores = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    generator = torch.Generator().manual_seed(1)

    def counted(**limits: float) -> list[float]:
        settings = _settings(1, temperature=1.0, **limits)
        drawn = [choose(scores, [], settings, generator) for _ in range(2000)]
        return [drawn.count(index) / 2000 for index in range(4)]

    assert counted() == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.04)
    assert counted(top_k=2) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.04)
    assert counted(top_p=0.76) == pytest.approx([0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0], abs=0.04)
    assert counted(top_p=0.74) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.04)


def test_a_penalty_takes_score_from_what_was_said() -> None:
    generator = torch.Generator()
    settings = _settings(1, repetition_penalty=1.5)
    assert choose(torch.tensor([3.0, 2.5, -1.0]), [], settings, generator) == 0
    assert choose(torch.tensor([3.0, 2.5, -1.0]), [0], settings, generator) == 1
    assert choose(torch.tensor([-1.0, -1.2]), [0], settings, generator) == 1


def test_enough_beams_find_the_likeliest_answer() -> None:
    network = made.network(made.config(vocab=12))
    prompt = made.prompt(network, 9)
    first = read(network, prompt, network.model.new_cache(11))[0].log_softmax(0)
    worth = {}
    for one in range(12):
        rows = torch.cat((prompt.embeddings, network.embed(torch.tensor([[one]]))), dim=1)
        mask = torch.nn.functional.pad(prompt.picture_mask, (0, 1))
        second = _whole(network, rows, mask, meant=11)[-1].log_softmax(0)
        worth |= {(one, two): float(first[one] + second[two]) for two in range(12)}
    best = max(worth, key=lambda pair: worth[pair])
    assert tuple(beam_search(network, prompt, _settings(2), num_beams=12)) == best
    assert beam_search(network, prompt, _settings(6), num_beams=1) == list(
        generate(network, prompt, _settings(6))
    )


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_enough_beams_find_the_best_answer_of_any_length(length_penalty: float) -> None:
    network = made.network(made.config(vocab=12))
    prompt = made.prompt(network, 9)
    first = read(network, prompt, network.model.new_cache(11))[0].log_softmax(0)
    after = {}
    for one in range(12):
        rows = torch.cat((prompt.embeddings, network.embed(torch.tensor([[one]]))), dim=1)
        mask = torch.nn.functional.pad(prompt.picture_mask, (0, 1))
        after[one] = _whole(network, rows, mask, meant=11)[-1].log_softmax(0)
    found = set()
    for stop in range(12):
        worth: dict[tuple[int, ...], float] = {(): float(first[stop])}
        for one in set(range(12)) - {stop}:
            # An end counts as a token of the answer that it ends.
            long = {two: float(first[one] + after[one][two]) for two in range(12)}
            worth[(one,)] = long.pop(stop) / 2**length_penalty
            worth |= {(one, two): total / 2**length_penalty for two, total in long.items()}
        settings = GenerationSettings(max_new_tokens=2, stop=frozenset({stop}))
        got = beam_search(network, prompt, settings, num_beams=12, length_penalty=length_penalty)
        assert tuple(got) == max(worth, key=lambda answer: worth[answer])
        found.add(len(got))
    assert len(found) > 1


def test_beams_end_at_the_end_of_an_answer() -> None:
    network = made.network(made.config(vocab=12))
    prompt = made.prompt(network, 9)
    for stop in range(12):
        settings = GenerationSettings(max_new_tokens=6, stop=frozenset({stop}))
        assert stop not in beam_search(network, prompt, settings, num_beams=3)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        beam_search(network, prompt, _settings(6), num_beams=3, cancel=cancel)


def test_a_text_beyond_the_window_is_refused() -> None:
    network = made.network(made.config(positions=16))
    assert network.window == 64
    with pytest.raises(BackendError, match="the window holds 64"):
        next(generate(network, made.prompt(network, 64), _settings(4)))
    with pytest.raises(BackendError, match="the window holds 64"):
        beam_search(network, made.prompt(network, 5000), _settings(4), num_beams=2)
    assert len(list(generate(network, made.prompt(network, 62), _settings(10)))) == 2
    with pytest.raises(BackendError, match="nothing to read"):
        next(
            generate(
                network, EmbeddedPrompt(torch.empty(1, 0, 32), torch.empty(1, 0)), _settings(1)
            )
        )


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_weights_that_give_no_numbers_are_told(temperature: float) -> None:
    network = made.network()
    network.output.weight.fill_(float("nan"))
    with pytest.raises(BackendError, match="gave no numbers"):
        next(generate(network, made.prompt(network, 5), _settings(4, temperature=temperature)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"repetition_penalty": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BackendError):
        _settings(4, **wrong)
    with pytest.raises(BackendError):
        _settings(0)


def test_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made.network()
    prompt = made.prompt(network, 25)
    wanted = list(generate(network, prompt, _settings(5)))
    for piece in itertools.chain(range(1, 5), (24, 25, 26)):
        monkeypatch.setattr(generation, "_PIECE", piece)
        assert list(generate(network, prompt, _settings(5))) == wanted
