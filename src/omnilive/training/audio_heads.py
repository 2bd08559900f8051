"""What helps the sound encoder to learn to read, and is thrown away: words in their order.

A decoder that attends to sound finds out late which rows belong to which word; connectionist
temporal classification (Graves et al., 2006) on the encoder's states tells it early (Watanabe et
al., 2017, train both together). The classes are whole words of the phrasebook: it is closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.media.synthetic.daily.phrasebook import all_words, words_of
from omnilive.nn.audio_encoder import AudioEncoder
from omnilive.nn.audio_translation import AudioTranslationConfig

_BLANK = 0


class AudioHeads(nn.Module):
    """Scores of words at each of the encoder's states."""

    def __init__(self, config: AudioTranslationConfig) -> None:
        super().__init__()
        self._words = tuple(sorted({word.lower() for word in all_words()}))
        self._numbers = {word: number for number, word in enumerate(self._words, start=1)}
        self.words = nn.Linear(config.encoder.width, 1 + len(self._words))

    def loss(self, states_BTC: Tensor, num_states: Sequence[int], spoken: Sequence[str]) -> Tensor:
        """Return the mean loss of a word, over sounds in which every word is known.

        Args:
            states_BTC: of the encoder, padded.
            num_states: of each sound.
            spoken: what is said in each; "" for nothing.
        """
        numbers = [[self._numbers.get(word, -1) for word in words_of(text)] for text in spoken]
        known = [
            index
            for index, said in enumerate(numbers)
            if -1 not in said and len(said) <= num_states[index]
        ]
        if not known:
            return states_BTC.sum() * 0.0
        log_probabilities = self.words(states_BTC[known]).float().log_softmax(dim=-1)
        said = [numbers[index] for index in known]
        losses = functional.ctc_loss(
            log_probabilities.transpose(0, 1),
            torch.tensor([number for each in said for number in each], dtype=torch.long),
            torch.tensor([num_states[index] for index in known], dtype=torch.long),
            torch.tensor([len(each) for each in said], dtype=torch.long),
            blank=_BLANK,
            reduction="none",
            zero_infinity=True,
        )
        return losses.sum() / max(1, sum(map(len, said)))

    def read(self, states_TC: Tensor) -> str:
        """Return the likeliest words of one sound, in lower case."""
        best = torch.unique_consecutive(self.words(states_TC).argmax(dim=-1)).tolist()
        return " ".join(self._words[number - 1] for number in best if number != _BLANK)


@torch.no_grad()
def start_encoder(encoder: AudioEncoder) -> None:
    """Start an encoder so that it looks near by from the first step.

    Positions are waves (Whisper's, but none much longer than the longest sound), keys are what
    queries are, so that near places attract each other, and sound is as loud as places are.
    """
    positions, width = encoder.embed_positions.weight.shape
    half = width // 2
    powers = torch.arange(half) / max(1, half - 1)
    angles = torch.arange(positions)[:, None] * torch.exp(-math.log(positions) * powers)
    encoder.embed_positions.weight[:, :half] = angles.sin()
    encoder.embed_positions.weight[:, half : 2 * half] = angles.cos()
    for layer in encoder.layers:
        layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
    for convolution in (encoder.conv1, encoder.conv2):
        fan_in = convolution.weight[0].numel()
        nn.init.normal_(convolution.weight, std=math.sqrt(2.0 / fan_in))
