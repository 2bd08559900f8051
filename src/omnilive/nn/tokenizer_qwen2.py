"""The tokenizer of Qwen2: byte-level BPE, from a folder as Hugging Face lays it out.

Nothing that a person says or that is read in a picture becomes a control token: the vocabulary's
special tokens are never matched in text.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from omnilive.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How text is cut before pairs are merged: digits one by one, words with the space before them."""


class Qwen2Tokenizer:
    """Text to token ids and back."""

    def __init__(self, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self._tokenizer = built(vocabulary, merges)
        self._size = max(vocabulary.values(), default=-1) + 1

    @classmethod
    def load(cls, folder: Path) -> Qwen2Tokenizer:
        """Read `vocab.json` and `merges.txt`, or `tokenizer.json`, or `merges.txt` alone.

        From merges alone the vocabulary is the 256 byte symbols, then the merges in their order,
        which is how it was made.

        Raises:
            CheckpointError: none of them is there, or they do not fit each other.
        """
        try:
            return cls(*_read(folder))
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{folder} holds no tokenizer; put merges.txt and vocab.json there."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"The tokenizer in {folder} is damaged; fetch it again."
            ) from error

    def __len__(self) -> int:
        """One more than the largest id."""
        return self._size

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; no start token."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        """Return the text of `ids`."""
        return self._tokenizer.decode(ids, skip_special_tokens=False)

    def pieces(self, text: str) -> list[str]:
        """Return how `text` is cut before pairs are merged, as byte symbols."""
        normalised = self._tokenizer.normalizer.normalize_str(text)
        return [piece for piece, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]


@cache
def byte_symbols() -> tuple[str, ...]:
    """Return the printable symbol of each of the 256 bytes, in the order of their ids."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return (*map(chr, printable), *(chr(256 + number) for number in range(len(others))))


def built(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """Return the library's tokenizer that cuts and merges as Qwen2 does.

    Raises:
        ValueError: merges and vocabulary do not fit.
    """
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    missing = [each for pair in merges for each in (*pair, "".join(pair)) if each not in vocabulary]
    if missing or any(symbol not in vocabulary for symbol in byte_symbols()):
        raise ValueError("merges and vocabulary do not fit")
    tokenizer = Tokenizer(BPE(vocabulary, merges, fuse_unk=False, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _read(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    whole = folder / "tokenizer.json"
    if whole.is_file() and not (folder / "merges.txt").is_file():
        model = json.loads(whole.read_text(encoding="utf-8"))["model"]
        pairs = [each.split(" ") if isinstance(each, str) else each for each in model["merges"]]
        return dict(model["vocab"]), [(left, right) for left, right in pairs]
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    if lines and lines[0].startswith("#version"):
        lines = lines[1:]
    split = [line.split(" ") for line in lines if line]
    merges = [(left, right) for left, right in split]
    vocabulary = folder / "vocab.json"
    if vocabulary.is_file():
        return dict(json.loads(vocabulary.read_text(encoding="utf-8"))), merges
    tokens = [*byte_symbols(), *("".join(pair) for pair in merges)]
    return {token: number for number, token in enumerate(tokens)}, merges
