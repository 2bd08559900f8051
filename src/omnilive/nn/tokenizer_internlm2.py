"""The tokenizer of InternLM2: a sentencepiece model, with what the release does around it.

No space is put in front of a text and leading spaces are kept. A literal `<s>`, `</s>` or `<unk>`
in a text that we write becomes that token, and `[UNUSED_TOKEN_145]` ends a turn: text from
outside goes through `defused` first, which no mark survives. When decoding, every special token
that does not follow another one puts one space in front of the pieces before it ("a</s>b" comes
back as " a</s>b").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from omnilive.errors import CheckpointError

TURN_START = "[UNUSED_TOKEN_146]"
TURN_END = "[UNUSED_TOKEN_145]"
_SPECIAL = re.compile("(<unk>|<s>|</s>)")
_MARK = re.compile(r"\[(UNUSED_TOKEN_\d+)\]")
PICTURE_HERE = "<ImageHere>"


def defused(text: str) -> str:
    """Return text from outside with no part left that could be a special token or a mark."""
    text = _MARK.sub(r"[ \1 ]", text)
    return _SPECIAL.sub(lambda found: f"< {found[0][1:]}", text).replace(
        PICTURE_HERE, "< ImageHere>"
    )


class Tokenizer(Protocol):
    """What a prompt needs of a tokenizer."""

    begin: int

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        """Return the ids of `text`; with `begin`, the start token comes first."""
        ...


class InternLM2Tokenizer:
    """Text to ids and back.

    Attributes:
        vocab_size: number of pieces.
        begin, end: ids of `<s>` and `</s>`.
    """

    def __init__(self, model: Path) -> None:
        """Load `model`, the file `tokenizer.model` beside the weights.

        Raises:
            CheckpointError: the file is missing or no sentencepiece model.
        """
        from sentencepiece import SentencePieceProcessor

        if not model.is_file():
            raise CheckpointError(f"The tokenizer {model} is missing; it lies beside the weights.")
        try:
            self._pieces = SentencePieceProcessor(model_file=str(model))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{model} is no sentencepiece model; fetch it again.") from error
        self.vocab_size = int(self._pieces.vocab_size())
        self.begin = int(self._pieces.bos_id())
        self.end = int(self._pieces.eos_id())
        self._special = {
            self._pieces.id_to_piece(index): index
            for index in (int(self._pieces.unk_id()), self.begin, self.end)
            if index >= 0
        }

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        """Return the ids of `text`; with `begin`, the start token comes first."""
        ids = [self.begin] if begin else []
        for part in _SPECIAL.split(text):
            if part in self._special:
                ids.append(self._special[part])
            elif part:
                ids.extend(int(index) for index in self._pieces.encode(part))
        return ids

    def id_of(self, piece: str) -> int:
        """Return the id of one piece.

        Raises:
            CheckpointError: the model has no such piece.
        """
        index = int(self._pieces.piece_to_id(piece))
        if index == self._pieces.unk_id() and piece != "<unk>":
            raise CheckpointError(
                f"The tokenizer has no piece {piece!r}; is it of another model family?"
            )
        return index

    def piece(self, index: int) -> str:
        """Return the piece with the id `index`."""
        return str(self._pieces.id_to_piece(index))

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """Return the text of `ids`; special tokens are left out with `skip_special`."""
        text, run, after_special = "", list[int](), False
        special = {index: piece for piece, index in self._special.items()}
        for index in ids:
            if index not in special:
                run.append(int(index))
                after_special = False
                continue
            if skip_special:
                continue
            text += ("" if after_special else " ") + self._pieces.decode(run) + special[index]
            run, after_special = [], True
        return text + (self._pieces.decode(run) if run else "")


class StreamingText:
    """Text of tokens as they come: never half a character, never taken back.

    A piece may hold a part of a character's bytes; its text comes with the piece that completes it.
    """

    def __init__(self, tokenizer: InternLM2Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._open: list[int] = []
        self._said = ""

    def push(self, index: int) -> str:
        """Return the text that this token completes."""
        self._open.append(index)
        whole = self._tokenizer.decode(self._open, skip_special=True)
        if whole.endswith("�") or not whole.startswith(self._said):
            return ""
        new, self._said = whole[len(self._said) :], whole
        if len(self._open) > 64:
            self._open, self._said = self._open[-8:], ""
            self._said = self._tokenizer.decode(self._open, skip_special=True)
        return new

    def close(self) -> str:
        """Return what was left unfinished, as well as it can be told."""
        whole = self._tokenizer.decode(self._open, skip_special=True)
        new = whole[len(self._said) :] if whole.startswith(self._said) else ""
        self._open, self._said = [], ""
        return new
