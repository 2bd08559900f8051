"""Text vectors: what an embedder is, and the one that the wordllama package carries.

Only wordllama's two data files are used, not its code: importing and loading it takes a third
of a second and a float copy of the matrix, while a question needs a dozen rows of it. The matrix
is therefore mapped into memory and read where a word stands.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from omnilive.errors import BackendError, ConfigError
from omnilive.memory.vectors import unit_rows

MAX_CHARACTERS = 4_000


class TextEmbedder(Protocol):
    """Turns texts into vectors whose cosine says how alike they are."""

    @property
    def model(self) -> str:
        """Name stored with every vector: vectors of two models are never compared."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows (len(texts), dimension); a text without words gives a zero row."""
        ...


class WordLlamaEmbedder:
    """Mean of static word-piece vectors (wordllama "l2_supercat", 256 numbers)."""

    model = "wordllama-l2-supercat-256"
    dimension = 256

    def __init__(self) -> None:
        folder = _wordllama_folder()
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        tokenizer = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        for path in (weights, tokenizer):
            if not path.is_file():
                raise BackendError(
                    f"The wordllama package lacks its file {path.name}; "
                    "install it again with `pip install --force-reinstall wordllama==0.4.0.post1`."
                )
        # As a plain array: picking rows of a memmap costs three times as much.
        self._matrix = np.asarray(_map_safetensor(weights, "embedding.weight"))
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows (len(texts), 256)."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for index, text in enumerate(texts):
            if not any(character.isalnum() for character in text):
                continue
            encoded = self._tokenizer.encode(text[:MAX_CHARACTERS], add_special_tokens=False)
            if encoded.ids:
                rows[index] = self._matrix[encoded.ids].sum(axis=0, dtype=np.float32)
        return unit_rows(rows)


class EmbedderChoice(Protocol):
    """A configuration that names an embedder."""

    @property
    def embedder(self) -> str:
        """Its name."""
        ...


def build_embedder(config: EmbedderChoice) -> TextEmbedder:
    """Return the embedder that a configuration names.

    Raises:
        ConfigError: there is none of this name.
        BackendError: its package is missing or broken.
    """
    if config.embedder != "wordllama":
        raise ConfigError(f'memory.embedder is "{config.embedder}", but only "wordllama" is known.')
    return WordLlamaEmbedder()


def _wordllama_folder() -> Path:
    found = importlib.util.find_spec("wordllama")
    if found is None or found.origin is None:
        raise BackendError(
            "Text vectors need the wordllama package; install it with "
            "`pip install wordllama==0.4.0.post1`."
        )
    return Path(found.origin).parent


def _map_safetensor(path: Path, name: str) -> NDArray[np.float16]:
    """Map one float16 matrix of a safetensors file (a length, a JSON header, raw numbers)."""
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
    entry = header[name]
    if entry["dtype"] != "F16":
        raise BackendError(f"The file {path.name} of wordllama has an unexpected number type.")
    return np.memmap(
        path,
        dtype="<f2",
        mode="r",
        offset=8 + header_bytes + entry["data_offsets"][0],
        shape=tuple(entry["shape"]),
    )
