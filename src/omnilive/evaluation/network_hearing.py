"""What a trained checkpoint hears: words and sounds of voices never heard, and whom talk is for.

Every figure is asked as the system asks it live (`nn/audio_questions.py`, `nn/instruction.py`), on
one split's voices and sentences, and stands beside what comes of answering without listening:

    blind       the answer to silence (words, sounds); always the commoner answer (instructions)
    shuffled    the answer to another sentence or sound of the same set
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from omnilive.cancel import Cancel
from omnilive.evaluation.bootstrap import Interval, interval
from omnilive.evaluation.network_subject import Say
from omnilive.events import SAMPLE_RATE
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.phrasebook import texts
from omnilive.nn.audio_questions import AudioTranslator, TextTokenizer
from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.nn.instruction import predict_instruction
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import Tokenizer
from omnilive.training.audio_passes import names_heard, word_errors, words_heard
from omnilive.training.tasks.instruction_prediction import TalkSource

Asked = TypeVar("Asked")
_MEANT = 0.5  # probability above which a sentence is taken for an instruction
_SILENCE = np.zeros(2 * SAMPLE_RATE, np.float32)
_TOLD = {
    "alone": "sounds alone",
    "under_speech": "sounds under speech",
    "speech": "speech is speech",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One share.

    Attributes:
        what: it is of.
        condition: "heard", "blind" or "shuffled".
        share: with its interval; of word errors it may be above 1.
    """

    what: str
    condition: str
    share: Interval


def word_figures(
    network: AudioTranslationNetwork,
    tokenizer: TextTokenizer,
    split: Split,
    *,
    seeds: Sequence[int],
    num_sounds: int,
    say: Say,
) -> Iterator[Figure]:
    """Yield word errors a spoken word; intervals are over sentences."""
    translator = AudioTranslator(network, tokenizer)
    said: list[str] = []
    heard: list[str] = []
    for seed in seeds:
        rng = random.Random(f"words {split} {seed}")
        own = texts(num_sounds, split, seed)
        said += own
        heard += words_heard(translator, rng, split, own, network.most_samples)
        say(f"words: {len(said)} of {len(seeds) * num_sounds} sentences")
    silence = translator.words(_SILENCE, Cancel())
    yield from _figures("word errors", said, heard, silence, _error_rate)


def sound_figures(
    network: AudioTranslationNetwork,
    tokenizer: TextTokenizer,
    split: Split,
    *,
    seeds: Sequence[int],
    num_sounds: int,
    say: Say,
) -> Iterator[Figure]:
    """Yield the shares of sounds that get their name, alone and under speech."""
    translator = AudioTranslator(network, tokenizer)
    wanted: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for seed in seeds:
        rng = random.Random(f"sounds {split} {seed}")
        own = texts(num_sounds, split, seed)
        for name, label, answer in names_heard(translator, rng, split, own, network.most_samples):
            wanted.setdefault(_TOLD[name], []).append(label)
            found.setdefault(_TOLD[name], []).append(answer)
        say(f"sounds: seed {seed}")
    silence = translator.sound(_SILENCE, Cancel()).label.casefold()
    for what, labels in wanted.items():
        yield from _figures(what, labels, found[what], silence, _share)


def instruction_figures(
    network: ReasoningNetwork,
    tokenizer: Tokenizer,
    split: Split,
    *,
    seeds: Sequence[int],
    num_sentences: int,
    say: Say,
) -> Iterator[Figure]:
    """Yield the share of sentences that are told apart: for the system, or among people."""
    meant: list[bool] = []
    taken: list[bool] = []
    for seed in seeds:
        for text, is_meant in TalkSource(split, num_sentences).draw(seed, 0):
            meant.append(is_meant)
            taken.append(predict_instruction(network, tokenizer, text).probability > _MEANT)
        say(f"instructions: seed {seed}")
    commoner = 2 * sum(meant) > len(meant)
    yield from _figures("instructions", meant, taken, commoner, _share)


def _figures(
    what: str,
    wanted: Sequence[Asked],
    heard: Sequence[Asked],
    blind: Asked,
    share: Callable[[Sequence[Asked], Sequence[Asked]], Interval],
) -> Iterator[Figure]:
    for condition, answers in (
        ("heard", heard),
        ("shuffled", [*heard[1:], *heard[:1]]),
        ("blind", [blind] * len(wanted)),
    ):
        yield Figure(what, condition, share(wanted, answers))


def _share(wanted: Sequence[object], found: Sequence[object]) -> Interval:
    return interval([float(a == b) for a, b in zip(wanted, found, strict=True)])


def _error_rate(said: Sequence[str], heard: Sequence[str]) -> Interval:
    """Return errors a word: a sentence's errors are spread over its words, and drawn with them."""
    values: list[float] = []
    sentences: list[int] = []
    for number, (text, found) in enumerate(zip(said, heard, strict=True)):
        errors, words = word_errors(text, found)
        values += [errors / words] * words if words else []
        sentences += [number] * words
    return interval(values, sentences)
