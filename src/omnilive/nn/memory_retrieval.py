"""Which clips does a question mean: cosines with H-hat (paper, section 3.2), also of very many.

`GlobalIndex` keeps H-hat of all clips as 8-bit numbers for a first look by compiled code, and in
16 bits for a second, exact one at the best few.

Shapes: Q questions, K clips, C width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from omnilive.errors import BackendError
from omnilive.nn.memory_config import TEMPERATURE

_FULL = 127
_RESCORED = 64
_THREADS = 1  # more of them spin while perception works beside


def cosines(questions_QC: Tensor, globals_KC: Tensor) -> Tensor:
    """Return the cosine of each question with each clip, (Q, K), in float32."""
    questions = functional.normalize(questions_QC.float(), dim=-1)
    return questions @ functional.normalize(globals_KC.float(), dim=-1).T


def probabilities(cosines_QK: Tensor) -> Tensor:
    """Return the release's scores: the softmax over clips at temperature 0.1.

    They depend on how many clips there are, so a threshold belongs on the cosine.
    """
    return torch.softmax(cosines_QK / TEMPERATURE, dim=-1)


class GlobalIndex:
    """H-hat of very many clips; grows at its end."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._count = 0
        self._numbers = np.empty((0, width), dtype=np.int8)
        self._scales = np.empty(0, dtype=np.float32)
        self._vectors = np.empty((0, width), dtype=np.float16)

    def __len__(self) -> int:
        return self._count

    @property
    def num_bytes(self) -> int:
        """Bytes held, with the room kept for what comes."""
        return self._numbers.nbytes + self._scales.nbytes + self._vectors.nbytes

    def add(self, globals_KC: NDArray[np.float32]) -> None:
        """Append vectors; row numbers go on from the last one.

        Raises:
            BackendError: another width, or vectors without a direction.
        """
        if globals_KC.ndim != 2 or globals_KC.shape[1] != self._width:
            raise BackendError(f"The index holds vectors of {self._width} numbers.")
        lengths = np.linalg.norm(globals_KC, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
            raise BackendError("A global memory without a direction cannot be searched for.")
        end = self._count + len(globals_KC)
        self._make_room(end)
        unit = globals_KC / lengths
        largest = np.abs(unit).max(axis=1)
        self._numbers[self._count : end] = np.rint(unit * (_FULL / largest)[:, None])
        self._scales[self._count : end] = largest / _FULL
        self._vectors[self._count : end] = unit
        self._count = end

    def nearest(
        self, question_C: NDArray[np.float32], num_wanted: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return row numbers and cosines of the nearest vectors, the nearest first.

        Raises:
            BackendError: a question's vector without a direction or of another width.
        """
        import simsimd

        length = float(np.linalg.norm(question_C))
        if question_C.shape != (self._width,) or not np.isfinite(length) or length == 0.0:
            raise BackendError("The question's vector has no direction; nothing can be searched.")
        if not self._count or num_wanted < 1:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        unit = question_C.astype(np.float32) / np.float32(length)
        numbers = np.rint(unit * (_FULL / np.abs(unit).max())).astype(np.int8)[None]
        rough = simsimd.cdist(
            numbers,
            self._numbers[: self._count],
            metric="dot",
            out_dtype="float32",
            threads=_THREADS,
        )
        scores = np.asarray(rough, dtype=np.float32).reshape(-1) * self._scales[: self._count]
        num_rescored = min(max(_RESCORED, 4 * num_wanted), self._count)
        best = np.argpartition(scores, self._count - num_rescored)[-num_rescored:]
        exact = self._vectors[best].astype(np.float32) @ unit
        order = np.argsort(-exact, kind="stable")[:num_wanted]
        return best[order].astype(np.int64), exact[order]

    def _make_room(self, end: int) -> None:
        if end <= len(self._numbers):
            return
        capacity = max(end, len(self._numbers) + len(self._numbers) // 4)
        for name in ("_numbers", "_scales", "_vectors"):
            held = getattr(self, name)
            grown = np.empty((capacity, *held.shape[1:]), dtype=held.dtype)
            grown[: self._count] = held[: self._count]
            setattr(self, name, grown)
