"""The audio tasks: what they are shown, what they learn from it, and how it is judged."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import numpy as np
import torch
from numpy.typing import NDArray

from omnilive.cancel import Cancel
from omnilive.events import SAMPLE_RATE
from omnilive.media.synthetic.daily.catalogue import SOUNDS, SPLITS, Split
from omnilive.media.synthetic.daily.phrasebook import FIXED, split_of_text, texts
from omnilive.nn.audio_encoder import AudioEncoderConfig, num_states
from omnilive.nn.audio_questions import (
    SOUND_QUESTION,
    WORDS_QUESTION,
    AudioTranslator,
    prompt_texts,
)
from omnilive.nn.audio_translation import (
    AudioMarks,
    AudioTranslationConfig,
    AudioTranslationNetwork,
)
from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.qwen2 import Qwen2Config
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.training.audio_heads import AudioHeads, start_encoder
from omnilive.training.audio_passes import Passes, named_right, word_error_rate, word_errors
from omnilive.training.sounds import (
    LETTERS,
    OUTSIDE,
    SILENCE,
    SPEECH,
    WORDS,
    SoundBatch,
    SoundSource,
    mel_frames,
    named_sound,
    speech,
    state_labels,
)
from omnilive.training.tokenizers import write_qwen2_tokenizer

_MOST = 6 * SAMPLE_RATE


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Qwen2Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_qwen2_tokenizer(folder, [*texts(2000), *prompt_texts() * 50], 900)
    return Qwen2Tokenizer.load(folder)


def _network(vocab: int) -> AudioTranslationNetwork:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    config = AudioTranslationConfig(
        encoder=AudioEncoderConfig(
            num_bins=32, width=32, ffn_width=64, num_layers=2, num_heads=2, max_positions=300
        ),
        decoder=Qwen2Config(
            vocab_size=vocab + 5,
            width=32,
            ffn_width=64,
            num_layers=2,
            num_heads=2,
            num_key_value_heads=1,
            max_positions=1024,
        ),
        marks=_marks(vocab),
    )
    network = AudioTranslationNetwork(config)
    start_encoder(network.audio_tower)
    torch.nn.init.normal_(network.language_model.model.embed_tokens.weight, std=0.1)
    return network


def _marks(vocab: int) -> AudioMarks:
    return AudioMarks(
        text_end=vocab,
        turn_start=vocab + 1,
        turn_end=vocab + 2,
        sound_start=vocab + 3,
        sound_end=vocab + 4,
    )


def test_equal_steps_give_equal_batches() -> None:
    source = SoundSource("train", 4, 32, _MOST, 0.5)
    one, again, other = source.draw(3, 7), source.draw(3, 7), source.draw(3, 8)
    assert np.array_equal(one.mels, again.mels)
    assert (one.questions, one.answers) == (again.questions, again.answers)
    assert one.answers != other.answers or one.mels.shape != other.mels.shape
    assert one.mels.shape[:2] == (4, 32)
    assert np.isfinite(one.mels).all()


@pytest.mark.parametrize("split", SPLITS)
def test_whole_sentences_are_of_their_split(split: Split) -> None:
    source = SoundSource(split, 24, 16, _MOST, 0.0)
    said = {text for text in source.draw(0, 0).spoken if text}
    assert {split_of_text(text) for text in said if text not in FIXED} == {split}


def test_every_answer_fits_its_question() -> None:
    batch = SoundSource("train", 64, 16, _MOST, 0.5).draw(0, 0)
    names = {*SOUNDS, SPEECH, SILENCE}
    for question, answer, spoken in zip(batch.questions, batch.answers, batch.spoken, strict=True):
        if question == SOUND_QUESTION:
            assert answer in names
            assert bool(spoken) or answer != SPEECH
            assert not spoken or answer != SILENCE
        else:
            assert question == WORDS_QUESTION
            assert answer == spoken
    assert len(set(batch.answers)) > 10


def test_states_are_told_what_is_heard_when() -> None:
    rng = random.Random(8)
    text = "Tom bought seven bottles."
    one = named_sound(rng, "test", "rain", _MOST, under=text)
    (labels,) = state_labels([one], (-(-len(one.samples) // 160),))
    words = [WORDS[number - 1] for number in _runs(labels[:, 0]) if number]
    assert words == ["tom", "bought", "seven", "bottles"]
    letters = "".join(LETTERS[number - 1] for number in _runs(labels[:, 1]) if number)
    assert letters.startswith("tom")
    assert letters.endswith("s")
    assert {SOUNDS[number - 1] for number in _runs(labels[:, 2]) if number} == {"rain"}
    short = speech(rng, "test", "Good morning.", _MOST)
    frames = tuple(-(-len(each.samples) // 160) for each in (one, short))
    both = state_labels([one, short], frames)
    assert np.array_equal(both[0], labels)
    assert (both[1, num_states(frames[1]) :] == OUTSIDE).all()
    assert (both[1, : num_states(frames[1])] != OUTSIDE).all()


def _runs(numbers: NDArray[np.int16]) -> list[int]:
    return [int(number) for number, _ in itertools.groupby(numbers.tolist())]


def test_sounds_fit_what_the_network_hears() -> None:
    rng = random.Random(2)
    text = "Tom bought seven bottles."
    for most in (SAMPLE_RATE, _MOST):
        for one in (
            speech(rng, "test", text, most),
            named_sound(rng, "test", "rain", most, under=text),
        ):
            assert len(one.samples) <= most
            assert one.samples.dtype == np.float32
            assert 0 < float(np.abs(one.samples).max()) <= 1
            assert one.spoken == text


def _as_one(batch: SoundBatch, index: int) -> SoundBatch:
    part = slice(index, index + 1)
    return SoundBatch(
        batch.mels[part, :, : batch.num_frames[index] + 3],
        batch.num_frames[part],
        batch.labels[part, : num_states(batch.num_frames[index])],
        batch.spoken[part],
        batch.questions[part],
        batch.answers[part],
    )


def test_a_batch_gives_the_losses_of_its_sounds(tokenizer: Qwen2Tokenizer) -> None:
    network = _network(len(tokenizer))
    passes = Passes(network, AudioHeads(network.config), tokenizer)
    batch = SoundSource("train", 5, 32, _MOST, 0.5).draw(1, 0)
    with torch.no_grad():
        answers, heard, _ = passes.losses(batch)
        alone = [passes.losses(_as_one(batch, index)) for index in range(5)]
    num_tokens = [len(tokenizer.encode(answer)) + 1 for answer in batch.answers]
    counts = [num_states(frames) for frames in batch.num_frames]
    for found, number, weights in ((answers, 0, num_tokens), (heard, 1, counts)):
        wanted = sum(
            float(one[number]) * weight for one, weight in zip(alone, weights, strict=True)
        )
        assert float(found) == pytest.approx(wanted / sum(weights), rel=1e-4)


def test_training_asks_as_the_live_system_does(tokenizer: Qwen2Tokenizer) -> None:
    network = _network(len(tokenizer)).eval().requires_grad_(False)
    passes = Passes(network, AudioHeads(network.config), tokenizer)
    one = named_sound(random.Random(4), "train", "bell", _MOST)
    mels, counts = mel_frames([one.samples], 32, network.most_samples)
    labels = state_labels([one], counts)
    heard = _Kept(network)
    AudioTranslator(heard, tokenizer, most_label=1).sound(one.samples, Cancel())
    end = heard.scores[0].log_softmax(dim=-1)[network.config.marks.turn_end]
    # Of an answer without words there is only its end to be said.
    loss, _, _ = passes.losses(SoundBatch(mels, counts, labels, ("",), (SOUND_QUESTION,), ("",)))
    assert float(loss) == pytest.approx(-float(end), rel=1e-4)


class _Kept(AudioTranslationNetwork):
    """A network that keeps what it thought of each next token."""

    def __init__(self, network: AudioTranslationNetwork) -> None:
        super().__init__(network.config)
        self.load_state_dict(network.state_dict())
        self.eval().requires_grad_(False)
        self.scores: list[torch.Tensor] = []

    def read(self, rows: torch.Tensor, cache: KeyValueCache) -> torch.Tensor:
        self.scores.append(super().read(rows, cache))
        return self.scores[-1]


def test_a_few_steps_reduce_both_losses(tokenizer: Qwen2Tokenizer) -> None:
    network = _network(len(tokenizer))
    heads = AudioHeads(network.config)
    passes = Passes(network, heads, tokenizer)
    source = SoundSource("train", 8, 32, _MOST, 0.5)
    optimiser = torch.optim.AdamW([*network.parameters(), *heads.parameters()], lr=3e-3)
    batch = source.draw(0, 0)
    first = passes.losses(batch)
    for _ in range(12):
        answers, states, _ = passes.losses(batch)
        optimiser.zero_grad()
        (answers + states).backward()
        optimiser.step()
    last = passes.losses(batch)
    assert last[0].item() < 0.7 * first[0].item()
    assert last[1].item() < 0.7 * first[1].item()


@pytest.mark.parametrize(
    ("said", "heard", "edits"),
    [
        ("Anna put the key here.", "anna put the key here", 0),
        ("Anna put the key here.", "Anna put a key", 2),
        ("Anna put the key here.", "", 5),
        ("", "so", 1),
    ],
)
def test_word_errors_are_edits(said: str, heard: str, edits: int) -> None:
    assert word_errors(said, heard)[0] == edits


def test_judging_goes_by_the_live_path(tokenizer: Qwen2Tokenizer) -> None:
    network = _network(len(tokenizer)).eval().requires_grad_(False)
    network.language_model.model.embed_tokens.weight[_marks(len(tokenizer)).turn_end] = 5.0
    rate = word_error_rate(network, tokenizer, "validation", num_sounds=2)
    assert rate == word_error_rate(network, tokenizer, "validation", num_sounds=2) > 0.5
    named = named_right(network, tokenizer, "validation", num_sounds=2)
    assert set(named) == {"alone", "under_speech", "speech"}
    assert all(0 <= share <= 1 for share in named.values())
