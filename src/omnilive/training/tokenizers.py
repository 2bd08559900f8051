"""Small tokenizers for small networks, made from the texts of the daily world.

Both are files that the release's readers read (`nn/tokenizer_qwen2.py`,
`nn/tokenizer_internlm2.py`), and come out the same, byte for byte, from the same texts. Bytes are
pieces of both, so that any text can be written, if at length.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

from omnilive.errors import ConfigError
from omnilive.nn.tokenizer_internlm2 import TURN_END, TURN_START
from omnilive.nn.tokenizer_qwen2 import built, byte_symbols

_LONGEST_PIECE = 24  # characters


def write_qwen2_tokenizer(folder: Path, texts: Sequence[str], size: int) -> int:
    """Write `vocab.json` and `merges.txt`, byte-level BPE; return the number of ids.

    Args:
        folder: is made if missing.
        texts: what it shall write in few ids; a word with the blank before it becomes one.
        size: ids at most, the 256 bytes among them; fewer if the texts hold no more pairs.

    Raises:
        ConfigError: no room for a merge.
    """
    from tokenizers.trainers import BpeTrainer

    if size <= len(byte_symbols()):
        raise ConfigError(f"A byte-level tokenizer needs more than 256 ids, not {size}.")
    tokenizer = built({symbol: number for number, symbol in enumerate(byte_symbols())}, [])
    trainer = BpeTrainer(
        vocab_size=size,
        initial_alphabet=list(byte_symbols()),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    # Older versions of the library write a pair as one text.
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merges = [(left, right) for left, right in pairs]
    tokens = [*byte_symbols(), *("".join(pair) for pair in merges)]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    text = json.dumps(vocabulary, ensure_ascii=False, indent=0)
    (folder / "vocab.json").write_text(text + "\n", encoding="utf-8")
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    return len(tokens)


def write_internlm2_tokenizer(folder: Path, texts: Sequence[str], size: int) -> int:
    """Write `tokenizer.model`, a sentencepiece model like the release's; return its pieces.

    No space is put in front, nothing is normalised, bytes stand for what is unknown; the marks of
    a turn and the end of a line are pieces of their own.

    Args:
        folder: is made if missing.
        texts: what it shall write in few pieces.
        size: pieces in all, the 256 bytes among them.

    Raises:
        ConfigError: the texts do not hold as many pieces, or the size leaves no room for them.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=size,
            model_type="bpe",
            byte_fallback=True,
            character_coverage=1.0,
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            split_digits=True,
            max_sentencepiece_length=_LONGEST_PIECE,
            user_defined_symbols=[TURN_END, TURN_START, "\n"],
            num_threads=1,
            minloglevel=3,
        )
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"No sentencepiece model of {size} pieces can be made from these texts; "
            "choose fewer pieces or give more texts."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return size
