"""The newest blocks of a run of sound, by their numbers, and what is said in some of them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import NS_PER_S, Samples, Word
from omnilive.perception.recognition import Recogniser, Transcript, is_made_up
from omnilive.perception.sound_blocks import SoundBlock
from omnilive.perception.voice_activity import BLOCK_NS


class Said(NamedTuple):
    """What was recognised in some blocks; `words` only where the recogniser gives times."""

    text: str
    words: tuple[Word, ...]
    words_exact: bool


NOTHING = Said("", (), False)


class KeptSound:
    """As many blocks as the longest thing that may be recognised or named needs."""

    def __init__(self, num_blocks: int) -> None:
        self._blocks: deque[SoundBlock] = deque(maxlen=num_blocks)
        self.num_blocks = 0  # of this run, also those that are kept no more

    def push(self, block: SoundBlock) -> None:
        """Keep one more block; the oldest may go."""
        self._blocks.append(block)
        self.num_blocks += 1

    def clear(self) -> None:
        """A new run begins: numbers start again at 0."""
        self._blocks.clear()
        self.num_blocks = 0

    def samples(self, first: int, end: int) -> Samples:
        """Return the sound of the blocks `first` to `end` (not included)."""
        oldest = self.num_blocks - len(self._blocks)
        blocks = [self._blocks[i - oldest] for i in range(max(first, oldest), end)]
        return np.concatenate([block.samples[: block.num_samples] for block in blocks])

    def between(self, start_ns: int, end_ns: int) -> Samples:
        """Return the sound of the blocks that begin in a stretch of time."""
        blocks = [one.samples for one in self._blocks if start_ns <= one.at_ns < end_ns]
        return np.concatenate(blocks)


class WordFinder:
    """Recognises stretches of kept sound; a failure is kept until somebody takes it.

    Args:
        sound: what is kept.
        recogniser: None: nothing is ever said.
        pad_blocks: extra sound on both sides that the recogniser gets.
    """

    def __init__(self, sound: KeptSound, recogniser: Recogniser | None, pad_blocks: int) -> None:
        self._sound = sound
        self._recogniser = recogniser
        self._pad = pad_blocks
        self._error: BackendError | None = None

    def take_error(self) -> BackendError | None:
        """Return why something could not be recognised since the last call, if so."""
        error, self._error = self._error, None
        return error

    def find(
        self,
        first: int,
        end: int,
        start_ns: int,
        *,
        not_before: int,
        not_after: int,
        num_blocks: int,
        cancel: Cancel,
    ) -> Said:
        """Return what is said in the blocks `first` to `end`, without padding beyond its bounds.

        Args:
            first: number of the first block.
            end: number of the block behind the last one.
            start_ns: stream time of the first block.
            not_before: no sound before this block is given.
            not_after: no sound from this block on is given.
            num_blocks: how long the voice may have spoken; more words than fit are made up.
            cancel: of the turn.
        """
        if self._recogniser is None:
            return NOTHING
        padded = max(first - self._pad, not_before, 0)
        samples = self._sound.samples(padded, min(end + self._pad, not_after))
        try:
            transcript = self._recogniser.transcribe(samples, cancel)
        except BackendError as error:
            self._error = error
            return NOTHING
        text = " ".join(transcript.text.split())
        if is_made_up(text, num_blocks * BLOCK_NS / NS_PER_S):
            return NOTHING
        end_ns = start_ns + (end - first) * BLOCK_NS
        words = _timed(transcript, start_ns - (first - padded) * BLOCK_NS, start_ns, end_ns)
        return Said(text, words, transcript.words_exact and bool(words))


def _timed(transcript: Transcript, origin_ns: int, start_ns: int, end_ns: int) -> tuple[Word, ...]:
    def place(seconds: float) -> int:
        return min(max(origin_ns + round(seconds * NS_PER_S), start_ns), end_ns)

    return tuple(Word(w.text, place(w.start_s), place(w.end_s)) for w in transcript.words)
