"""Recognition: words of voices never heard before (paper, section 3.1, first stage)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from omnilive.training.audio_passes import Passes, named_right, word_error_rate
from omnilive.training.networks import Networks
from omnilive.training.sounds import SoundBatch, SoundSource
from omnilive.training.task import Losses


class AudioRecognition:
    """Trains the whole audio module to write down what is said.

    Args:
        networks: of the run.
        batch_size: sounds a batch.
        num_validated: sentences that the word error rate is of.
    """

    name = "audio_recognition"
    share_named = 0.0

    def __init__(self, networks: Networks, batch_size: int, *, num_validated: int = 100) -> None:
        self._networks = networks
        self._passes = Passes(networks.audio, networks.audio_heads, networks.tokenizers.audio)
        self._num_validated = num_validated
        self.source = SoundSource(
            "train",
            batch_size,
            networks.audio.config.encoder.num_bins,
            networks.audio.most_samples,
            self.share_named,
        )

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The audio module and the heads of its encoder."""
        return self._networks.parameters("audio", "heads.audio")

    def loss(self, batch: SoundBatch) -> Losses:
        """Return the losses of answers and of what the states heard, together."""
        answers, heard, right = self._passes.losses(batch)
        parts = {"answers": answers.item(), "heard": heard.item(), "right": right}
        return Losses(answers + heard, parts)

    def validate(self) -> Mapping[str, float]:
        """Return the word error rate on voices and sentences of the validation split."""
        return {"word_error_rate": self._word_error_rate()}

    def _word_error_rate(self) -> float:
        audio, tokenizer = self._networks.audio, self._networks.tokenizers.audio
        return word_error_rate(audio, tokenizer, "validation", num_sounds=self._num_validated)

    def _named_right(self) -> Mapping[str, float]:
        audio, tokenizer = self._networks.audio, self._networks.tokenizers.audio
        return named_right(audio, tokenizer, "validation", num_sounds=self._num_validated)
