"""Tokenizers made from texts: what they write, that they come out the same, and their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sentencepiece", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from omnilive.errors import ConfigError
from omnilive.media.synthetic.daily.phrasebook import texts
from omnilive.nn.tokenizer_internlm2 import TURN_END, TURN_START, InternLM2Tokenizer
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.training.tokenizers import write_internlm2_tokenizer, write_qwen2_tokenizer

_TEXTS = texts(2000)
_ODD = "Zürich, 12:30 - 日本 \U0001f600\n  two  blanks"


def test_a_small_qwen2_tokenizer_gives_back_any_text(tmp_path: Path) -> None:
    size = write_qwen2_tokenizer(tmp_path, _TEXTS, 900)
    tokenizer = Qwen2Tokenizer.load(tmp_path)
    assert len(tokenizer) == size <= 900
    for text in (*texts(50, "test"), _ODD):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_word_of_the_phrasebook_is_one_id(tmp_path: Path) -> None:
    write_qwen2_tokenizer(tmp_path, _TEXTS, 900)
    tokenizer = Qwen2Tokenizer.load(tmp_path)
    said = texts(300, "validation")
    num_ids = sum(len(tokenizer.encode(text)) for text in said)
    num_words = sum(len(text.split()) for text in said)
    assert num_ids < 1.4 * num_words


def test_a_small_internlm2_tokenizer_gives_back_any_text(tmp_path: Path) -> None:
    assert write_internlm2_tokenizer(tmp_path, _TEXTS, 800) == 800
    tokenizer = InternLM2Tokenizer(tmp_path / "tokenizer.model")
    assert tokenizer.vocab_size == 800
    for text in (*texts(50, "test"), _ODD):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    turn = f"{TURN_START}user\nWhat is this?{TURN_END}\n"
    ids = tokenizer.encode(turn, begin=True)
    assert ids[:2] == [tokenizer.begin, tokenizer.id_of(TURN_START)]
    assert tokenizer.id_of(TURN_END) in ids
    assert tokenizer.begin != tokenizer.end


def test_equal_texts_give_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_qwen2_tokenizer(tmp_path / name, _TEXTS, 500)
        write_internlm2_tokenizer(tmp_path / name, _TEXTS, 600)
    for file in ("vocab.json", "merges.txt", "tokenizer.model"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_impossible_sizes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="more than 256"):
        write_qwen2_tokenizer(tmp_path, _TEXTS, 256)
    for size in (200, 100_000):
        with pytest.raises(ConfigError, match="sentencepiece model"):
            write_internlm2_tokenizer(tmp_path, _TEXTS, size)
