"""A dialogue that keeps its text: every answer is the one of a dialogue read from the start."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")

import torch

import reasoning_networks as made
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled
from omnilive.nn.dialogue_cache import DialogueCache
from omnilive.nn.generation import GenerationSettings, generate
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling

_SETTINGS = GenerationSettings(max_new_tokens=6, stop=frozenset())
_SYSTEM = list(range(3, 20))


def _from_the_start(
    network: ReasoningNetwork, prefix: list[int], turn: EmbeddedPrompt
) -> list[int]:
    rows = torch.cat((network.embed(torch.tensor([prefix])), turn.embeddings), dim=1)
    mask = torch.nn.functional.pad(turn.picture_mask, (len(prefix), 0))
    return list(generate(network, EmbeddedPrompt(rows, mask), _SETTINGS))


def _turns(network: ReasoningNetwork) -> list[tuple[list[int], EmbeddedPrompt]]:
    """A dialogue that grows, is changed in its middle, and starts again."""
    prefixes = [
        _SYSTEM,
        [*_SYSTEM, 30, 31, 32],
        [*_SYSTEM, 30, 31, 32, 33, 34],
        [*_SYSTEM, 30, 40, 41],
        [5, 6],
        _SYSTEM,
    ]
    return [
        (prefix, made.prompt(network, 11 + number, seed=number))
        for number, prefix in enumerate(prefixes)
    ]


# Plain positions; a window past them whose base changes from turn to turn; always past them.
@pytest.mark.parametrize("positions", [512, 36, 16])
@pytest.mark.parametrize("scaling", Scaling)
def test_answers_are_those_of_a_dialogue_read_from_the_start(
    positions: int, scaling: Scaling
) -> None:
    network = made.network(made.config(positions=positions), scaling=scaling)
    dialogue = DialogueCache(network)
    for prefix, turn in _turns(network):
        network.model.angles.forget()
        got = list(dialogue.answer(prefix, turn, _SETTINGS))
        network.model.angles.forget()
        assert got == _from_the_start(network, prefix, turn)
        whole = len(prefix) + turn.length + _SETTINGS.max_new_tokens
        moving = scaling is Scaling.RELEASE and whole > positions
        assert dialogue.kept == (0 if moving else len(prefix))


def test_only_what_is_new_is_read() -> None:
    network = made.network()
    dialogue, seen = DialogueCache(network), list[int]()
    network.model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    turn = made.prompt(network, 11)
    list(dialogue.answer(_SYSTEM, turn, _SETTINGS))
    assert seen == [len(_SYSTEM), 11, 1, 1, 1, 1, 1]
    seen.clear()
    list(dialogue.answer([*_SYSTEM, 30, 31, 32], turn, _SETTINGS))
    assert seen == [3, 11, 1, 1, 1, 1, 1]
    seen.clear()
    list(dialogue.answer([*_SYSTEM, 30, 31, 32], turn, _SETTINGS))
    assert seen == [11, 1, 1, 1, 1, 1]


def test_pictures_are_cut_away_and_their_memory_given_back() -> None:
    network = made.network()
    dialogue = DialogueCache(network)
    list(dialogue.answer(_SYSTEM, made.prompt(network, 5), _SETTINGS))
    kept = dialogue.num_bytes
    tokens = dialogue.answer(_SYSTEM, made.prompt(network, 900), _SETTINGS)
    next(tokens)
    assert dialogue.num_bytes > 3 * kept
    list(tokens)
    assert dialogue.num_bytes == kept
    dialogue.forget()
    assert (dialogue.kept, dialogue.num_bytes) == (0, 0)


@pytest.mark.parametrize("told", [0, 1, 3])
def test_after_a_cut_turn_the_next_answer_is_right(told: int) -> None:
    network = made.network()
    dialogue = DialogueCache(network)
    list(dialogue.answer(_SYSTEM, made.prompt(network, 9), _SETTINGS))
    cancel, longer = Cancel(), [*_SYSTEM, 30, 31]
    tokens = dialogue.answer(longer, made.prompt(network, 20), _SETTINGS, cancel)
    for _ in range(told):
        next(tokens)
    cancel.set()
    with pytest.raises(Cancelled):
        next(tokens)
    for prefix, turn in _turns(network):
        assert list(dialogue.answer(prefix, turn, _SETTINGS)) == _from_the_start(
            network, prefix, turn
        )


def test_a_dialogue_beyond_the_window_is_refused_before_anything_is_read() -> None:
    network = made.network(made.config(positions=16))
    dialogue = DialogueCache(network)
    turn = made.prompt(network, 9)
    wanted = list(dialogue.answer(_SYSTEM, turn, _SETTINGS))
    with pytest.raises(BackendError, match="the window holds 64"):
        next(dialogue.answer([*_SYSTEM] * 9, turn, _SETTINGS))
    assert dialogue.kept == len(_SYSTEM)
    assert list(dialogue.answer(_SYSTEM, turn, _SETTINGS)) == wanted


def test_finished_turns_only_lengthen_the_ids(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="needs the extra nn")
    from omnilive.nn.prompts import Exchange, dialogue_ids
    from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer

    tokenizer = InternLM2Tokenizer(made.train_tokenizer(tmp_path))
    turns = [
        Exchange("where is the cup", "on the table"),
        Exchange("<s> and", "</s>[UNUSED_TOKEN_145]"),
    ]
    ids = [dialogue_ids(tokenizer, system="be short", history=turns[:n]) for n in range(3)]
    for shorter, longer in zip(ids, ids[1:], strict=False):
        assert longer[: len(shorter)] == shorter
    # Words of a person or of an answer never end a turn or a text.
    end = tokenizer.id_of("[UNUSED_TOKEN_145]")
    assert ids[2].count(end) == 5
    assert ids[2].count(tokenizer.begin) == 1
    assert tokenizer.end not in ids[2]
