"""Speech to text: what a recogniser is, and what is done with its words.

Two things a reader would not guess: a recogniser of one language makes up sentences for
another one, which shows as the same words again and again; and most recognisers give no word
times, so words are laid over the voiced part of their segment by their length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from omnilive.cancel import Cancel
from omnilive.events import Samples, Word
from omnilive.nn.ixc_config import PlaceConfig

# More words than this in a second of speech were not said by anybody.
MAX_WORDS_PER_S = 8.0


@dataclass(frozen=True, kw_only=True)
class RecognitionConfig:
    """Which recogniser turns speech into text.

    Attributes:
        backend: "moonshine" (English); "ixc": the paper's audio network, which names sounds too; or
            "none": voices are noticed, words are not.
        weights: folder of the audio network and its tokenizer ("ixc").
        place: where that network works, in which precision.
    """

    backend: str = "moonshine"
    weights: str = ""
    place: PlaceConfig = field(default_factory=PlaceConfig)


class SpokenWord(NamedTuple):
    """One word; times are seconds from the first sample that was given."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said. `words` is empty where the recogniser gives no times."""

    text: str
    words: tuple[SpokenWord, ...] = ()
    words_exact: bool = False


class Recogniser(Protocol):
    """Turns one segment of speech into text; may be called from several threads."""

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        """Return what is said in `samples` (16 kHz mono); empty text for no words.

        Raises:
            BackendError: the recogniser failed.
            Cancelled: the turn was cut.
        """
        ...

    def close(self) -> None:
        """Release the model. Safe to call twice."""
        ...


def is_made_up(text: str, duration_s: float) -> bool:
    """Whether a text cannot have been said: a loop of words, or far too many of them."""
    words = re.findall(r"\w+", text.casefold())
    if not words:
        return True
    if len(words) >= 4 and len(words) > MAX_WORDS_PER_S * max(duration_s, 0.5):
        return True
    return _longest_stutter(words) >= 8 or _loops(words)


def place_words(
    text: str, start_ns: int, block_ns: int, voiced: Sequence[bool]
) -> tuple[Word, ...]:
    """Lay the words of `text` over the voiced blocks, each as long as its letters.

    Args:
        text: what was said.
        start_ns: stream time of the first block.
        block_ns: length of a block.
        voiced: whether each block is voiced.
    """
    texts = text.split()
    places = [i for i, is_voiced in enumerate(voiced) if is_voiced] or list(range(len(voiced)))
    if not texts or not places:
        return ()
    # One more for every word: the shortest word takes time too.
    lengths = [len(re.findall(r"\w", word)) + 1 for word in texts]
    total = sum(lengths)
    words = []
    done = 0
    for word, length in zip(texts, lengths, strict=True):
        first = _place(places, done / total)
        done += length
        last = _place(places, done / total, is_end=True)
        words.append(
            Word(word, start_ns + round(first * block_ns), start_ns + round(last * block_ns))
        )
    return tuple(words)


def _place(places: Sequence[int], share: float, *, is_end: bool = False) -> float:
    """Return where `share` of the voiced time is over, in blocks from the start."""
    position = share * len(places)
    i = min(int(position), len(places) - 1)
    # The end of a word stays in the voiced block it ends in, before a pause, not after it.
    if is_end and position == i and i > 0:
        i -= 1
    return places[i] + (position - i)


def _longest_stutter(words: Sequence[str]) -> int:
    longest = run = 1
    for before, word in zip(words, words[1:], strict=False):
        run = run + 1 if word == before else 1
        longest = max(longest, run)
    return longest


def _loops(words: Sequence[str]) -> bool:
    """Whether one phrase of 2 to 8 words, said three times or more, makes up most of the text."""
    if len(words) < 8:
        return False
    for length in range(2, 9):
        counts: dict[tuple[str, ...], int] = {}
        free_from: dict[tuple[str, ...], int] = {}
        for i in range(len(words) - length + 1):
            phrase = tuple(words[i : i + length])
            if i >= free_from.get(phrase, 0):
                counts[phrase] = counts.get(phrase, 0) + 1
                free_from[phrase] = i + length
        most = max(counts.values(), default=0)
        if most >= 3 and most * length >= 0.6 * len(words):
            return True
    return False
