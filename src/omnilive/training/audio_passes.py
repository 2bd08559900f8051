"""One pass of the audio module over a batch of sounds: what it should answer, and what it does.

The prompt is that of `nn/audio_questions.py`. The loss is on the answer alone, its end included.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from omnilive.cancel import Cancel
from omnilive.media.synthetic.daily.catalogue import SOUNDS, Split
from omnilive.media.synthetic.daily.phrasebook import texts, words_of
from omnilive.nn.audio_encoder import num_states
from omnilive.nn.audio_questions import AudioTranslator, TextTokenizer, ids_around
from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.training.audio_heads import AudioHeads
from omnilive.training.sounds import SoundBatch, named_sound, speech

_IGNORED = -100


class Passes:
    """The losses of an audio module with its heads.

    Args:
        network: is trained.
        heads: are trained beside it.
        tokenizer: of the network.
    """

    def __init__(
        self, network: AudioTranslationNetwork, heads: AudioHeads, tokenizer: TextTokenizer
    ) -> None:
        self._network = network
        self._heads = heads
        self._tokenizer = tokenizer

    def losses(self, batch: SoundBatch) -> tuple[Tensor, Tensor, float]:
        """Return the losses of an answer's token and of a state; and right tokens' share."""
        network = self._network
        counts = [num_states(frames) for frames in batch.num_frames]
        mels = torch.from_numpy(batch.mels).to(network.device)
        states_BTC = network.audio_tower.encode(mels, batch.num_frames)
        labels = torch.from_numpy(batch.labels).to(network.device)
        heard = self._heads.loss(states_BTC, labels)
        scores, targets = self._answered(states_BTC, counts, batch.questions, batch.answers)
        right = float((scores.argmax(dim=-1) == targets).float().mean())
        return functional.cross_entropy(scores.float(), targets), heard, right

    def _answered(
        self,
        states_BTC: Tensor,
        counts: Sequence[int],
        questions: Sequence[str],
        answers: Sequence[str],
    ) -> tuple[Tensor, Tensor]:
        """Return the scores of the answers' tokens, (N, V), and the tokens, (N,)."""
        network, marks = self._network, self._network.config.marks
        ids, targets, sounds = list[list[int]](), list[list[int]](), list[tuple[int, int]]()
        for count, question, answer in zip(counts, questions, answers, strict=True):
            before, after = ids_around(question, self._tokenizer, marks)
            said = [*self._tokenizer.encode(answer), marks.turn_end]
            row = [*before, *[marks.sound_start] * count, *after, *said[:-1]]
            ids.append(row)
            targets.append([*[_IGNORED] * (len(row) - len(said)), *said])
            sounds.append((len(before), len(before) + count))
        longest = max(map(len, ids))
        ids_BL = torch.full((len(ids), longest), marks.text_end)
        targets_BL = torch.full((len(ids), longest), _IGNORED)
        for number, (each, wanted) in enumerate(zip(ids, targets, strict=True)):
            ids_BL[number, : len(each)] = torch.tensor(each)
            targets_BL[number, : len(wanted)] = torch.tensor(wanted)
        ends = torch.tensor(sounds)
        at = torch.arange(longest)
        is_sound_BL = (at >= ends[:, :1]) & (at < ends[:, 1:])
        held = torch.arange(states_BTC.shape[1]) < torch.tensor(list(counts))[:, None]
        device = states_BTC.device
        rows = network.multi_modal_projector(states_BTC[held.to(device)])
        decoder = network.language_model.model
        x_BLC = decoder.embed_tokens(ids_BL.to(device))
        x_BLC = x_BLC.masked_scatter(is_sound_BL.to(device).unsqueeze(-1), rows.to(x_BLC.dtype))
        wanted_BL = (targets_BL != _IGNORED).to(device)
        states_NC = decoder(x_BLC)[wanted_BL]
        head = network.language_model.lm_head
        scores = decoder.logits(states_NC, None if head is None else head.weight)
        return scores, targets_BL.to(device)[wanted_BL]


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Return the edits from one to the other, and the words said; case and marks do not count."""
    wanted, found = words_of(said), words_of(heard)
    costs = list(range(len(found) + 1))
    for row, word in enumerate(wanted, start=1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(found, start=1):
            change = diagonal + (word != other)
            diagonal = costs[column]
            costs[column] = min(change, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1], len(wanted)


def words_heard(
    translator: AudioTranslator,
    rng: random.Random,
    split: Split,
    said: Sequence[str],
    most_samples: int,
) -> Iterator[str]:
    """Yield what is heard of each sentence, in voices of a split and in hiss."""
    for text in said:
        yield translator.words(speech(rng, split, text, most_samples).samples, Cancel())


def names_heard(
    translator: AudioTranslator,
    rng: random.Random,
    split: Split,
    said: Sequence[str],
    most_samples: int,
) -> Iterator[tuple[str, str, str]]:
    """Yield of each sound how it comes (alone, under_speech, speech), its name, and the answer."""
    for number, text in enumerate(said):
        label = SOUNDS[number % len(SOUNDS)]
        made = {
            "alone": named_sound(rng, split, label, most_samples),
            "under_speech": named_sound(rng, split, label, most_samples, under=text),
            "speech": speech(rng, split, text, most_samples),
        }
        for name, one in made.items():
            yield name, one.label, translator.sound(one.samples, Cancel()).label.casefold()


def word_error_rate(
    network: AudioTranslationNetwork,
    tokenizer: TextTokenizer,
    split: Split,
    *,
    num_sounds: int,
    seed: int = 0,
) -> float:
    """Return word errors a spoken word, heard as live: sentences and voices of a split, in hiss."""
    rng = random.Random(f"word errors {split} {seed}")
    said = texts(num_sounds, split, seed)
    translator = AudioTranslator(network, tokenizer)
    heard = words_heard(translator, rng, split, said, network.most_samples)
    counts = [word_errors(text, found) for text, found in zip(said, heard, strict=True)]
    return sum(edits for edits, _ in counts) / max(1, sum(words for _, words in counts))


def named_right(
    network: AudioTranslationNetwork,
    tokenizer: TextTokenizer,
    split: Split,
    *,
    num_sounds: int,
    seed: int = 0,
) -> Mapping[str, float]:
    """Return the share of sounds that get their name: alone, under speech, and speech alone."""
    rng = random.Random(f"names {split} {seed}")
    said = texts(num_sounds, split, seed + 1)
    translator = AudioTranslator(network, tokenizer)
    right: dict[str, list[bool]] = {"alone": [], "under_speech": [], "speech": []}
    for name, label, found in names_heard(translator, rng, split, said, network.most_samples):
        right[name].append(found == label)
    return {name: float(np.mean(each)) for name, each in right.items()}
