"""What helps the sound encoder to learn, and is thrown away: what is heard at each of its states.

A decoder that attends to sound finds out late which rows belong to which word. Recognisers are
helped by a second loss on the encoder (Watanabe et al., 2017, with connectionist temporal
classification). Our voices are synthetic, so we know when each word is said, and each state is told
its word, roughly its letter, and what else sounds: nothing has to be aligned first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from omnilive.media.synthetic.daily.catalogue import SOUNDS
from omnilive.nn.audio_encoder import AudioEncoder
from omnilive.nn.audio_translation import AudioTranslationConfig
from omnilive.training.sounds import LETTERS, OUTSIDE, WORDS

_LEAST_STATES = 2  # of a word, to be read


class AudioHeads(nn.Module):
    """Scores of words, letters and sounds at each of the encoder's states."""

    def __init__(self, config: AudioTranslationConfig) -> None:
        super().__init__()
        width = config.encoder.width
        self.words = nn.Linear(width, 1 + len(WORDS))
        self.letters = nn.Linear(width, 1 + len(LETTERS))
        self.sounds = nn.Linear(width, 1 + len(SOUNDS))

    def loss(self, states_BTC: Tensor, labels_BT3: Tensor) -> Tensor:
        """Return the mean loss of a state, of the three together.

        Args:
            states_BTC: of the encoder, padded.
            labels_BT3: as `sounds.state_labels` gives them.
        """
        is_sound = labels_BT3[..., 0] != OUTSIDE
        states_NC, labels_N3 = states_BTC[is_sound], labels_BT3[is_sound].long()
        heads = (self.words, self.letters, self.sounds)
        losses = [
            functional.cross_entropy(head(states_NC).float(), labels_N3[:, number])
            for number, head in enumerate(heads)
        ]
        return torch.stack(losses).sum()

    def read(self, states_TC: Tensor) -> str:
        """Return the words of one sound, in lower case, as its states say them."""
        numbers = self.words(states_TC).argmax(dim=-1)
        found, counts = torch.unique_consecutive(numbers, return_counts=True)
        pairs = zip(found.tolist(), counts.tolist(), strict=True)
        return " ".join(
            WORDS[number - 1] for number, count in pairs if number and count >= _LEAST_STATES
        )


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
    held = dict(encoder.named_parameters())
    for name, queries in held.items():
        if name.endswith("q_proj.weight"):
            held[name.replace("q_proj", "k_proj")].copy_(queries)
    for convolution in (encoder.conv1, encoder.conv2):
        fan_in = convolution.weight[0].numel()
        nn.init.normal_(convolution.weight, std=math.sqrt(2.0 / fan_in))
