"""Instruction prediction: is what was said meant for the system?

Paper, section 3.3. The language model is asked in its own words (`nn/instruction.py`) and says Yes
or No. Questions between people are the hard case: only whom they are put to tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from omnilive.media.synthetic.daily import phrasebook
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.nn.instruction import instruction_question
from omnilive.nn.tokenizer_internlm2 import defused
from omnilive.training.networks import Networks
from omnilive.training.prompt_rows import Branch, PromptRows, Shared
from omnilive.training.task import Losses

_VALIDATED = 400


@dataclass(frozen=True, slots=True)
class TalkSource:
    """Draws sentences, half of them instructions: (sentence, whether it is one)."""

    split: Split
    batch_size: int

    def draw(self, seed: int, step: int) -> list[tuple[str, bool]]:
        """Return one batch."""
        rng = Random(f"talk {self.split} {seed} {step}")
        drawn = []
        for _ in range(self.batch_size):
            meant = rng.random() < 0.5
            text = (phrasebook.instructions if meant else phrasebook.not_instructions)(
                rng, self.split
            )
            drawn.append((heard_like(rng, text), meant))
        return drawn


def heard_like(rng: Random, text: str) -> str:
    """Return the text, sometimes as a recogniser writes it: small letters, no marks, a slip."""
    if rng.random() < 0.4:
        text = "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '")
    words = text.split()
    if rng.random() < 0.15 and len(words) > 3:
        at = rng.randrange(len(words))
        words[at : at + 1] = [] if rng.random() < 0.5 else [rng.choice(words)]
    return " ".join(words)


class InstructionPrediction:
    """Trains the reasoning module to tell instructions from talk."""

    name = "instruction_prediction"

    def __init__(self, networks: Networks, batch_size: int) -> None:
        self._networks = networks
        self._rows = PromptRows(networks.reasoning, networks.tokenizers.reasoning)
        self.source = TalkSource("train", batch_size)
        self._validation = TalkSource("validation", _VALIDATED)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the reasoning module but its tower."""
        for name, parameter in self._networks.parameters("reasoning."):
            if ".vit." not in name:
                yield name, parameter

    def loss(self, batch: list[tuple[str, bool]]) -> Losses:
        """Return the loss of Yes and No."""
        prompts = [
            Shared(
                (Branch(instruction_question(defused(text)), "Yes" if meant else "No"),), bare=True
            )
            for text, meant in batch
        ]
        loss, right, _ = self._rows.loss(prompts)
        return Losses(loss, {"loss": float(loss.detach()), "right": float(right.float().mean())})

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return loss and share of right answers on sentences never read."""
        return self.loss(self._validation.draw(0, 0)).parts
