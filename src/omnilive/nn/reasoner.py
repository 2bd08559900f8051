"""The reasoning module at work: one network for all sessions, a kept dialogue for each.

Several sessions may ask at once: the network takes one step (a token, a prompt) for each in turn,
so two answers grow side by side and a short question (is this an instruction?) waits for one step
and not for an answer. Whoever waits can be cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import Pixels
from omnilive.nn.dialogue_cache import DialogueCache
from omnilive.nn.frame_canvas import frames_to_picture
from omnilive.nn.generation import GenerationSettings
from omnilive.nn.instruction import predict_instruction
from omnilive.nn.ixc_config import GenerationConfig, IxcConfig
from omnilive.nn.places import place_of
from omnilive.nn.prompts import (
    EmbeddedPrompt,
    Exchange,
    assemble,
    dialogue_ids,
    paper_prompt,
    release_memory_prompt,
)
from omnilive.nn.reasoning_loading import load_reasoning
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.reasoning_request import ReasoningRequest, Vectors
from omnilive.nn.rotary import Scaling
from omnilive.nn.tokenizer_internlm2 import TURN_END, InternLM2Tokenizer, StreamingText
from omnilive.nn.weights_folder import need_module

_LOOK_EVERY_S = 0.02  # how often who waits for the network sees whether it was cut
_LEAST_ANSWER = 64  # tokens that an answer gets room for, before older words are left out


class Reasoner:
    """A network, its tokenizer, and the dialogues that lean on it.

    Args:
        network: the reasoning module, where it shall work.
        tokenizer: of the network.
        config: prompt, generation, system text.
    """

    def __init__(
        self, network: ReasoningNetwork, tokenizer: InternLM2Tokenizer, config: IxcConfig
    ) -> None:
        self.network = network
        self._tokenizer = tokenizer
        self._config = config
        stop = frozenset({tokenizer.end, tokenizer.id_of(TURN_END)})
        self._settings = _settings(config.generation, stop)
        self._dialogues: dict[str, DialogueCache] = {}
        self._step = threading.Lock()

    @classmethod
    def load(cls, config: IxcConfig, progress: Callable[[str], None] | None = None) -> Reasoner:
        """Load the network that `config` names.

        Raises:
            CheckpointError: weights or tokenizer are missing, damaged or of another network.
            ConfigError: no folder is named, or the device is not there.
        """
        found = need_module(config.folder(), "reasoning")
        place = place_of(config.place, "ixc.place")
        tokenizer = InternLM2Tokenizer(found.tokenizer / "tokenizer.model")
        if progress is not None:
            precision = f"{place.dtype}, 8-bit weights" if config.eight_bit else place.dtype
            progress(f"Loading the language model ({precision}, {place.device})")
        network = load_reasoning(
            found.path,
            adapter=found.adapter,
            device=place.device,
            dtype=place.torch_dtype(),
            eight_bit=config.eight_bit,
            scaling=Scaling.RELEASE if config.scaling == "release" else Scaling.PER_TEXT,
        )
        return cls(network, tokenizer, config)

    # --- asking -------------------------------------------------------------------------

    def answer(self, dialogue: str, request: ReasoningRequest, cancel: Cancel) -> Iterator[str]:
        """Yield the answer's text as its tokens come.

        Args:
            dialogue: name of the dialogue whose kept text is gone on from; one answer at a time.
            request: what it is made of.
            cancel: looked at before every token, and while others have the network.

        Raises:
            BackendError: the question is too long, or the network gave no numbers.
            Cancelled: the turn was cut; what the turn had put into the cache is gone.
        """
        with self._having(cancel):
            prefix, turn = self._prompt(request, cancel)
            kept = self._dialogues.setdefault(dialogue, DialogueCache(self.network))
        ids = kept.answer(prefix, turn, self._settings, cancel)
        text = StreamingText(self._tokenizer)
        try:
            while True:
                with self._having(cancel):
                    index = next(ids, None)
                if index is None:
                    break
                said = text.push(index) if index < self._tokenizer.vocab_size else ""
                if said:
                    yield said
            left = text.close()
            if left:
                yield left
        finally:
            # Gives back the turn's rows, also when whoever listened has gone.
            ids.close()

    def instruction(self, text: str, cancel: Cancel) -> float:
        """Return the probability that `text` is an instruction (paper, section 3.3).

        Raises:
            BackendError: the text is far too long.
            Cancelled: the turn was cut.
        """
        with self._having(cancel):
            return predict_instruction(self.network, self._tokenizer, text, cancel).probability

    def forget(self, dialogue: str) -> None:
        """Let go of what is kept of a dialogue."""
        with self._step:
            self._dialogues.pop(dialogue, None)

    def kept_bytes(self, dialogue: str) -> int:
        """Return how many bytes of keys and values a dialogue keeps between its turns."""
        kept = self._dialogues.get(dialogue)
        return 0 if kept is None else kept.num_bytes

    # --- the prompt ---------------------------------------------------------------------

    @torch.no_grad()
    def _prompt(
        self, request: ReasoningRequest, cancel: Cancel
    ) -> tuple[list[int], EmbeddedPrompt]:
        window = self.network.window
        num_words = len(self._tokenizer.encode(request.question))
        if num_words > window // 2:
            raise BackendError(
                f"The question has {num_words} tokens and the language model's window holds "
                f"{window}; ask it in fewer words."
            )
        pictures = [
            self._encoded(frames, cancel)
            for frames in (request.clip_frames, request.newest_frames)
            if frames
        ]
        room = window - min(_LEAST_ANSWER, self._settings.max_new_tokens)
        while True:
            prefix = dialogue_ids(
                self._tokenizer,
                system=self._config.system,
                history=[Exchange(*each) for each in request.history],
            )
            turn = self._turn(request, pictures)
            shorter = _shorter(request)
            if len(prefix) + turn.length <= room or shorter is None:
                return prefix, turn
            request = shorter

    def _turn(self, request: ReasoningRequest, pictures: Sequence[Tensor]) -> EmbeddedPrompt:
        overview = request.overview
        if overview is not None and not len(overview):
            overview = None
        records = "".join(f"{line}\n" for line in request.records)
        if self._config.prompt == "paper":
            segments = paper_prompt(
                request.question,
                related=bool(request.related),
                overview=overview is not None,
                num_pictures=len(pictures),
                begin=False,
                records=records,
            )
        else:
            segments = release_memory_prompt(
                f"Question: {request.question}",
                related=bool(request.related),
                overview=overview is not None,
                num_pictures=len(pictures),
                lead="",  # "The answer is" belongs to the example's multiple choice, not to talk
                begin=False,
                records=records,
            )
        related = np.concatenate(request.related) if request.related else None
        return assemble(
            self.network,
            self._tokenizer,
            segments,
            pictures=pictures,
            overview=None if overview is None else _tensor(overview),
            related=None if related is None else _tensor(related),
        )

    def _encoded(self, frames: Sequence[Pixels], cancel: Cancel) -> Tensor:
        tile = self.network.config.tower.image_size
        picture = frames_to_picture(frames, canvas=self._config.canvas, tile=tile)
        return self.network.encode_picture(picture, cancel)

    @contextmanager
    def _having(self, cancel: Cancel) -> Iterator[None]:
        """Have the network for one step."""
        while not self._step.acquire(timeout=_LOOK_EVERY_S):
            cancel.check()
        try:
            cancel.check()
            yield
        finally:
            self._step.release()


def _shorter(request: ReasoningRequest) -> ReasoningRequest | None:
    """Leave something out: old turns first, then words, then memory; None if nothing can go."""
    if request.history:
        return replace(request, history=request.history[1:])
    if request.records:
        return replace(request, records=())
    if request.related:
        return replace(request, related=request.related[1:])
    return None


def _settings(config: GenerationConfig, stop: frozenset[int]) -> GenerationSettings:
    return GenerationSettings(
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        repetition_penalty=config.repetition_penalty,
        seed=config.seed,
        stop=stop,
    )


def _tensor(vectors: Vectors) -> Tensor:
    # A copy: events' arrays are never written to, and torch wants its tensors writable.
    return torch.from_numpy(np.array(vectors, dtype=np.float32))
