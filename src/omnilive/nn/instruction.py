"""Instruction prediction: is what was said meant for the system?

The paper asks the language model before anything is retrieved (section 3.3); the release asks it
after retrieval and searches the reply for "Yes". Here the same question is put, and the
probabilities of the two answers are compared: one reading of some thirty tokens, nothing
generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from omnilive.cancel import Cancel
from omnilive.nn.generation import GenerationSettings, check, read, room_for
from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.prompts import assemble, chat_prompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import Tokenizer, defused

_SPELLINGS = ("{}", " {}")  # with and without the space that a tokenizer may want before a word


@dataclass(frozen=True, slots=True)
class InstructionPrediction:
    """What the model thinks.

    Attributes:
        yes, no: probabilities that its reply begins with that word.
    """

    yes: float
    no: float

    @property
    def probability(self) -> float:
        """Of "Yes" against "No"; 0 where neither has any."""
        both = self.yes + self.no
        return self.yes / both if both > 0 else 0.0


def instruction_question(text: str) -> str:
    """Return the question about `text`, worded as the release words it."""
    return f'Is the following string an instruction? "{text.strip().rstrip("?")}"'


def predict_instruction(
    network: ReasoningNetwork, tokenizer: Tokenizer, text: str, cancel: Cancel | None = None
) -> InstructionPrediction:
    """Ask whether `text` (what somebody said) is an instruction; silence never is.

    Raises:
        BackendError: the text does not fit into the window.
        Cancelled: the turn was cut.
    """
    if not text.strip():
        return InstructionPrediction(0.0, 1.0)
    with torch.no_grad():
        prompt = assemble(network, tokenizer, chat_prompt(instruction_question(defused(text))))
        words = {
            word: {tuple(tokenizer.encode(shape.format(word))) for shape in _SPELLINGS}
            for word in ("Yes", "No")
        }
        longest = max(len(ids) for spellings in words.values() for ids in spellings)
        room_for(network, prompt.length, GenerationSettings(max_new_tokens=longest))
        cache = network.model.new_cache(prompt.length + longest)
        first = read(network, prompt, cache, cancel)[0].softmax(dim=-1)
        found = {
            word: sum(_probability(network, cache, first, ids, cancel) for ids in spellings)
            for word, spellings in words.items()
        }
    return InstructionPrediction(found["Yes"], found["No"])


def _probability(
    network: ReasoningNetwork,
    cache: KeyValueCache,
    first: Tensor,
    ids: tuple[int, ...],
    cancel: Cancel | None,
) -> float:
    """Probability that the reply begins with `ids`; the cache is left as it was."""
    probability = float(first[ids[0]])
    if len(ids) > 1:
        check(cancel)
        held = cache.length
        rows = network.embed(torch.tensor([ids[:-1]]))
        after = network.logits(network.model(rows, cache=cache))[0].softmax(dim=-1)
        cache.cut(held)
        for place, index in enumerate(ids[1:]):
            probability *= float(after[place, index])
    return probability
