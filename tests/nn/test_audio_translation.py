"""The audio module against the library's own network, at random weights and tiny sizes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import numpy as np
import torch
from safetensors.torch import save_file

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, CheckpointError
from omnilive.events import Samples
from omnilive.nn.audio_encoder import frames_needed, num_states
from omnilive.nn.audio_questions import AudioTranslator, cut_at_quiet
from omnilive.nn.audio_translation import (
    AudioMarks,
    AudioTranslationConfig,
    AudioTranslationNetwork,
)
from omnilive.nn.mel import log_mel
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer, byte_symbols

_MARKS = AudioMarks(text_end=256, turn_start=257, turn_end=258, sound_start=260, sound_end=261)
_SOUND = 259
_LENGTHS = (500, 1600, 16_000, 16_161, 117_000, 479_900, 480_000)
_CLOSE = 2e-5


def _config(**text: object) -> dict[str, Any]:
    return {
        "audio_config": {
            "num_mel_bins": 16,
            "d_model": 16,
            "encoder_ffn_dim": 24,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
        },
        "text_config": {
            "vocab_size": 264,
            "hidden_size": 24,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 8192,
            "tie_word_embeddings": True,
            **text,
        },
        "audio_token_index": _SOUND,
    }


def _ours(values: dict[str, Any]) -> AudioTranslationNetwork:
    torch.set_num_threads(1)
    config = AudioTranslationConfig.from_dict(values)
    config = AudioTranslationConfig(encoder=config.encoder, decoder=config.decoder, marks=_MARKS)
    network = AudioTranslationNetwork(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(5)
    for name, parameter in network.named_parameters():
        scale = 1.3 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.2
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        if name.endswith("norm.weight") or "layernorm.weight" in name:
            parameter.add_(1.0)
    return network


def _old_name(name: str) -> str:
    """The library's present name of a parameter as the release's files have it."""
    name = name.removeprefix("model.")
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    first, _, rest = name.partition(".")
    return f"language_model.model.{rest}" if first == "language_model" else name


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "own head"])
def both(request: pytest.FixtureRequest) -> tuple[AudioTranslationNetwork, Any]:
    """Ours, and the library's with the same weights."""
    transformers = pytest.importorskip("transformers", reason="needs the extra nn")
    values = _config(tie_word_embeddings=request.param)
    ours = _ours(values)
    settings = transformers.Qwen2AudioConfig(
        audio_config={**values["audio_config"], "max_source_positions": 1500},
        text_config={**values["text_config"], "model_type": "qwen2", "bos_token_id": 0},
        audio_token_index=_SOUND,
        tie_word_embeddings=request.param,
    )
    theirs = transformers.Qwen2AudioForConditionalGeneration(settings).eval()
    state = ours.state_dict()
    # The library keeps a head of its own here, tied or not: a tied one says what the embeddings do.
    head = "language_model.lm_head.weight"
    state.setdefault(head, state["language_model.model.embed_tokens.weight"])
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(state[_old_name(name)])
    assert {_old_name(name) for name, _ in theirs.named_parameters()} | {head} == set(state)
    return ours, theirs


def _sound(length: int, seed: int = 1) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(length) * 0.1
    tone = np.sin(np.arange(length) * 0.2) * np.linspace(0, 0.5, length)
    return (noise + tone).astype(np.float32)


