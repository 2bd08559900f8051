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

import numpy as np

from omnilive.cancel import Cancel
from omnilive.evaluation.bootstrap import Interval, interval
from omnilive.events import SAMPLE_RATE
from omnilive.media.synthetic.daily.catalogue import SOUNDS, Split
from omnilive.media.synthetic.daily.phrasebook import texts
from omnilive.nn.audio_questions import AudioTranslator, TextTokenizer
from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.nn.instruction import predict_instruction
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import Tokenizer
from omnilive.training.audio_passes import word_errors
from omnilive.training.sounds import named_sound, speech
from omnilive.training.tasks.instruction_prediction import TalkSource

Say = Callable[[str], None]
_MEANT = 0.5  # probability above which a sentence is taken for an instruction


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
    translator, cancel = AudioTranslator(network, tokenizer), Cancel()
    said: list[str] = []
    heard: list[str] = []
    for seed in seeds:
        rng = random.Random(f"words {split} {seed}")
        for text in texts(num_sounds, split, seed):
            one = speech(rng, split, text, network.most_samples)
            said.append(text)
            heard.append(translator.words(one.samples, cancel))
        say(f"words: {len(said)} of {len(seeds) * num_sounds} sentences")
    silence = translator.words(np.zeros(2 * SAMPLE_RATE, np.float32), cancel)
    for condition, found in (
        ("heard", heard),
        ("shuffled", heard[1:] + heard[:1]),
        ("blind", [silence] * len(said)),
    ):
        yield Figure("word errors", condition, _error_rate(said, found))


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
    translator, cancel = AudioTranslator(network, tokenizer), Cancel()
    wanted: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for seed in seeds:
        rng = random.Random(f"sounds {split} {seed}")
        for number, text in enumerate(texts(num_sounds, split, seed)):
            label = SOUNDS[number % len(SOUNDS)]
            most = network.most_samples
            for what, one in (
                ("sounds alone", named_sound(rng, split, label, most)),
                ("sounds under speech", named_sound(rng, split, label, most, under=text)),
                ("speech is speech", speech(rng, split, text, most)),
            ):
                wanted.setdefault(what, []).append(one.label)
                answer = translator.sound(one.samples, cancel).label.casefold()
                found.setdefault(what, []).append(answer)
        say(f"sounds: seed {seed}")
    silence = translator.sound(np.zeros(2 * SAMPLE_RATE, np.float32), cancel).label.casefold()
    for what, labels in wanted.items():
        heard = found[what]
        for condition, answers in (
            ("heard", heard),
            ("shuffled", heard[1:] + heard[:1]),
            ("blind", [silence] * len(labels)),
        ):
            yield Figure(what, condition, _share(labels, answers))


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
    for condition, answers in (
        ("heard", taken),
        ("shuffled", taken[1:] + taken[:1]),
        ("blind", [commoner] * len(meant)),
    ):
        yield Figure("instructions", condition, _share(meant, answers))


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
