"""What a checkpoint hears, measured on the one that comes with the package."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from omnilive.evaluation.network_hearing import (  # noqa: E402
    instruction_figures,
    sound_figures,
    word_figures,
)
from omnilive.media.synthetic.daily.catalogue import SOUNDS  # noqa: E402
from omnilive.nn.audio_translation import AudioTranslationNetwork  # noqa: E402
from omnilive.nn.reasoning_network import ReasoningNetwork  # noqa: E402
from omnilive.nn.shipped import tiny_folder  # noqa: E402
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer  # noqa: E402
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer  # noqa: E402


def test_words_and_sounds_are_heard_better_than_guessed() -> None:
    folder = tiny_folder() / "audio"
    network = AudioTranslationNetwork.load(folder, dtype=torch.float32)
    tokenizer = Qwen2Tokenizer.load(folder)
    told: list[str] = []
    how = {"seeds": (0,), "say": told.append}
    words = {
        one.condition: one.share
        for one in word_figures(network, tokenizer, "test", num_sounds=12, **how)
    }
    assert words["heard"].mean < 0.5
    assert min(words["blind"].mean, words["shuffled"].mean) > 0.7
    assert words["heard"].num_clusters == 12  # whole sentences are drawn, not words
    assert words["heard"].num > 24
    assert told == ["words: 12 of 12 sentences"]
    sounds = [
        one
        for one in sound_figures(network, tokenizer, "test", num_sounds=len(SOUNDS), **how)
        if one.what == "sounds alone"
    ]
    assert {one.condition for one in sounds} == {"heard", "blind", "shuffled"}
    assert all(one.share.num == len(SOUNDS) for one in sounds)
    by_condition = {one.condition: one.share.mean for one in sounds}
    assert by_condition["heard"] >= 0.7
    assert by_condition["blind"] == 0


def test_instructions_are_told_apart() -> None:
    folder = tiny_folder() / "reasoning"
    network = ReasoningNetwork.load(folder, dtype=torch.float32)
    tokenizer = InternLM2Tokenizer(folder / "tokenizer.model")
    figures = instruction_figures(
        network, tokenizer, "test", seeds=(0, 1), num_sentences=30, say=lambda text: None
    )
    by_condition = {one.condition: one.share for one in figures}
    assert by_condition["heard"].mean >= 0.9
    assert 0.5 <= by_condition["blind"].mean < 0.7
    assert by_condition["shuffled"].mean < 0.8
    assert by_condition["heard"].num == 60