def _features(sound: Samples, bins: int) -> Any:
    transformers = pytest.importorskip("transformers", reason="needs the extra nn")
    extractor = transformers.WhisperFeatureExtractor(feature_size=bins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return extractor(
            sound,
            sampling_rate=16_000,
            return_attention_mask=True,
            padding="max_length",
            return_tensors="pt",
        )


@pytest.mark.parametrize("length", _LENGTHS)
@pytest.mark.parametrize("bins", [16, 128])
def test_mel_frames_are_whispers(length: int, bins: int) -> None:
    sound = _sound(length)
    wanted = _features(sound, bins)
    frames = -(-length // 160)
    assert int(wanted["attention_mask"].sum()) == frames
    got = log_mel(
        torch.from_numpy(sound), bins, num_frames=min(frames + 3, 3000), most_samples=480_000
    )
    theirs = wanted["input_features"][0][:, : got.shape[1]]
    assert got.shape[1] == min(frames + 3, 3000)
    torch.testing.assert_close(got, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", _LENGTHS)
def test_rows_of_a_sound_are_the_librarys(both: Any, length: int) -> None:
    ours, theirs = both
    sound = _sound(length)
    features = _features(sound, 16)
    rows = ours.hear(torch.from_numpy(sound))
    frames = -(-length // 160)
    assert len(rows) == num_states(frames)
    model = theirs.model if hasattr(theirs, "model") else theirs
    length_mask = features["attention_mask"].sum(-1)
    states = (length_mask - 1) // 2 + 1
    real = torch.arange(1500)[None] < states[:, None]
    with torch.no_grad():
        # 4-D, as the library's own forward pass gives it to its attention.
        mask = torch.where(real, 0.0, -torch.inf)[:, None, None].expand(-1, 1, 1500, -1)
        tower = model.audio_tower(features["input_features"], attention_mask=mask)
        wanted = model.multi_modal_projector(tower.last_hidden_state)[0, : len(rows)]
    torch.testing.assert_close(rows, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", [1600, 40_000])
def test_answers_are_the_librarys(both: Any, length: int) -> None:
    ours, theirs = both
    sound = _sound(length)
    features = _features(sound, 16)
    rows = ours.hear(torch.from_numpy(sound))
    before, after = [257, 9, 8, 260], [261, 7, 6, 5]
    ids = torch.tensor([[*before, *[_SOUND] * len(rows), *after]])
    with torch.no_grad():
        wanted = theirs(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            input_features=features["input_features"],
            feature_attention_mask=features["attention_mask"],
        ).logits[0, -1]
    cache = ours.new_cache(300)
    got = ours.read(torch.cat((ours.embed(before), rows, ours.embed(after))), cache)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=0)
    # One token more, with the cache and without.
    more = ours.read(ours.embed([11]), cache)
    whole = torch.cat((ours.embed(before), rows, ours.embed([*after, 11])))
    torch.testing.assert_close(more, ours.read(whole, ours.new_cache(300)), atol=_CLOSE, rtol=0)


def test_sizes_that_the_release_leaves_out() -> None:
    config = AudioTranslationConfig.from_dict(
        {
            "text_config": {
                "hidden_size": 1536,
                "intermediate_size": 8960,
                "num_hidden_layers": 28,
                "num_attention_heads": 12,
                "num_key_value_heads": 2,
                "rms_norm_eps": 1e-5,
                "tie_word_embeddings": True,
                "max_position_embeddings": 8192,
                "vocab_size": 156_032,
                "use_mrope": False,
            },
            "audio_token_index": 151_646,
        }
    )
    assert config.decoder.rope_theta == 10_000.0
    assert config.decoder.norm_eps == 1e-5
    assert AudioTranslationConfig.from_dict(_config(rope_theta=5e5)).decoder.rope_theta == 5e5
    with torch.device("meta"):
        network = AudioTranslationNetwork(config)
    assert sum(each.numel() for each in network.parameters()) == 2_188_942_336
    assert num_states(3000) == 750
    assert frames_needed(3000, config.encoder) == 3000


def _write(folder: Path, network: AudioTranslationNetwork, *, with_head: bool) -> None:
    state = {name: each.clone() for name, each in network.state_dict().items()}
    if with_head:
        state["language_model.lm_head.weight"] = (
            state["language_model.model.embed_tokens.weight"] + 0
        )
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_config()))


@pytest.mark.parametrize("with_head", [True, False])
def test_files_load_by_their_old_names(tmp_path: Path, with_head: bool) -> None:
    network = _ours(_config())
    _write(tmp_path, network, with_head=with_head)
    again = AudioTranslationNetwork.load(tmp_path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    sound = torch.from_numpy(_sound(8000))
    assert torch.equal(again.hear(sound), network.hear(sound))


def test_files_of_another_network_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, _ours(_config()), with_head=False)
    for change in (
        {"text_config": {**_config()["text_config"], "num_hidden_layers": 3}},
        {"audio_config": {**_config()["audio_config"], "encoder_ffn_dim": 25}},
        {"audio_config": {**_config()["audio_config"], "encoder_attention_heads": 3}},
        {"text_config": "none"},
        {"audio_config": {"d_model": "wide"}},
    ):
        (tmp_path / "config.json").write_text(json.dumps({**_config(), **change}))
        with pytest.raises(CheckpointError):
            AudioTranslationNetwork.load(tmp_path)


def _translator(network: AudioTranslationNetwork | None = None, **limits: int) -> AudioTranslator:
    vocabulary = {symbol: number for number, symbol in enumerate(byte_symbols())}
    return AudioTranslator(network or _ours(_config()), Qwen2Tokenizer(vocabulary, []), **limits)


def test_words_are_what_the_network_says_after_its_question() -> None:
    network = _ours(_config())
    translator = _translator(network, most_words=6)
    sound = _sound(8000)
    tokenizer = Qwen2Tokenizer({symbol: n for n, symbol in enumerate(byte_symbols())}, [])
    parts: list[list[int]] = [
        [257, *tokenizer.encode("system\nYou are a helpful assistant."), 258],
        [*tokenizer.encode("\n"), 257, *tokenizer.encode("user\nAudio 1: "), 260],
        [261, *tokenizer.encode("\nDetect the language and recognize the speech."), 258],
        [*tokenizer.encode("\n"), 257, *tokenizer.encode("assistant\n")],
    ]
    rows = torch.cat(
        (
            network.embed(parts[0] + parts[1]),
            network.hear(torch.from_numpy(sound)),
            network.embed(parts[2] + parts[3]),
        )
    )
    said: list[int] = []
    for _ in range(6):
        index = int(network.read(rows, network.new_cache(500)).argmax())
        if index in (256, 258):
            break
        said.append(index)
        rows = torch.cat((rows, network.embed([index])))
    wanted = tokenizer.decode([index for index in said if index < 256]).strip()
    assert translator.words(sound, Cancel()) == wanted


def test_sound_too_short_to_hear_is_nothing() -> None:
    translator = _translator()
    for length in (0, 1, 320):
        assert translator.words(_sound(length), Cancel()) == ""
        assert translator.sound(_sound(length), Cancel()).label == ""
        assert translator.sounds(_sound(length), Cancel(), stream=1, start_ns=0) == []


def test_wrong_sound_is_told_and_a_cut_turn_returns() -> None:
    translator = _translator()
    broken = _sound(8000)
    broken[77] = np.nan
    with pytest.raises(BackendError, match="no numbers"):
        translator.words(broken, Cancel())
    cancel = Cancel()
    cancel.set()
    for ask in (translator.words, translator.sound):
        with pytest.raises(Cancelled):
            ask(_sound(8000), cancel)
    with pytest.raises(BackendError, match="cut the sound"):
        _ours(_config()).hear(torch.zeros(480_001))


def test_a_long_sound_is_cut_where_it_is_quiet() -> None:
    sound = np.full(100_000, 0.5, np.float32)
    sound[55_000:58_000] = 0.0
    pieces = cut_at_quiet(sound, 60_000)
    assert np.array_equal(np.concatenate(pieces), sound)
    assert [len(piece) for piece in pieces][0] in range(55_000, 58_001)
    assert all(len(piece) <= 60_000 for piece in pieces)
    assert [len(piece) for piece in cut_at_quiet(sound, 100_000)] == [100_000]
    assert all(len(piece) <= 1000 for piece in cut_at_quiet(sound, 1000))


class _Scripted(AudioTranslator):
    """Says of a window what its loudest sample says; the rest is the real thing."""

    def _ask(self, question: str, samples: Samples, most: int, cancel: Cancel) -> tuple[str, float]:
        names = {0: ("silence", 0.9), 1: ("Dog", 0.9), 2: ("Speech", 0.9), 3: ("Bell", 0.3)}
        return names[round(float(np.abs(samples).max()) * 4)]


def test_sounds_have_their_times_and_neighbours_are_one() -> None:
    levels = [0, 1, 1, 2, 1, 3, 0, 1]
    samples = np.concatenate([np.full(16_000, level / 4, np.float32) for level in levels])
    translator = _Scripted(_ours(_config()), _translator()._tokenizer)
    start = 7_000_000_000
    found = translator.sounds(samples, Cancel(), stream=3, start_ns=start, window_s=1.0)
    times = [((e.start_ns - start) // 10**9, (e.end_ns - start) // 10**9) for e in found]
    assert times == [(1, 3), (4, 5), (7, 8)]
    assert {event.label for event in found} == {"Dog"}
    assert [event.id for event in found] == ["s3-8000", "s3-11000", "s3-14000"]
    assert found[0].level_db == pytest.approx(20 * np.log10(0.25), abs=0.01)
    assert [event.stream for event in found] == [3, 3, 3]


def test_a_label_has_the_probability_of_saying_it() -> None:
    network = _ours(_config())
    name = _translator(network).sound(_sound(16_000), Cancel())
    assert 0 < name.probability <= 1


def test_sounds_heard_together_are_heard_as_alone() -> None:
    encoder = _ours(_config()).audio_tower
    generator = torch.Generator().manual_seed(1)
    lengths = (16_000, 8_160, 23_999, 23_840)
    counts = [-(-length // 160) for length in lengths]
    sounds = [torch.rand(length, generator=generator) - 0.5 for length in lengths]
    most = frames_needed(max(counts), encoder.config)
    mels = [log_mel(one, 16, num_frames=most, most_samples=480_000) for one in sounds]
    together = encoder.encode(torch.stack(mels), counts)
    for mel, count, found in zip(mels, counts, together, strict=True):
        alone = encoder(mel[:, : frames_needed(count, encoder.config)], count)
        assert len(alone) == num_states(count)
        assert (found[: len(alone)] - alone).abs().max() < _CLOSE
