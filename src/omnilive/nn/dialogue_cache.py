"""What a dialogue keeps between turns: keys and values of its text, never of pictures or memory.

The kept prefix is the system text and the finished turns as text. A turn's pictures, memory,
question and answer are read behind it and cut away when the turn ends, however it ends. Then the
finished turn comes back as text with the next prefix. So an answer is the same as if everything
were read from the start, and a turn costs its own rows and the last turn's words.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from omnilive.cancel import Cancel
from omnilive.nn.generation import GenerationSettings, generate, read, room_for
from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling


class DialogueCache:
    """The kept prefix of one dialogue; turns come one after the other."""

    def __init__(self, network: ReasoningNetwork) -> None:
        self._network = network
        self._ids: list[int] = []
        self._cache: KeyValueCache | None = None
        self._base = 0.0  # of the angles that the kept keys were turned by

    @property
    def kept(self) -> int:
        """Tokens whose keys and values are kept."""
        return len(self._ids)

    @property
    def num_bytes(self) -> int:
        """Bytes that are kept, on the network's device."""
        return self._cache.num_bytes if self._cache is not None else 0

    def forget(self) -> None:
        """Keep nothing."""
        self._ids, self._cache = [], None

    def answer(
        self,
        prefix: Sequence[int],
        turn: EmbeddedPrompt,
        settings: GenerationSettings,
        cancel: Cancel | None = None,
    ) -> Generator[int]:
        """Yield the tokens of one answer.

        Args:
            prefix: ids of system text and finished turns (`prompts.dialogue_ids`); what it shares
                with the prefix of the turn before is not read again.
            turn: this turn's pictures, memory and question.
            settings: how tokens are chosen.
            cancel: looked at before every token and every piece that is read.

        Raises:
            BackendError: prefix and turn do not fit into the window.
            Cancelled: the turn was cut; what was kept before it stays.
        """
        length = len(prefix) + turn.length
        meant = length + room_for(self._network, length, settings)
        angles = self._network.model.angles
        if angles.scaling is Scaling.RELEASE and meant > angles.settings.max_positions:
            # Past its positions the release turns every call by other angles: nothing can be kept.
            self.forget()
            yield from generate(self._network, self._whole(prefix, turn), settings, cancel)
            return
        cache = self._shared(prefix, meant)
        rest = list(prefix[cache.length :])
        if rest:
            self._read(rest, cache, cancel)
        self._ids = list(prefix)
        yield from generate(self._network, turn, settings, cancel, cache)

    def _shared(self, prefix: Sequence[int], meant: int) -> KeyValueCache:
        """Cut the cache to what it shares with `prefix`; a new one if its angles no longer fit."""
        angles = self._network.model.angles
        base = angles.base_of(length=meant, meant=meant)
        cache = self._cache
        if cache is None or base != self._base:
            self._ids, self._base = [], base
            self._cache = self._network.model.new_cache(meant)
            return self._cache
        same = 0
        for ours, theirs in zip(self._ids, prefix, strict=False):
            if ours != theirs:
                break
            same += 1
        cache.cut(same)
        self._ids = self._ids[:same]
        return cache

    def _read(self, ids: list[int], cache: KeyValueCache, cancel: Cancel | None) -> None:
        held = cache.length
        try:
            read(self._network, self._text(ids), cache, cancel)
        except BaseException:
            cache.cut(held)
            raise

    def _text(self, ids: Sequence[int]) -> EmbeddedPrompt:
        with torch.no_grad():
            rows = self._network.embed(torch.tensor([list(ids)], dtype=torch.long))
        return EmbeddedPrompt(
            rows, torch.zeros(rows.shape[:2], dtype=torch.bool, device=rows.device)
        )

    def _whole(self, prefix: Sequence[int], turn: EmbeddedPrompt) -> EmbeddedPrompt:
        text = self._text(prefix)
        return EmbeddedPrompt(
            torch.cat((text.embeddings, turn.embeddings), dim=1),
            torch.cat((text.picture_mask, turn.picture_mask), dim=1),
        )
